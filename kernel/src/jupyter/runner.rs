//! The thread in which cells run, one after the other, so that the event loop never waits for one.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc as std_mpsc};
use std::thread;
use std::time::Duration;

use sconce_display::{Bundle, Question};
use serde_json::{Map, Value};
use tokio::sync::{mpsc, oneshot};

use super::engine::{Engine, Evaluator};
use super::message::Request;
use super::reach::{Reach, ask, listen};
use crate::engine::{Failure, Output};

/// How many outputs may wait for the event loop. A cell that emits faster than clients take waits too, so a
/// flood of output does not grow the kernel. Text comes in pieces of up to 64 KiB.
const OUTPUTS_IN_FLIGHT: usize = 16;

/// How often a cell that waits for the engine looks for an interrupt.
const STARTUP_POLL: Duration = Duration::from_millis(50);

/// A cell that runs.
#[derive(Debug)]
pub(super) struct Cell {
    /// The `execute_request` it came with.
    pub(super) request: Request,
    /// The source text.
    pub(super) code: String,
    /// The execution count, from 1.
    pub(super) count: u64,
    /// Whether nothing of it goes to iopub.
    pub(super) silent: bool,
}

/// Whose output something is.
#[derive(Debug, Clone)]
pub(super) enum Parent {
    /// The cell that runs.
    Cell(Arc<Cell>),
    /// Another request, by its header: code that answers it runs beside cells or between them.
    Beside(Arc<Map<String, Value>>),
}

impl Parent {
    /// The parent header of the output.
    pub(super) fn header(&self) -> &Map<String, Value> {
        match self {
            Parent::Cell(cell) => &cell.request.header,
            Parent::Beside(header) => header,
        }
    }

    /// The execution count of its cell, if it is one.
    pub(super) fn count(&self) -> Option<u64> {
        match self {
            Parent::Cell(cell) => Some(cell.count),
            Parent::Beside(_) => None,
        }
    }

