//! The program: requests on stdin, answers on stdout.

#![allow(clippy::unwrap_used)]

mod small;

use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use sconce_assist::wire::{Answer, Crates, Question, Request, State, Variable};

struct Program {
    child: Child,
    requests: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Program {
    fn start() -> Program {
        let mut child = Command::new(env!("CARGO_BIN_EXE_sconce-assist"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let requests = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap()).lines();
        Program { child, requests, answers }
    }

    fn say(&mut self, request: &Request) {
        writeln!(self.requests, "{}", serde_json::to_string(request).unwrap()).unwrap();
    }

    fn answer(&mut self) -> Answer {
        serde_json::from_str(&self.answers.next().expect("the program has ended").unwrap()).unwrap()
    }
}

fn question(id: u64, code: &str) -> Question {
    Question { id, code: code.into(), cursor: code.len() }
}

#[test]
fn cells_are_completed_once_all_is_loaded() {
    let (_folder, crates) = small::workspace();
    let mut program = Program::start();
    program.say(&Request::Load(crates));
    let Answer::Loaded { std } = program.answer() else { panic!("it did not load") };
    let variable = |name: &str, ty: &str| Variable { name: name.into(), ty: ty.into(), mutable: false };
    let variables = vec![variable("row", "sconce_cell::Row"), variable("numbers", "std::vec::Vec<f32>")];
    program.say(&Request::Session(State { items: String::new(), variables }));
    program.say(&Request::Complete(question(1, "row.gr")));
    let Answer::Completed { id: 1, completions } = program.answer() else { panic!("no completions") };
    assert_eq!((completions.items[0].text.as_str(), completions.items[0].kind.as_str()), ("grown", "method"));
    assert_eq!(completions.items[0].signature, "fn(&self) -> Row");
    program.say(&Request::Complete(question(2, "numbers.iter().enum")));
    let Answer::Completed { id: 2, completions } = program.answer() else { panic!("no completions") };
    // Where the source of the standard library is not there, nothing of it is offered.
    assert_eq!(completions.items.iter().any(|item| item.text == "enumerate"), std);
}

#[test]
fn every_question_is_answered_and_garbage_is_dropped() {
    let mut program = Program::start();
    writeln!(program.requests, "{{ garbage").unwrap();
    for id in 1..=3 {
        program.say(&Request::Complete(question(id, "x")));
    }
    program.say(&Request::Inspect(question(4, "x")));
    for id in 1..=3 {
        let answer = program.answer();
        // Nothing is loaded, so nothing is known.
        assert!(
            matches!(&answer, Answer::Completed { id: of, completions } if *of == id && completions.items.is_empty())
        );
    }
    assert_eq!(program.answer(), Answer::Inspected { id: 4, inspection: None });
}

#[test]
fn crates_that_are_not_there_are_named() {
    let mut program = Program::start();
    let nowhere = Path::new("/nowhere/Cargo.toml");
    program.say(&Request::Load(Crates { manifest: nowhere.into(), root: nowhere.into() }));
    let Answer::NotLoaded { reason } = program.answer() else { panic!("it loaded") };
    assert!(reason.contains("/nowhere"), "{reason}");
}
