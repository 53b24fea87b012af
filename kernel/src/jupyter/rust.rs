//! The Rust engine behind the protocol.

use std::sync::{Arc, OnceLock};

use sconce_display::comm::Packet;
use sconce_display::{Answer, Bundle};

use super::engine::{Engine, Evaluator, Interrupt, Post};
use crate::assist::{Assist, Completions, Inspection};
use crate::engine::{
    self, Ask, CacheDir, Completeness, Failure, Listen, Mailbox, Output, Progress, Session, Toolchain,
};

pub(super) struct RustEngine {
    cache: CacheDir,
    version: Arc<OnceLock<String>>,
    assist: Arc<Assist>,
}

impl RustEngine {
    /// An engine that is prepared in `cache`.
    pub(super) fn new(cache: CacheDir) -> RustEngine {
        let version = Arc::new(OnceLock::new());
        let found = Arc::clone(&version);
        // Asking rustc takes longer than a client should wait; whoever asks too early waits for this thread.
        std::thread::spawn(move || {
            found.get_or_init(rust_version);
        });
        let assist = Arc::new(Assist::new(cache.clone(), |line| eprintln!("sconce: {line}")));
        RustEngine { cache, version, assist }
    }
}

impl Engine for RustEngine {
    fn start(&self, progress: &mut dyn FnMut(String)) -> Result<Box<dyn Evaluator>, Failure> {
        let prepared = match engine::prepared(&self.cache) {
            Some(prepared) => prepared,
            None => engine::prepare(&self.cache, &mut |step| progress(progress_line(&step)))
                .map_err(|error| failure("PrepareError", &error))?,
        };
        let session = Session::start(&prepared).map_err(|error| failure("EngineError", &error))?;
        let assist = Arc::clone(&self.assist);
        assist.update(session.known());
        Ok(Box::new(Assisted { session, assist }))
    }

    fn completeness(&self, code: &str) -> Completeness {
        Session::completeness(code)
    }

    fn complete(&self, code: &str, cursor: usize) -> Completions {
        self.assist.complete(code, cursor)
    }

    fn inspect(&self, code: &str, cursor: usize) -> Option<Inspection> {
        self.assist.inspect(code, cursor)
    }

    fn language_version(&self) -> String {
        self.version.get_or_init(rust_version).clone()
    }
}

/// A session that tells the assistant what it knows after each cell.
struct Assisted {
    session: Session,
    assist: Arc<Assist>,
}

impl Evaluator for Assisted {
    fn execute(&mut self, code: &str, outputs: &mut dyn FnMut(Output)) -> Result<(), Failure> {
        let result = self.session.execute(code, outputs);
        self.assist.update(self.session.known());
        result
    }

    fn evaluate(&mut self, expression: &str, outputs: &mut dyn FnMut(Output)) -> Result<Bundle, Failure> {
        self.session.evaluate(expression, outputs)
    }

    fn ask_with(&mut self, ask: Ask) {
        self.session.ask_with(ask);
    }

    fn listen_with(&mut self, listen: Listen) {
        self.session.listen_with(listen);
    }

    fn attend(&mut self, outputs: &mut dyn FnMut(Output)) {
        self.session.attend(outputs);
    }

    fn interrupt(&self) -> Interrupt {
        let interrupter = self.session.interrupter();
        Arc::new(move || interrupter.interrupt())
    }

    fn post(&self) -> Arc<dyn Post> {
        Arc::new(self.session.mailbox())
    }
}

impl Post for Mailbox {
    fn answer(&self, answer: Answer) -> bool {
        Mailbox::answer(self, answer)
    }

    fn deliver(&self, number: u64, packet: Packet) -> bool {
        Mailbox::deliver(self, number, packet)
    }

    fn comms(&self) -> Vec<(String, String)> {
        Mailbox::comms(self)
    }

    fn ring(&self) {
        Mailbox::ring(self);
    }
}

/// `1.95.0`, say; empty where there is no usable toolchain, which the first cell then explains.
fn rust_version() -> String {
    let version = Toolchain::find().map(|toolchain| toolchain.version).unwrap_or_default();
    version.lines().find_map(|line| line.strip_prefix("release: ")).unwrap_or_default().to_owned()
}

fn progress_line(step: &Progress) -> String {
    let Progress { done, total, message } = step;
    match total {
        0 => format!("preparing the cell library, once: {message}"),
        _ => format!("preparing the cell library, once: {done}/{total} {message}"),
    }
}

fn failure(name: &str, error: &dyn std::fmt::Display) -> Failure {
    let text = error.to_string();
    let traceback = format!("\x1b[1;31m{name}\x1b[0m: {text}").lines().map(str::to_owned).collect();
    // What happened in the first line, a log behind it.
    let message = text.lines().next().unwrap_or_default().to_owned();
    Failure { name: name.to_owned(), message, traceback }
}
