//! Updates of displays, at a rate that a person can see: a fast loop keeps the latest state, and that is sent.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::thread::Thread;
use std::time::{Duration, Instant};

use crate::Bundle;
use crate::wire::Frame;

/// How long a display rests after an update: 25 a second.
const REST: Duration = Duration::from_millis(40);

static STATES: Mutex<BTreeMap<String, State>> = Mutex::new(BTreeMap::new());
/// Those who are asked before a flush.
static ASKED: Mutex<Vec<Weak<dyn Fn() + Send + Sync>>> = Mutex::new(Vec::new());
static SENT: Condvar = Condvar::new();
static COURIER: OnceLock<Option<Thread>> = OnceLock::new();

/// What is known of a display that is updated.
#[derive(Default)]
struct State {
    /// When its last update was sent.
    sent: Option<Instant>,
    /// What it is to show next.
    waiting: Option<Bundle>,
    /// Somebody is sending an update: a newer one must not overtake it.
    sending: bool,
}

impl State {
    fn is_due(&self) -> bool {
        self.sent.is_none_or(|sent| sent.elapsed() >= REST)
    }
}

/// Sends an update now, or keeps it until the display has rested.
pub(crate) fn update(id: &str, bundle: Bundle) {
    let mut states = lock();
    let state = states.entry(id.to_owned()).or_default();
    state.waiting = Some(bundle);
    if !state.sending && (state.is_due() || courier().is_none()) {
        send_waiting(states, id);
    } else if let Some(courier) = courier() {
        courier.unpark();
    }
}

/// Has `deliver` called before each [`flush`], as long as it lives: who shows its state less often than it changes then
/// makes the update that is missing, so that a cell does not end with an old state.
pub fn before_flush(deliver: Weak<dyn Fn() + Send + Sync>) {
    ASKED.lock().unwrap_or_else(PoisonError::into_inner).push(deliver);
}

/// Sends all updates that wait. Those that other threads make in the meantime may wait again.
pub fn flush() {
    let asked: Vec<_> = {
        let mut asked = ASKED.lock().unwrap_or_else(PoisonError::into_inner);
        asked.retain(|deliver| deliver.strong_count() > 0);
        asked.iter().filter_map(Weak::upgrade).collect()
    };
    // Unlocked: they may take their time, and new ones may come.
    for deliver in asked {
        deliver();
    }
    let ids: Vec<String> = lock().keys().cloned().collect();
    for id in ids {
        let mut states = lock();
        while states.get(&id).is_some_and(|state| state.sending) {
            states = SENT.wait(states).unwrap_or_else(PoisonError::into_inner);
        }
        send_waiting(states, &id);
    }
    lock().retain(|_, state| state.waiting.is_some() || state.sending || !state.is_due());
}

/// Sends what waits for a display, if something does. The lock is not held meanwhile: what takes the frame
/// may wait for a lock of somebody who updates.
fn send_waiting(mut states: MutexGuard<'_, BTreeMap<String, State>>, id: &str) {
    let Some(state) = states.get_mut(id) else { return };
    let Some(bundle) = state.waiting.take() else { return };
    state.sending = true;
    drop(states);
    crate::send(Frame::Update { id: id.to_owned(), bundle });
    if let Some(state) = lock().get_mut(id) {
        state.sending = false;
        state.sent = Some(Instant::now());
    }
    SENT.notify_all();
}

/// The thread that brings updates whose display has rested; it sleeps while none waits. None where the
/// system gives no thread.
fn courier() -> Option<&'static Thread> {
    let start = || {
        let thread = std::thread::Builder::new().name("updates".into()).spawn(bring).ok()?;
        Some(thread.thread().clone())
    };
    COURIER.get_or_init(start).as_ref()
}

fn bring() {
    loop {
        let waits = |state: &State| state.waiting.is_some() && !state.sending;
        let (any, due) = {
            let states = lock();
            let due = states.iter().find(|(_, state)| waits(state) && state.is_due());
            (states.values().any(|state| state.waiting.is_some()), due.map(|(id, _)| id.clone()))
        };
        match due {
            Some(id) => send_waiting(lock(), &id),
            None if any => std::thread::sleep(REST / 4),
            None => std::thread::park(),
        }
    }
}

fn lock() -> MutexGuard<'static, BTreeMap<String, State>> {
    // Every change of the map is whole after one line.
    STATES.lock().unwrap_or_else(PoisonError::into_inner)
}
