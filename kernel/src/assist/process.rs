//! The process that understands code: started with the first question, asked when it is ready, and never waited
//! for longer than a person would.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::wire::{Answer, Completions, Inspection, Question, Request, State, Variable};
use crate::engine::{Assistant, Known, KnownKind, NoAssistant};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_millis(280);

/// After so many ends that nobody asked for, it is not started again.
const STARTS: u32 = 3;

/// Where the program is, asked anew before each start.
type Find = dyn Fn() -> Result<Assistant, NoAssistant> + Send + Sync;

/// Takes a line for a person.
type Log = dyn Fn(&str) + Send + Sync;

/// The process, if it runs.
pub struct Process {
    find: Arc<Find>,
    log: Arc<Log>,
    shared: Arc<Mutex<Shared>>,
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process").field("shared", &self.shared).finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct Shared {
    /// The way to the process; nothing while it does not run.
    orders: Option<Sender<Order>>,
    /// Whether it has loaded what it needs.
    ready: bool,
    starts: u32,
    last_question: u64,
    /// Why there is none, as it was last logged.
    missing: Option<String>,
    waiting: HashMap<u64, Sender<Answer>>,
}

enum Order {
    Know(Arc<Known>),
    Ask(Request),
}

impl Drop for Process {
    /// Its requests end, and with them the process.
    fn drop(&mut self) {
        lock(&self.shared).orders = None;
    }
}

impl Process {
    /// Not started yet.
    pub fn new(
        find: impl Fn() -> Result<Assistant, NoAssistant> + Send + Sync + 'static,
        log: impl Fn(&str) + Send + Sync + 'static,
    ) -> Process {
        Process { find: Arc::new(find), log: Arc::new(log), shared: Arc::default() }
    }

    /// Tells it of what a session knows now, if it runs.
    pub fn update(&self, known: &Arc<Known>) {
        if let Some(orders) = &lock(&self.shared).orders {
            // Its end is noticed elsewhere.
            let _ = orders.send(Order::Know(Arc::clone(known)));
        }
    }

    /// What could be written at `cursor`; nothing if that is not known in time.
    pub fn complete(&self, known: &Arc<Known>, code: String, cursor: usize) -> Option<Completions> {
        match self.ask(known, |id| Request::Complete(Question { id, code, cursor }))? {
            Answer::Completed { completions, .. } => Some(completions),
            _ => None,
        }
    }

    /// What the thing at `cursor` is; nothing if that is not known in time.
    pub fn inspect(&self, known: &Arc<Known>, code: String, cursor: usize) -> Option<Inspection> {
        match self.ask(known, |id| Request::Inspect(Question { id, code, cursor }))? {
            Answer::Inspected { inspection, .. } => inspection,
            _ => None,
        }
    }

    fn ask(&self, known: &Arc<Known>, question: impl FnOnce(u64) -> Request) -> Option<Answer> {
        let (sender, answer) = channel();
        let id = {
            let mut shared = lock(&self.shared);
            if shared.orders.is_none() {
                self.start(&mut shared, known);
            }
            if !shared.ready {
                return None;
            }
            shared.last_question += 1;
            let id = shared.last_question;
            shared.waiting.insert(id, sender);
            shared.orders.as_ref()?.send(Order::Ask(question(id))).ok()?;
            id
        };
        let answer = answer.recv_timeout(PATIENCE);
        lock(&self.shared).waiting.remove(&id);
        answer.ok()
    }

