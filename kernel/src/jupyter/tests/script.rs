//! An engine whose cells are small scripts, a command a line.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::super::engine::{Engine, Evaluator, Interrupt, Post};
use super::client::LONG;
use crate::assist::{Completion, Completions, Inspection};
use crate::engine::{Ask, Beside, Completeness, Failure, Listen, Output};
use sconce_display::comm::{Action, Packet};
use sconce_display::{Answer, Bundle, Question};

/// How the engine starts: each start takes the next of these, and after them succeeds at once.
#[derive(Default)]
pub(super) struct Script {
    pub(super) starts: Vec<Start>,
    started: AtomicUsize,
}

pub(super) enum Start {
    /// Shows these lines with a pause after each.
    Slow(&'static [&'static str], Duration),
    Fails,
}

impl Script {
    pub(super) fn starting(starts: Vec<Start>) -> Script {
        Script { starts, ..Script::default() }
    }
}

impl Engine for Script {
    fn start(&self, progress: &mut dyn FnMut(String)) -> Result<Box<dyn Evaluator>, Failure> {
        match self.starts.get(self.started.fetch_add(1, Ordering::SeqCst)) {
            Some(Start::Fails) => return Err(failure("PrepareError", "no rustc on the PATH")),
            Some(Start::Slow(lines, pause)) => {
                for line in *lines {
                    progress((*line).to_owned());
                    std::thread::sleep(*pause);
                }
            }
            None => {}
        }
        Ok(Box::new(Cells::default()))
    }

    fn completeness(&self, code: &str) -> Completeness {
        match code {
            "incomplete" => Completeness::Incomplete { indent: "    ".into() },
            "invalid" => Completeness::Invalid,
            _ => Completeness::Complete,
        }
    }

    /// Each word of the code could stand at its end; `slow` makes it late.
    fn complete(&self, code: &str, cursor: usize) -> Completions {
        if code == "slow" {
            std::thread::sleep(Duration::from_millis(200));
        }
        let item =
            |word: &str| Completion { text: word.into(), kind: "word".into(), signature: String::new() };
        Completions { range: cursor..code.len(), items: code.split(' ').map(item).collect() }
    }

    fn inspect(&self, code: &str, _: usize) -> Option<Inspection> {
        (code != "unknown").then(|| Inspection { signature: code.into(), docs: "a word".into() })
    }

    fn language_version(&self) -> String {
        "1.95.0".into()
    }
}

#[derive(Default)]
struct Cells {
    interrupts: Arc<AtomicUsize>,
    mail: Arc<Mail>,
    ask: Option<Ask>,
    listen: Option<Listen>,
    /// What a thread of a cell prints when the cell has ended.
    later: Option<String>,
}

/// What reaches the cells from outside.
#[derive(Default)]
struct Mail {
    /// The answer to a question that waits: nothing asked, asked, answered.
    answer: Mutex<Option<Option<Answer>>>,
    packets: Mutex<VecDeque<(u64, Packet)>>,
    comms: Mutex<BTreeMap<String, String>>,
    rung: AtomicBool,
}

impl Post for Mail {
    fn answer(&self, answer: Answer) -> bool {
        let mut waiting = self.answer.lock().unwrap();
        let waits = matches!(*waiting, Some(None));
        if waits {
            *waiting = Some(Some(answer));
        }
        waits
    }

    fn deliver(&self, number: u64, packet: Packet) -> bool {
        self.packets.lock().unwrap().push_back((number, packet));
        true
    }

    fn comms(&self) -> Vec<(String, String)> {
        self.comms.lock().unwrap().clone().into_iter().collect()
    }

    fn ring(&self) {
        self.rung.store(true, Ordering::SeqCst);
    }
}

impl Cells {
    /// Asks and waits; an interrupt ends the wait.
    fn ask(&mut self, question: &Question) -> Answer {
        *self.mail.answer.lock().unwrap() = Some(None);
        if let Some(answer) = self.ask.as_mut().unwrap()(question) {
            return answer;
        }
        let asked = Instant::now();
        while self.interrupts.load(Ordering::SeqCst) == 0 {
            if let Some(Some(answer)) = &*self.mail.answer.lock().unwrap() {
                return answer.clone();
            }
            assert!(asked.elapsed() < LONG, "nobody answered");
            std::thread::sleep(Duration::from_millis(2));
        }
        *self.mail.answer.lock().unwrap() = None;
        Answer::Interrupted
    }