    /// Whether both are the same request.
    pub(super) fn is(&self, other: &Parent) -> bool {
        match (self, other) {
            (Parent::Cell(one), Parent::Cell(other)) => Arc::ptr_eq(one, other),
            (Parent::Beside(one), Parent::Beside(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }
}

/// What happens while cells run, in order.
#[derive(Debug)]
pub(super) enum Event {
    /// Something was emitted.
    Output(Parent, Output),
    /// The cell asks the client that runs it.
    Asked(Arc<Cell>, Question),
    /// What a comm message, by its header, set off has ended.
    Handled(Arc<Map<String, Value>>),
    /// The cell ended.
    Finished(Arc<Cell>, Ended),
}

/// How a cell ended, and what of it goes with its reply.
#[derive(Debug)]
pub(super) struct Ended {
    /// Whether it failed.
    pub(super) result: Result<(), Failure>,
    /// What its client is to show in a pager.
    pub(super) pages: Vec<Bundle>,
    /// How long it took to compile and to run, if it came to that.
    pub(super) times: Option<(Duration, Duration)>,
    /// The values of the request's `user_expressions`, by the client's names.
    pub(super) expressions: Vec<(String, Result<Bundle, Failure>)>,
}

/// The way to the thread. Dropping it ends the thread once the running cell has ended.
pub(super) struct Runner {
    cells: std_mpsc::Sender<Arc<Cell>>,
    reach: Arc<Reach>,
    ended: oneshot::Receiver<()>,
}

impl Runner {
    /// Starts the thread, and with it the engine.
    pub(super) fn start(engine: Arc<dyn Engine>) -> std::io::Result<(Runner, mpsc::Receiver<Event>)> {
        let (cells, incoming) = std_mpsc::channel::<Arc<Cell>>();
        let (outgoing, events) = mpsc::channel(OUTPUTS_IN_FLIGHT);
        let (end, ended) = oneshot::channel();
        let reach = Arc::new(Reach::default());
        let mut session = Session {
            startup: Startup::begin(&engine)?,
            engine,
            reach: Arc::clone(&reach),
            events: outgoing,
            last: None,
        };
        thread::Builder::new().name("session".into()).spawn(move || {
            while let Some(cell) = session.next(&incoming) {
                let ended = session.run(&cell);
                // The receiver is gone only when the kernel ends.
                let _ = session.events.blocking_send(Event::Finished(Arc::clone(&cell), ended));
                session.last = Some(cell);
            }
            drop(session);
            let _ = end.send(());
        })?;
        Ok((Runner { cells, reach, ended }, events))
    }

    /// Runs a cell after those that already wait.
    pub(super) fn run(&self, cell: Arc<Cell>) {
        self.reach.begin();
        // The thread takes cells as long as this handle lives.
        let _ = self.cells.send(cell);
        self.reach.ring();
    }

    /// What reaches the running cell.
    pub(super) fn reach(&self) -> Arc<Reach> {
        Arc::clone(&self.reach)
    }

    /// Ends the evaluator, and returns when it is gone or after `patience`.
    pub(super) async fn end(self, patience: Duration) {
        let Runner { cells, reach, ended } = self;
        drop(cells);
        reach.ring();
        if tokio::time::timeout(patience, ended).await.is_err() {
            eprintln!("sconce: the running cell did not end within {patience:?}; leaving it");
        }
    }
}

struct Session {
    startup: Startup,
    engine: Arc<dyn Engine>,
    reach: Arc<Reach>,
    events: mpsc::Sender<Event>,
    /// The cell that ran last: threads that it left behind go on under its name.
    last: Option<Arc<Cell>>,
}

enum Startup {
    /// A thread of its own starts the engine; its news come here.
    Running(std_mpsc::Receiver<News>),
    Ready(Box<dyn Evaluator>),
    /// The next cell tries again.
    Failed,
}

enum News {
    Progress(String),
    Started(Result<Box<dyn Evaluator>, Failure>),
}

impl Startup {
    fn begin(engine: &Arc<dyn Engine>) -> std::io::Result<Startup> {
        let (sender, news) = std_mpsc::channel();
        let engine = Arc::clone(engine);
        thread::Builder::new().name("startup".into()).spawn(move || {
            // Nobody listens any more when the kernel has ended meanwhile.
            let started = engine.start(&mut |line| drop(sender.send(News::Progress(line))));
            let _ = sender.send(News::Started(started));
        })?;
        Ok(Startup::Running(news))
    }
}

impl Session {
    /// The next cell to run; until it comes, the evaluator is attended to. Nothing when the kernel ends.
    fn next(&mut self, cells: &std_mpsc::Receiver<Arc<Cell>>) -> Option<Arc<Cell>> {
        loop {
            match cells.try_recv() {
                Ok(cell) => return Some(cell),
                Err(std_mpsc::TryRecvError::Disconnected) => return None,
                Err(std_mpsc::TryRecvError::Empty) => {}
            }
            let (Startup::Ready(evaluator), Some(last)) = (&mut self.startup, &self.last) else {
                return cells.recv().ok();
            };
            let (events, last) = (self.events.clone(), Arc::clone(last));
            let mut emit = |output| {
                let _ = events.blocking_send(Event::Output(Parent::Cell(Arc::clone(&last)), output));
            };
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| evaluator.attend(&mut emit))) {
                let failure = self.lost(panic.as_ref());
                emit(Output::Stderr(failure.traceback.join("\n") + "\n"));
            }
        }
    }

    /// A fault of the engine costs the session its variables, never the kernel.
    fn lost(&mut self, panic: &(dyn Any + Send)) -> Failure {
        self.startup = Startup::Failed;
        self.reach.lead_to(None);
        for header in self.reach.abandon() {
            let _ = self.events.blocking_send(Event::Handled(header));
        }
        let message = format!(
            "the kernel itself panicked: {}. All variables are lost; the next cell starts anew",
            panic_message(panic)
        );
        failure("KernelError", message)
    }

    fn run(&mut self, cell: &Arc<Cell>) -> Ended {
        let events = self.events.clone();
        let mut pages = Vec::new();
        let mut times = None;
        let mut emit = |output| match output {
            Output::Page(bundle) => pages.push(bundle),
            Output::Times { compiled, ran } => times = Some((compiled, ran)),
            _ if cell.silent => {}
            _ => drop(events.blocking_send(Event::Output(Parent::Cell(Arc::clone(cell)), output))),
        };
        let mut expressions = Vec::new();
        let result = self.execute(cell, &mut emit, &mut expressions);
        Ended { result, pages, times, expressions }
    }

    fn execute(
        &mut self,
        cell: &Arc<Cell>,
        emit: &mut dyn FnMut(Output),
        expressions: &mut Vec<(String, Result<Bundle, Failure>)>,
    ) -> Result<(), Failure> {
        self.await_engine(emit)?;
        let Startup::Ready(evaluator) = &mut self.startup else {
            return Err(failure("KernelError", "the engine is not there".into()));
        };
        if self.reach.interrupted() {
            return Err(interrupted("interrupted before it ran"));
        }
        evaluator.ask_with(ask(cell, &self.events));
        let run = || {
            evaluator.execute(&cell.code, emit)?;
            for (name, expression) in asked_for(cell) {
                expressions.push((name.to_owned(), evaluator.evaluate(expression, emit)));
            }
            Ok(())
        };
        let outcome = catch_unwind(AssertUnwindSafe(run));
        outcome.unwrap_or_else(|panic| Err(self.lost(panic.as_ref())))
    }

    /// Returns when the engine is ready, and shows on stderr how far it is.
    fn await_engine(&mut self, emit: &mut dyn FnMut(Output)) -> Result<(), Failure> {
        if matches!(self.startup, Startup::Failed) {
            self.startup = Startup::begin(&self.engine)
                .map_err(|error| failure("KernelError", format!("cannot start a thread: {error}")))?;
        }
        let mut line = ProgressLine::default();
        while let Startup::Running(news) = &self.startup {
            let received = match news.recv_timeout(STARTUP_POLL) {
                // Only the latest line is worth showing.
                Ok(News::Progress(text)) => Ok(news.try_iter().fold(News::Progress(text), |_, newer| newer)),
                other => other,
            };
            match received {
                Ok(News::Progress(text)) => emit(Output::Stderr(line.replace(&text))),
                Ok(News::Started(Ok(mut evaluator))) => {
                    self.reach.lead_to(Some(evaluator.as_ref()));
                    evaluator.listen_with(listen(&self.reach, &self.events));
                    self.startup = Startup::Ready(evaluator);
                }
                Ok(News::Started(Err(failure))) => {
                    self.startup = Startup::Failed;
                    line.end(emit);
                    return Err(failure);
                }
                Err(std_mpsc::RecvTimeoutError::Timeout) => {}
                Err(std_mpsc::RecvTimeoutError::Disconnected) => {
                    self.startup = Startup::Failed;
                    line.end(emit);
                    let message = "starting the engine panicked; the kernel's log says where";
                    return Err(failure("KernelError", message.into()));
                }
            }
            if matches!(self.startup, Startup::Running(_)) && self.reach.interrupted() {
                line.end(emit);
                return Err(interrupted("interrupted; preparing goes on in the background"));
            }
        }
        line.end(emit);
        Ok(())
    }
}

/// The names and texts of the request's `user_expressions`.
fn asked_for(cell: &Cell) -> impl Iterator<Item = (&str, &str)> {
    let asked = cell.request.content.get("user_expressions").and_then(Value::as_object);
    // What is no text is answered as an empty expression: with an error.
    asked.into_iter().flatten().map(|(name, text)| (name.as_str(), text.as_str().unwrap_or_default()))
}

/// A line that is written over again.
#[derive(Default)]
struct ProgressLine {
    width: usize,
}

impl ProgressLine {
    fn replace(&mut self, text: &str) -> String {
        // Blanks cover what is left of a longer line: not every front end knows how to erase.
        let line = format!("\r{text:width$}", width = self.width);
        self.width = text.chars().count();
        line
    }

    fn end(&mut self, emit: &mut dyn FnMut(Output)) {
        if self.width > 0 {
            emit(Output::Stderr("\n".into()));
            self.width = 0;
        }
    }
}

fn failure(name: &str, message: String) -> Failure {
    Failure { name: name.into(), traceback: vec![format!("\x1b[1;31m{name}\x1b[0m: {message}")], message }
}

fn interrupted(message: &str) -> Failure {
    failure("Interrupted", message.into())
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}