    /// Starts it in the background.
    fn start(&self, shared: &mut Shared, known: &Arc<Known>) {
        if shared.starts >= STARTS {
            return;
        }
        let (orders, incoming) = channel();
        let _ = orders.send(Order::Know(Arc::clone(known)));
        shared.orders = Some(orders);
        let (find, log, state) = (Arc::clone(&self.find), Arc::clone(&self.log), Arc::clone(&self.shared));
        let run = move || {
            match find() {
                Ok(assistant) => {
                    if let Err(error) = run(&assistant, incoming, &state, &*log) {
                        log(&format!("help while typing: {}: {error}", assistant.program.display()));
                    }
                }
                // The next question looks again; the reason is not said again.
                Err(reason) => {
                    let reason = reason.to_string();
                    let said = lock(&state).missing.replace(reason.clone());
                    if said.as_ref() != Some(&reason) {
                        log(&format!("help while typing: {reason}"));
                    }
                }
            }
            let mut shared = lock(&state);
            shared.orders = None;
            shared.ready = false;
            shared.waiting.clear();
        };
        if let Err(error) = thread::Builder::new().name("assist".into()).spawn(run) {
            shared.orders = None;
            (self.log)(&format!("help while typing: cannot start a thread: {error}"));
        }
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs the process until it ends. It ends itself when nobody can send orders any more.
fn run(assistant: &Assistant, orders: Receiver<Order>, shared: &Mutex<Shared>, log: &Log) -> io::Result<()> {
    lock(shared).starts += 1;
    let mut child = Command::new(&assistant.program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let (Some(mut stdin), Some(stdout)) = (stdin, stdout) else {
        return Err(io::ErrorKind::BrokenPipe.into());
    };
    let load = Request::Load(super::wire::Crates {
        manifest: assistant.manifest.clone(),
        root: assistant.root.clone(),
    });
    let write = move || {
        let mut send = |request: &Request| {
            let line = serde_json::to_string(request).map_err(io::Error::other)?;
            writeln!(stdin, "{line}")
        };
        let mut sent = send(&load);
        for order in orders {
            sent = sent.and_then(|()| match order {
                Order::Know(known) => send(&Request::Session(state(&known))),
                Order::Ask(request) => send(&request),
            });
            if sent.is_err() {
                return; // it has ended, which the other side reports
            }
        }
    };
    thread::Builder::new().name("assist-requests".into()).spawn(write)?;
    for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
        match serde_json::from_slice(&line) {
            Ok(answer) => take(answer, shared, log),
            Err(error) => log(&format!("help while typing: an answer that is none: {error}")),
        }
    }
    end(child, shared)
}

fn take(answer: Answer, shared: &Mutex<Shared>, log: &Log) {
    let mut shared = lock(shared);
    match answer {
        Answer::Loaded { std } => {
            shared.ready = true;
            if !std {
                log(
                    "help while typing: the source of the standard library or of what it needs is not there, so its items are not \
                     offered; `rustup component add rust-src` brings it",
                );
            }
        }
        Answer::NotLoaded { reason } => {
            // Another try would end the same way.
            shared.starts = STARTS;
            log(&format!("help while typing: {reason}"));
        }
        Answer::Completed { id, .. } | Answer::Inspected { id, .. } => {
            if let Some(asker) = shared.waiting.remove(&id) {
                let _ = asker.send(answer); // who no longer waits has what the session knows
            }
        }
    }
}

fn end(mut child: Child, shared: &Mutex<Shared>) -> io::Result<()> {
    let status = child.wait()?;
    let again = lock(shared).starts < STARTS;
    if status.success() {
        return Ok(());
    }
    let next = if again { "the next question starts it again" } else { "it is not started again" };
    Err(io::Error::other(format!("it ended with {status}; {next}")))
}

/// What a session knows, in Rust. Macros come first: they must stand before their calls.
fn state(known: &Known) -> State {
    let (macros, others): (Vec<_>, Vec<_>) =
        known.definitions.iter().partition(|definition| definition.kind == KnownKind::Macro);
    let items = macros
        .into_iter()
        .chain(others)
        .fold(String::new(), |items, definition| items + &definition.text + "\n");
    let variables = known.variables.iter().map(|variable| Variable {
        name: variable.name.clone(),
        ty: variable.ty.clone(),
        mutable: variable.mutable,
    });
    State { items, variables: variables.collect() }
}

#[cfg(test)]
mod tests;