    /// Handles the comm messages that have come: `echo` is the target there is, and it prints and sends back
    /// what it gets.
    fn handle(&mut self) {
        let packets = std::mem::take(&mut *self.mail.packets.lock().unwrap());
        let listen = self.listen.as_mut().unwrap();
        for (cause, packet) in packets {
            let mut tell = |output| listen(Beside::Output { cause, output });
            match &packet.action {
                Action::Open { target } if target == "echo" => {
                    self.mail.comms.lock().unwrap().insert(packet.comm, target.clone());
                }
                Action::Open { .. } => tell(Output::Comm(Packet { action: Action::Close, ..packet })),
                Action::Message => {
                    tell(Output::Stdout(packet.payload.data.clone()));
                    tell(Output::Comm(packet));
                }
                Action::Close => drop(self.mail.comms.lock().unwrap().remove(&packet.comm)),
            }
            listen(Beside::Handled { number: cause });
        }
    }
}

impl Evaluator for Cells {
    fn execute(&mut self, code: &str, outputs: &mut dyn FnMut(Output)) -> Result<(), Failure> {
        self.interrupts.store(0, Ordering::SeqCst);
        for line in code.lines() {
            let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
            match command {
                "out" => outputs(Output::Stdout(rest.into())),
                "err" => outputs(Output::Stderr(rest.into())),
                "display" => outputs(Output::Display { id: Some("d".into()), bundle: Bundle::text(rest) }),
                "update" => outputs(Output::Update { id: "d".into(), bundle: Bundle::text(rest) }),
                "clear" => outputs(Output::Clear { wait: false }),
                "result" => outputs(Output::Result(Bundle::text(rest))),
                "fail" => return Err(failure("E0382", rest)),
                "page" => outputs(Output::Page(Bundle::text(rest))),
                "times" => {
                    let (compiled, ran) = (Duration::from_millis(250), Duration::from_millis(500));
                    outputs(Output::Times { compiled, ran });
                }
                "panic" => panic!("the engine has a fault"),
                "flood" => (0..rest.parse::<usize>().unwrap())
                    .for_each(|line| outputs(Output::Stdout(format!("line {line}\n")))),
                // So many chunks of 64 KiB.
                "pour" => (0..rest.parse::<usize>().unwrap())
                    .for_each(|_| outputs(Output::Stdout("x".repeat(1 << 16)))),
                "updates" => (0..rest.parse::<usize>().unwrap()).for_each(|state| {
                    outputs(Output::Update { id: "d".into(), bundle: Bundle::text(state.to_string()) });
                }),
                "later" => self.later = Some(rest.into()),
                // Prints the answer.
                "ask" | "password" => {
                    let question = Question { prompt: rest.into(), password: command == "password" };
                    match self.ask(&question) {
                        Answer::Line(line) => outputs(Output::Stdout(line)),
                        Answer::End => outputs(Output::Stdout("end".into())),
                        Answer::Nobody { why } => return Err(failure("Nobody", &why)),
                        Answer::Interrupted => return Err(failure("Interrupted", "interrupted")),
                    }
                }
                // Runs until it is interrupted as often as it says.
                "wait" => {
                    let (asked, wanted) = (Instant::now(), rest.parse().unwrap());
                    while self.interrupts.load(Ordering::SeqCst) < wanted {
                        assert!(asked.elapsed() < LONG, "nobody interrupted");
                        self.handle();
                        std::thread::sleep(Duration::from_millis(2));
                    }
                    return Err(failure("Interrupted", "interrupted"));
                }
                other => panic!("no such command: {other}"),
            }
        }
        Ok(())
    }

    fn ask_with(&mut self, ask: Ask) {
        self.ask = Some(ask);
    }

    fn listen_with(&mut self, listen: Listen) {
        self.listen = Some(listen);
    }

    fn attend(&mut self, outputs: &mut dyn FnMut(Output)) {
        if let Some(text) = self.later.take() {
            outputs(Output::Stdout(text));
        }
        while !self.mail.rung.swap(false, Ordering::SeqCst) {
            self.handle();
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn post(&self) -> Arc<dyn Post> {
        self.mail.clone()
    }

    fn evaluate(&mut self, expression: &str, _: &mut dyn FnMut(Output)) -> Result<Bundle, Failure> {
        match expression {
            "" => Err(failure("SyntaxError", "no expression")),
            text => Ok(Bundle::text(format!("<{text}>"))),
        }
    }

    fn interrupt(&self) -> Interrupt {
        let interrupts = Arc::clone(&self.interrupts);
        Arc::new(move || {
            interrupts.fetch_add(1, Ordering::SeqCst);
        })
    }
}

fn failure(name: &str, message: &str) -> Failure {
    Failure {
        name: name.into(),
        message: message.into(),
        traceback: vec![format!("{name}!"), message.into()],
    }
}
