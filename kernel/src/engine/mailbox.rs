//! What is sent to a worker, from any thread: requests, and answers while it runs.

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};

use sconce_display::Answer;
use sconce_display::wire::{self, Request};

/// The way to a session's worker, also while a cell runs. It stays when the worker is replaced.
#[derive(Debug, Clone, Default)]
pub struct Mailbox(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    worker: Option<mpsc::Sender<Request>>,
    /// The question that waits for an answer.
    asked: Option<u64>,
}

impl Mailbox {
    /// Answers the question that waits. Returns whether there was one.
    pub fn answer(&self, answer: Answer) -> bool {
        let asked = self.lock().asked.take();
        asked.is_some_and(|id| self.send(Request::Answer { id, answer }))
    }

    /// The worker waits for the answer to this question.
    pub(super) fn asked(&self, id: u64) {
        self.lock().asked = Some(id);
    }

    /// From now on requests go to this worker. A thread writes them, so that nobody waits for a worker that
    /// does not read.
    pub(super) fn connect(&self, mut worker: UnixStream) -> io::Result<()> {
        let (sender, requests) = mpsc::channel::<Request>();
        std::thread::Builder::new().name("mailbox".into()).spawn(move || {
            for request in requests {
                if wire::write(&mut worker, &request).is_err() {
                    // It is gone, which whoever waits for its reply notices.
                    return;
                }
            }
        })?;
        *self.lock() = State { worker: Some(sender), asked: None };
        Ok(())
    }

    /// The worker is gone.
    pub(super) fn disconnect(&self) {
        *self.lock() = State::default();
    }

    /// Sends a request; whether there is a worker to take it.
    pub(super) fn send(&self, request: Request) -> bool {
        self.lock().worker.as_ref().is_some_and(|worker| worker.send(request).is_ok())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is whole after every line, so a panic elsewhere leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
