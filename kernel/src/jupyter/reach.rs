//! What reaches the evaluator from outside of its thread, and what of that comes back.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sconce_display::Answer;
use sconce_display::comm::Packet;
use serde_json::{Map, Value};
use tokio::sync::mpsc::Sender;

use super::engine::{Evaluator, Interrupt, Post};
use super::runner::{Cell, Event, Parent};
use crate::engine::{Ask, Beside, Listen};

/// What reaches a running cell from outside its thread.
#[derive(Default)]
pub(super) struct Reach {
    /// Set while a cell waits or runs; cleared before the next one.
    requested: AtomicBool,
    handler: Mutex<Option<Interrupt>>,
    post: Mutex<Option<Arc<dyn Post>>>,
    /// The headers of the comm messages that are being handled, by number.
    besides: Mutex<HashMap<u64, Arc<Map<String, Value>>>>,
    delivered: AtomicU64,
}

impl Reach {
    /// Answers the question that waits. Returns whether there was one.
    pub(super) fn answer(&self, answer: Answer) -> bool {
        self.post().is_some_and(|post| post.answer(answer))
    }

    /// Delivers a comm message; whether there is anybody to take it. If so, an [`Event::Handled`] follows.
    pub(super) fn deliver(&self, header: Map<String, Value>, packet: Packet) -> bool {
        let Some(post) = self.post() else { return false };
        let number = self.delivered.fetch_add(1, Ordering::Relaxed);
        lock(&self.besides).insert(number, Arc::new(header));
        let taken = post.deliver(number, packet);
        if !taken {
            lock(&self.besides).remove(&number);
        }
        taken
    }

    /// The open comms: id and target.
    pub(super) fn comms(&self) -> Vec<(String, String)> {
        self.post().map(|post| post.comms()).unwrap_or_default()
    }

    /// Whether a comm message is being handled.
    pub(super) fn handles(&self) -> bool {
        !lock(&self.besides).is_empty()
    }

    /// The headers of the comm messages that nobody will handle any more.
    pub(super) fn abandon(&self) -> Vec<Arc<Map<String, Value>>> {
        lock(&self.besides).drain().map(|(_, header)| header).collect()
    }

    /// Asks what runs to stop; the second time the engine makes it stop.
    pub(super) fn interrupt(&self) {
        self.requested.store(true, Ordering::Release);
        let handler = lock(&self.handler).clone();
        if let Some(handler) = handler {
            handler();
        }
    }

    /// A cell begins to wait or to run, and nobody has interrupted it yet.
    pub(super) fn begin(&self) {
        self.requested.store(false, Ordering::Release);
    }

    /// Whether the cell was interrupted.
    pub(super) fn interrupted(&self) -> bool {
        self.requested.load(Ordering::Acquire)
    }

    /// What it is for the clients.
    fn event(&self, beside: Beside) -> Option<Event> {
        let mut besides = lock(&self.besides);
        match beside {
            Beside::Output { cause, output } => {
                let header = Arc::clone(besides.get(&cause)?);
                Some(Event::Output(Parent::Beside(header), output))
            }
            Beside::Handled { number } => besides.remove(&number).map(Event::Handled),
        }
    }

    /// Calls the evaluator from attending to the next cell.
    pub(super) fn ring(&self) {
        if let Some(post) = self.post() {
            post.ring();
        }
    }

    fn post(&self) -> Option<Arc<dyn Post>> {
        lock(&self.post).clone()
    }

    /// From now on this evaluator runs the cells, or none.
    pub(super) fn lead_to(&self, evaluator: Option<&dyn Evaluator>) {
        let set = evaluator.map(|evaluator| (evaluator.interrupt(), evaluator.post()));
        let (handler, post) = set.unzip();
        *lock(&self.handler) = handler;
        *lock(&self.post) = post;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each value is whole after every line, so a panic elsewhere leaves nothing half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Passes on what comes of comm messages.
pub(super) fn listen(reach: &Arc<Reach>, events: &Sender<Event>) -> Listen {
    let (reach, events) = (Arc::clone(reach), events.clone());
    Box::new(move |beside| {
        if let Some(event) = reach.event(beside) {
            // The receiver is gone only when the kernel ends.
            let _ = events.blocking_send(event);
        }
    })
}

/// Passes the cell's questions on, if its client takes any.
pub(super) fn ask(cell: &Arc<Cell>, events: &Sender<Event>) -> Ask {
    let (cell, events) = (Arc::clone(cell), events.clone());
    let allowed = cell.request.content.get("allow_stdin").and_then(Value::as_bool) == Some(true);
    Box::new(move |question| {
        let why = if !allowed {
            "the client that runs the cell takes no questions (`allow_stdin` is false)"
        } else if events.blocking_send(Event::Asked(Arc::clone(&cell), question.clone())).is_ok() {
            return None;
        } else {
            "the kernel ends"
        };
        Some(Answer::Nobody { why: why.into() })
    })
}
