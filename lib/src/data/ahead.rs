//! Work done ahead of its use, in parallel, that comes out in order.
//!
//! The threads are its own and not those of the pool that computes: a training step that asks the pool for
//! help would else wait behind images that are being decoded. They sleep as soon as enough is ready.

use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sconce_display::interrupt;

use crate::{Error, Result};

/// How often somebody who waits looks whether an interrupt came.
const LOOK: Duration = Duration::from_millis(20);

/// Groups of items: the items of a group are made by any thread, whoever makes the last one finishes the
/// group.
pub(super) trait Work: Send + Sync + 'static {
    type Item: Send;
    type Group: Send;

    /// How many groups there are.
    fn groups(&self) -> usize;

    /// How many items a group has, at least 1.
    fn items(&self, group: usize) -> usize;

    fn item(&self, group: usize, at: usize) -> Result<Self::Item>;

    /// Puts the items of a group, all of them in order, together.
    fn finish(&self, group: usize, items: Vec<Self::Item>) -> Result<Self::Group>;
}

/// How much is done at the same time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// Threads; 0 does everything in the thread that asks, when it asks.
    pub(super) workers: usize,
    /// Groups that are made or ready beyond the one that was taken last.
    pub(super) prefetch: usize,
}

/// The groups, one after the other. Dropping it ends the threads: each stops after the item it is at, and
/// nobody waits for that.
pub(super) struct Ahead<W: Work> {
    shared: Arc<Shared<W>>,
    pace: Pace,
}

struct Shared<W: Work> {
    work: W,
    state: Mutex<State<W>>,
    /// There is room to work, or the end.
    room: Condvar,
    /// A group is done.
    done: Condvar,
}

struct State<W: Work> {
    /// The group that is taken next, the first of `open`.
    first: usize,
    /// The item that is begun next: its group, and its place there.
    next: (usize, usize),
    /// Groups below this one may be begun.
    limit: usize,
    /// Groups that were begun and not taken.
    open: VecDeque<Open<W>>,
    stopped: bool,
}

struct Open<W: Work> {
    items: Vec<Option<W::Item>>,
    missing: usize,
    failed: Option<(usize, Error)>,
    outcome: Option<Result<W::Group>>,
}

impl<W: Work> Ahead<W> {
    /// Starts the threads; the first group taken will be `first`.
    pub(super) fn start(work: W, pace: Pace, first: usize) -> Result<Ahead<W>> {
        let limit = first.saturating_add(pace.prefetch);
        let state = State { first, next: (first, 0), limit, open: VecDeque::new(), stopped: false };
        let shared =
            Arc::new(Shared { work, state: Mutex::new(state), room: Condvar::new(), done: Condvar::new() });
        let ahead = Ahead { shared, pace };
        for at in 0..pace.workers {
            let shared = Arc::clone(&ahead.shared);
            let name = format!("loader {at}");
            std::thread::Builder::new().name(name).spawn(move || shared.labour()).map_err(|error| {
                Error::Argument {
                    op: "batches".into(),
                    expected: format!("a system that gives {} threads", pace.workers),
                    got: format!("{error} at thread {}", at + 1),
                    hint: "Ask for fewer workers; 0 loads in the thread that asks.".into(),
                }
            })?;
        }
        Ok(ahead)
    }

