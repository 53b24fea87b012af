//! Requests in, answers out.

use std::io::{BufRead, BufReader, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use crate::analyst::{Analyst, Std};
use crate::wire::{Answer, Completions, Crates, Question, Request, State};

/// rust-analyzer recurses deeply on some types.
const STACK: usize = 64 << 20;

/// How much lower than that of cells the priority is.
const NICENESS: i32 = 10;

/// What is asked to have the usual things computed before a person waits for them.
const WARM_UP: &[&str] =
    &["candle_core::Tensor::new(1f32, &candle_core::Device::Cpu)?.", "let v = vec![1]; v.", "v"];

/// Answers requests until they end, and then leaves what is not answered yet. What is superseded by a later
/// request is answered with nothing.
pub fn serve(requests: impl Read, answers: impl Write + Send + 'static) {
    // A lower priority is a courtesy to cells; without it the answers are the same.
    let _ = rustix::process::nice(NICENESS);
    let (sender, incoming) = channel();
    let work = move || Service { analyst: None, answers }.work(&incoming);
    if let Err(error) = thread::Builder::new().name("analysis".into()).stack_size(STACK).spawn(work) {
        eprintln!("sconce-assist: cannot start a thread: {error}");
        return;
    }
    for line in BufReader::new(requests).lines().map_while(Result::ok) {
        let request = match serde_json::from_str::<Request>(&line) {
            Ok(request) => request,
            Err(error) => {
                eprintln!("sconce-assist: dropped a request: {error}");
                continue;
            }
        };
        if sender.send(request).is_err() {
            return;
        }
    }
}

struct Service<W> {
    analyst: Option<Analyst>,
    answers: W,
}

impl<W: Write> Service<W> {
    fn work(&mut self, incoming: &Receiver<Request>) {
        while let Ok(first) = incoming.recv() {
            let mut waiting: Vec<Request> = std::iter::once(first).chain(incoming.try_iter()).collect();
            let last = waiting.pop();
            for request in waiting {
                match request {
                    Request::Complete(question) => self.nothing_to_complete(&question),
                    Request::Inspect(question) => {
                        self.say(&Answer::Inspected { id: question.id, inspection: None })
                    }
                    other => self.answer(other),
                }
            }
            last.into_iter().for_each(|request| self.answer(request));
        }
    }

    fn answer(&mut self, request: Request) {
        match request {
            Request::Load(crates) => self.load(&crates),
            Request::Session(state) => self.set(&state),
            Request::Complete(question) => match self.ask(|analyst| analyst.complete(&question)) {
                Some(completions) => self.say(&Answer::Completed { id: question.id, completions }),
                None => self.nothing_to_complete(&question),
            },
            Request::Inspect(question) => {
                let inspection = self.ask(|analyst| analyst.inspect(&question)).flatten();
                self.say(&Answer::Inspected { id: question.id, inspection });
            }
        }
    }

    fn nothing_to_complete(&mut self, question: &Question) {
        let completions = Completions { range: question.cursor..question.cursor, items: Vec::new() };
        self.say(&Answer::Completed { id: question.id, completions });
    }

    fn load(&mut self, crates: &Crates) {
        let load = |std| catch_unwind(|| Analyst::load(crates, std));
        // The source of another version of the standard library can be more than rust-analyzer takes.
        let loaded = load(Std::Wanted).or_else(|_| load(Std::LeftOut));
        match loaded {
            Ok(Ok(analyst)) => {
                let std = analyst.has_std();
                self.analyst = Some(analyst);
                self.warm_up();
                self.say(&Answer::Loaded { std });
            }
            Ok(Err(reason)) => self.say(&Answer::NotLoaded { reason }),
            Err(_) => self.say(&Answer::NotLoaded { reason: "rust-analyzer panicked".into() }),
        }
    }

    fn set(&mut self, state: &State) {
        self.ask(|analyst| analyst.set(state));
        self.warm_up();
    }

    fn warm_up(&mut self) {
        for code in WARM_UP {
            let question = Question { id: 0, code: (*code).to_owned(), cursor: code.len() };
            self.ask(|analyst| analyst.complete(&question));
        }
    }

    /// A fault of rust-analyzer's costs one answer.
    fn ask<T>(&mut self, question: impl FnOnce(&mut Analyst) -> T) -> Option<T> {
        let analyst = self.analyst.as_mut()?;
        catch_unwind(AssertUnwindSafe(|| question(analyst))).ok()
    }

    fn say(&mut self, answer: &Answer) {
        let Ok(line) = serde_json::to_string(answer) else { return };
        // The kernel is gone when nobody reads; the requests end then too.
        let _ = writeln!(self.answers, "{line}").and_then(|()| self.answers.flush());
    }
}
