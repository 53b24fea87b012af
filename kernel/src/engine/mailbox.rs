//! What is sent to a worker, from any thread: requests, and answers while it runs.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};

use rustix::event::{PollFd, PollFlags, poll};
use sconce_display::Answer;
use sconce_display::comm::{Action, Packet};
use sconce_display::wire::{self, Request};

/// The way to a session's worker, also while a cell runs. It stays when the worker is replaced.
#[derive(Debug, Clone)]
pub struct Mailbox {
    state: Arc<Mutex<State>>,
    bell: Arc<Bell>,
}

#[derive(Debug, Default)]
struct State {
    worker: Option<mpsc::Sender<Request>>,
    /// The question that waits for an answer.
    asked: Option<u64>,
    /// The comm messages that were delivered and not yet handled, in order.
    unhandled: VecDeque<u64>,
    /// The target of each open comm.
    comms: BTreeMap<String, String>,
}

/// Calls whoever attends the worker away.
#[derive(Debug)]
struct Bell {
    ring: UnixStream,
    heard: UnixStream,
}

impl Mailbox {
    /// A mailbox that leads nowhere yet.
    pub(super) fn new() -> io::Result<Mailbox> {
        let (ring, heard) = UnixStream::pair()?;
        ring.set_nonblocking(true)?;
        heard.set_nonblocking(true)?;
        Ok(Mailbox { state: Arc::default(), bell: Arc::new(Bell { ring, heard }) })
    }

    /// Delivers a comm message of the front end's. Its `number` comes back with what its handler emits. Returns
    /// whether there is a worker to take it.
    pub fn deliver(&self, number: u64, packet: Packet) -> bool {
        let mut state = self.lock();
        let Some(worker) = state.worker.clone() else { return false };
        state.note(&packet);
        state.unhandled.push_back(number);
        worker.send(Request::Comm { number, packet }).is_ok()
    }

    /// The open comms: id and target.
    #[must_use]
    pub fn comms(&self) -> Vec<(String, String)> {
        self.lock().comms.iter().map(|(id, target)| (id.clone(), target.clone())).collect()
    }

    /// Ends [`Session::attend`](super::Session::attend), or its next call.
    pub fn ring(&self) {
        // A full buffer has rung often enough.
        let _ = (&self.bell.ring).write(&[1]);
    }

    /// What can be read once [`Mailbox::ring`] was called.
    pub(super) fn bell(&self) -> &UnixStream {
        &self.bell.heard
    }

    /// Waits for a call.
    pub(super) fn wait(&self) {
        let mut fds = [PollFd::new(&self.bell.heard, PollFlags::IN)];
        while poll(&mut fds, None) == Err(rustix::io::Errno::INTR) {}
    }

    /// Forgets calls that were heard.
    pub(super) fn heard(&self) {
        let mut calls = [0; 64];
        while (&self.bell.heard).read(&mut calls).is_ok_and(|count| count > 0) {}
    }

    /// Takes note of a comm message of the worker's.
    pub(super) fn sent(&self, packet: &Packet) {
        self.lock().note(packet);
    }

    /// The comm message whose handler runs.
    pub(super) fn handling(&self) -> Option<u64> {
        self.lock().unhandled.front().copied()
    }

    /// The handler of a message has ended.
    pub(super) fn handled(&self, number: u64) {
        self.lock().unhandled.retain(|waiting| *waiting != number);
    }

    /// What a worker that is gone leaves: messages that it did not handle, and comms that have no other end.
    pub(super) fn left_behind(&self) -> (VecDeque<u64>, BTreeMap<String, String>) {
        let mut state = self.lock();
        (std::mem::take(&mut state.unhandled), std::mem::take(&mut state.comms))
    }

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
        let mut state = self.lock();
        state.worker = Some(sender);
        state.asked = None;
        Ok(())
    }

    /// The worker is gone.
    pub(super) fn disconnect(&self) {
        let mut state = self.lock();
        state.worker = None;
        state.asked = None;
    }

    /// Sends a request; whether there is a worker to take it.
    pub(super) fn send(&self, request: Request) -> bool {
        self.lock().worker.as_ref().is_some_and(|worker| worker.send(request).is_ok())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is whole after every line, so a panic elsewhere leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn note(&mut self, packet: &Packet) {
        match &packet.action {
            Action::Open { target } => {
                self.comms.insert(packet.comm.clone(), target.clone());
            }
            Action::Message => {}
            Action::Close => {
                self.comms.remove(&packet.comm);
            }
        }
    }
}