    /// The next group; `None` after the last one. An interrupt ends it: `place` says how far it came.
    pub(super) fn take(&mut self, place: impl Fn() -> String) -> Option<Result<W::Group>> {
        let shared = &*self.shared;
        let mut state = shared.lock();
        let group = state.first;
        if state.stopped || group >= shared.work.groups() {
            return None;
        }
        if interrupt::requested() {
            state.stop(shared);
            return Some(Err(Error::Interrupted { at: place() }));
        }
        if self.pace.workers == 0 {
            state.first += 1;
            drop(state);
            return Some(self.make(group, &place));
        }
        state.limit = group.saturating_add(self.pace.prefetch.max(1));
        shared.room.notify_all();
        loop {
            if let Some(outcome) = state.open.front_mut().and_then(|open| open.outcome.take()) {
                state.open.pop_front();
                state.first = group + 1;
                state.limit = state.first.saturating_add(self.pace.prefetch);
                shared.room.notify_all();
                return Some(outcome);
            }
            if interrupt::requested() {
                state.stop(shared);
                return Some(Err(Error::Interrupted { at: place() }));
            }
            state = shared.done.wait_timeout(state, LOOK).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// What is being done.
    pub(super) fn work(&self) -> &W {
        &self.shared.work
    }

    /// A group, here and now.
    fn make(&self, group: usize, place: &impl Fn() -> String) -> Result<W::Group> {
        let work = &self.shared.work;
        let mut items = Vec::with_capacity(work.items(group));
        for at in 0..work.items(group) {
            if interrupt::requested() {
                self.shared.lock().stop(&self.shared);
                return Err(Error::Interrupted { at: place() });
            }
            items.push(guarded(|| work.item(group, at))?);
        }
        guarded(|| work.finish(group, items))
    }
}

impl<W: Work> Drop for Ahead<W> {
    fn drop(&mut self) {
        self.shared.lock().stop(&self.shared);
    }
}

impl<W: Work> State<W> {
    fn stop(&mut self, shared: &Shared<W>) {
        self.stopped = true;
        self.open.clear();
        shared.room.notify_all();
    }
}

impl<W: Work> Shared<W> {
    fn lock(&self) -> MutexGuard<'_, State<W>> {
        // Nothing of the user's runs while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a thread does.
    fn labour(&self) {
        while let Some((group, at)) = self.begin() {
            let made = guarded(|| self.work.item(group, at));
            let Some(items) = self.put(group, at, made) else { continue };
            let outcome = items.and_then(|items| guarded(|| self.work.finish(group, items)));
            let mut state = self.lock();
            if let Some(open) = state.open_at(group) {
                open.outcome = Some(outcome);
            }
            self.done.notify_all();
        }
    }

    /// The next item to make, once there is room; `None` at the end.
    fn begin(&self) -> Option<(usize, usize)> {
        let mut state = self.lock();
        loop {
            let (group, at) = state.next;
            if state.stopped || group >= self.work.groups() {
                return None;
            }
            if group < state.limit {
                let items = self.work.items(group);
                if at == 0 {
                    let places = (0..items).map(|_| None).collect();
                    state.open.push_back(Open { items: places, missing: items, failed: None, outcome: None });
                }
                state.next = if at + 1 < items { (group, at + 1) } else { (group + 1, 0) };
                return Some((group, at));
            }
            state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Puts an item in its place. Gives all of the group to whoever brings the last one.
    fn put(&self, group: usize, at: usize, made: Result<W::Item>) -> Option<Result<Vec<W::Item>>> {
        let mut state = self.lock();
        let open = state.open_at(group)?;
        match made {
            Ok(item) => open.items[at] = Some(item),
            // Of several errors that of the first item counts, whichever thread was faster.
            Err(error) => {
                if open.failed.as_ref().is_none_or(|(before, _)| at < *before) {
                    open.failed = Some((at, error));
                }
            }
        }
        open.missing -= 1;
        if open.missing > 0 {
            return None;
        }
        let items = std::mem::take(&mut open.items);
        Some(match open.failed.take() {
            Some((_, error)) => Err(error),
            None => Ok(items.into_iter().flatten().collect()),
        })
    }
}

impl<W: Work> State<W> {
    /// A group that was begun; none if everything was stopped.
    fn open_at(&mut self, group: usize) -> Option<&mut Open<W>> {
        let at = group.checked_sub(self.first)?;
        self.open.get_mut(at)
    }
}

/// What the user's code gives; a panic in it becomes an error.
pub(super) fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    // What a panic left half-done is not looked at again.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(panicked(&*panic)))
}

fn panicked(panic: &(dyn Any + Send)) -> Error {
    if panic.is::<interrupt::Interrupted>() {
        return Error::Interrupted { at: "while a sample was made".into() };
    }
    let message = panic.downcast_ref::<String>().map(String::as_str);
    let message = message.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message");
    Error::Argument {
        op: "batches".into(),
        expected: "a source and transforms that return a sample or an error".into(),
        got: format!("a panic: {message}"),
        hint:
            "The panic comes from the source or a transform; data.transformed(index, epoch, seed) makes one \
               sample by itself."
                .into(),
    }
}
