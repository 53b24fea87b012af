//! A session as a person sees it, for tests.

#![allow(dead_code, reason = "each test program uses what it needs")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use sconce_display::comm::{Action, Packet};
use sconce_display::{Answer, Bundle, Question};
use sconce_kernel::engine::{CacheDir, Failure, Output, Session, prepare};

/// What a cell did.
#[derive(Debug, Default)]
pub struct Ran {
    pub stdout: String,
    pub stderr: String,
    /// Everything in order: text as it is, displays in brackets, updates in braces, the result after `=`.
    pub log: String,
    pub result: Option<String>,
    /// The MIME types of the last thing that was shown.
    pub mimes: Vec<String>,
    pub failure: Option<Failure>,
}

pub struct Notebook(pub Session);

impl Notebook {
    /// Prepares the cell library if that was not done, and starts a session.
    pub fn start() -> Notebook {
        let cache = CacheDir::from_env().unwrap();
        let prepared = prepare(&cache, &mut |_| {}).unwrap_or_else(|error| panic!("{error}"));
        Notebook(Session::start(&prepared).unwrap())
    }

    pub fn run(&mut self, code: &str) -> Ran {
        let mut ran = Ran::default();
        let plain = |bundle: &Bundle| bundle.plain().unwrap_or_default().to_owned();
        let mimes = |bundle: &Bundle| bundle.forms.iter().map(|(mime, _)| mime.clone()).collect();
        let result = self.0.execute(code, &mut |output| match output {
            Output::Stdout(text) => {
                ran.stdout.push_str(&text);
                ran.log.push_str(&text);
            }
            Output::Stderr(text) => {
                ran.stderr.push_str(&text);
                ran.log.push_str(&text);
            }
            Output::Display { bundle, .. } => {
                ran.log.push_str(&format!("[{}]", plain(&bundle)));
                ran.mimes = mimes(&bundle);
            }
            Output::Update { bundle, .. } => ran.log.push_str(&format!("{{{}}}", plain(&bundle))),
            Output::Clear { .. } => ran.log.push_str("<clear>"),
            Output::Page(bundle) => ran.log.push_str(&format!("<page {}>", plain(&bundle))),
            Output::Comm(Packet { action, payload, .. }) => {
                let name = match action {
                    Action::Open { target } => format!("open {target}"),
                    Action::Message => "message".into(),
                    Action::Close => "close".into(),
                };
                ran.log.push_str(&format!("<{name} {}>", payload.data));
            }
            Output::Times { .. } => {}
            Output::Result(bundle) => {
                ran.log.push_str(&format!("={}", plain(&bundle)));
                ran.result = Some(plain(&bundle));
                ran.mimes = mimes(&bundle);
            }
        });
        ran.failure = result.err();
        ran
    }

    /// Gives these answers to what cells ask, and nobody's after them. Questions come out at the other end.
    pub fn answers(&mut self, answers: Vec<Answer>) -> Receiver<Question> {
        let (sender, questions) = channel();
        let mut answers = answers.into_iter();
        self.0.ask_with(Box::new(move |question| {
            let _ = sender.send(question.clone());
            Some(answers.next().unwrap_or(Answer::Nobody { why: "the test gives no more".into() }))
        }));
        questions
    }

    #[track_caller]
    pub fn gives(&mut self, code: &str, wanted: &str) {
        let ran = self.run(code);
        assert_eq!(ran.result.as_deref(), Some(wanted), "{code}\n{}", text(&ran));
    }

    #[track_caller]
    pub fn prints(&mut self, code: &str, wanted: &str) {
        let ran = self.run(code);
        assert_eq!(ran.stdout, wanted, "{code}\n{}", text(&ran));
    }

    #[track_caller]
    pub fn shows_nothing(&mut self, code: &str) {
        let ran = self.run(code);
        assert!(ran.failure.is_none() && ran.log.is_empty(), "{code}\n{}", text(&ran));
    }

    /// The traceback without colours.
    #[track_caller]
    pub fn fails(&mut self, code: &str, name: &str) -> String {
        let ran = self.run(code);
        let failure = ran.failure.unwrap_or_else(|| panic!("{code} did not fail: {:?}", ran.log));
        let text = without_colours(&failure.traceback.join("\n"));
        assert_eq!(failure.name, name, "{code}\n{text}");
        text
    }

    /// Interrupts a cell that runs for so many milliseconds.
    #[track_caller]
    pub fn interrupted_after(&mut self, milliseconds: u64, code: &str) -> String {
        self.interrupts(code, milliseconds)
    }

    /// Interrupts a cell when it runs, and again when it is said that it does not look.
    #[track_caller]
    pub fn interrupted_twice(&mut self, code: &str) -> String {
        let interrupter = self.0.interrupter();
        let result = self.0.execute(&format!("println!(\"running\");\n{code}"), &mut |output| match output {
            Output::Stdout(text) if text.contains("running") => interrupter.interrupt(),
            Output::Stderr(text) if text.contains("does not look for interrupts") => interrupter.interrupt(),
            _ => {}
        });
        failed(code, result, "WorkerDied")
    }

    /// Interrupts a cell after so many milliseconds, in which it only compiles.
    #[track_caller]
    #[allow(dead_code, reason = "each test program uses what it needs")]
    pub fn interrupted_while_compiling(&mut self, milliseconds: u64, code: &str) -> String {
        let interrupter = self.0.interrupter();
        let thread = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(milliseconds));
            interrupter.interrupt();
        });
        let result = self.0.execute(code, &mut |_| {});
        thread.join().unwrap();
        failed(code, result, "Interrupted")
    }

    #[track_caller]
    fn interrupts(&mut self, code: &str, wait: u64) -> String {
        let interrupter = self.0.interrupter();
        // The cell says when it runs: compiling takes as long as it takes.
        let (sender, receiver) = channel::<()>();
        let thread = std::thread::spawn(move || {
            // A cell that does not get to run has failed, which is seen below.
            if receiver.recv().is_ok() {
                std::thread::sleep(Duration::from_millis(wait));
                interrupter.interrupt();
            }
        });
        let result = self.0.execute(&format!("println!(\"running\");\n{code}"), &mut |output| {
            if matches!(&output, Output::Stdout(text) if text.contains("running")) {
                let _ = sender.send(());
            }
        });
        drop(sender);
        thread.join().unwrap();
        failed(code, result, "Interrupted")
    }
}

#[track_caller]
fn failed(code: &str, result: Result<(), Failure>, name: &str) -> String {
    let failure = result.expect_err(code);
    let text = without_colours(&failure.traceback.join("\n"));
    assert_eq!(failure.name, name, "{code}\n{text}");
    text
}

fn text(ran: &Ran) -> String {
    let traceback = ran.failure.iter().flat_map(|failure| &failure.traceback);
    format!("{}\n{}", ran.log, without_colours(&traceback.cloned().collect::<Vec<_>>().join("\n")))
}

pub fn without_colours(text: &str) -> String {
    let mut plain = String::new();
    for (index, part) in text.split("\x1b[").enumerate() {
        plain.push_str(if index == 0 { part } else { part.split_once('m').map_or("", |(_, rest)| rest) });
    }
    plain
}
