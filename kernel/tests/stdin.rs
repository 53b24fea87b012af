//! What cells read and ask, through a real worker.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod notebook;

use std::time::Duration;

use notebook::Notebook;
use sconce_display::{Answer, Question};

fn lines(lines: &[&str]) -> Vec<Answer> {
    lines.iter().map(|line| Answer::Line((*line).to_owned())).collect()
}

#[test]
fn lines_of_standard_input_are_asked_for_one_by_one() {
    let mut notebook = Notebook::start();
    let questions = notebook.answers(lines(&["Ada", "7", "8", "left"]));
    notebook
        .gives("let mut name = String::new(); std::io::stdin().read_line(&mut name)?; name", "\"Ada\\n\"");
    notebook.gives(
        "let numbers: Vec<i32> = std::io::stdin().lines().take(2).map(|line| line.unwrap().parse().unwrap()).collect(); numbers",
        "[7, 8]",
    );
    // The prompt that was printed stands before the question.
    let ran = notebook.run("use std::io::Read; print!(\"first: \"); let mut byte = [0]; std::io::stdin().read_exact(&mut byte)?; byte[0] as char");
    assert_eq!((ran.stdout.as_str(), ran.result.as_deref()), ("first: ", Some("'l'")));
    assert_eq!(questions.try_iter().collect::<Vec<_>>(), vec![Question::default(); 4]);
}

#[test]
fn the_end_of_the_input_is_its_end() {
    let mut notebook = Notebook::start();
    let answers = [lines(&["a", "b"]), vec![Answer::End, Answer::End]].concat();
    notebook.answers(answers);
    notebook.gives("std::io::read_to_string(std::io::stdin())?", "\"a\\nb\\n\"");
    let failure = notebook.fails("sconce::input(\"more? \")?", "sconce::Error");
    assert!(failure.contains("input(\"more? \"): the input ended before the answer"), "{failure}");
}

#[test]
fn input_and_password() {
    let mut notebook = Notebook::start();
    let questions = notebook.answers(lines(&["Ada", "secret"]));
    notebook.gives("sconce::input(\"name: \")?", "\"Ada\"");
    notebook.gives("sconce::password(format!(\"{}: \", \"key\"))?", "\"secret\"");
    let asked: Vec<Question> = questions.try_iter().collect();
    let expected = [("name: ", false), ("key: ", true)];
    assert_eq!(asked, expected.map(|(prompt, password)| Question { prompt: prompt.into(), password }));
}

#[test]
fn where_nobody_can_answer_the_error_says_so() {
    let mut notebook = Notebook::start();
    let why = "cells run here without a person";
    let read = "let mut line = String::new(); std::io::stdin().read_line(&mut line)";
    let failure = notebook.fails(&format!("{read}?;"), "io::Error");
    assert!(failure.contains("nobody can answer") && failure.contains(why), "{failure}");
    let failure = notebook.fails(&format!("{read}.unwrap();"), "panic");
    assert!(failure.contains("nobody can answer") && failure.contains(why), "{failure}");
    let failure = notebook.fails("sconce::input(\"name\")?", "sconce::Error");
    assert!(failure.contains(&format!("input(\"name\"): nobody can answer: {why}")), "{failure}");
    // A later failure is not about that.
    let failure = notebook.fails("Err::<(), _>(\"other\")?", "&str");
    assert!(!failure.contains(why), "{failure}");
}

#[test]
fn an_interrupt_ends_the_wait_and_keeps_the_variables() {
    let mut notebook = Notebook::start();
    // The answer would come through the mailbox, and does not.
    notebook.0.ask_with(Box::new(|_| None));
    notebook.shows_nothing("let kept = 5;");
    let read = "let mut line = String::new(); std::io::stdin().read_line(&mut line)";
    for code in [format!("{read}?;"), format!("{read}.unwrap();"), "sconce::input(\"name\")?".into()] {
        notebook.interrupted_after(100, &code);
        notebook.gives("kept", "5");
    }
    // A person who has Ctrl-C in the field where the answer would be typed means the same.
    notebook.answers(vec![Answer::Interrupted]);
    notebook.fails(&format!("{read}?;"), "Interrupted");
}

#[test]
fn answers_may_come_from_another_thread_and_late_ones_are_to_nothing() {
    let mut notebook = Notebook::start();
    let mailbox = notebook.0.mailbox();
    assert!(!mailbox.answer(Answer::End), "nothing was asked");
    let (sender, asked) = std::sync::mpsc::channel();
    notebook.0.ask_with(Box::new(move |question| {
        sender.send(question.prompt.clone()).unwrap();
        None
    }));
    let answering = notebook.0.mailbox();
    let thread = std::thread::spawn(move || {
        while let Ok(prompt) = asked.recv() {
            std::thread::sleep(Duration::from_millis(20));
            assert!(answering.answer(Answer::Line(prompt.to_uppercase())), "{prompt} was asked");
        }
    });
    notebook.gives("(sconce::input(\"one\")?, sconce::input(\"two\")?)", "(\"ONE\", \"TWO\")");
    // Between two cells no question is open, so an answer there is late for certain.
    assert!(!mailbox.answer(Answer::Line("late".into())), "nothing is asked any more");
    notebook.gives("sconce::input(\"three\")?", "\"THREE\"");
    drop(notebook);
    thread.join().unwrap();
}

#[test]
fn c_code_reads_the_same_input() {
    let mut notebook = Notebook::start();
    notebook.answers(lines(&["42 rest", "next"]));
    notebook.shows_nothing(
        "use std::ffi::{c_char, c_int};\n\
         unsafe extern \"C\" { fn scanf(format: *const c_char, ...) -> c_int; fn getchar() -> c_int; }",
    );
    notebook.gives(
        "let mut number: c_int = 0; let read = unsafe { scanf(c\"%d\".as_ptr(), &raw mut number) }; (read, number)",
        "(1, 42)",
    );
    notebook.gives("(0..6).map(|_| unsafe { getchar() } as u8 as char).collect::<String>()", "\" rest\\n\"");
    notebook.gives("char::from(unsafe { getchar() } as u8)", "'n'");
}

#[test]
fn other_files_are_read_as_ever() {
    let mut notebook = Notebook::start();
    notebook.gives(
        "let output = std::process::Command::new(\"cat\").output()?; (output.status.success(), output.stdout.len())",
        "(true, 0)",
    );
    notebook.gives(
        "let path = std::env::temp_dir().join(format!(\"sconce-read-{}\", std::process::id())); \
         std::fs::write(&path, \"whole\")?; let text = std::fs::read_to_string(&path)?; std::fs::remove_file(&path)?; text",
        "\"whole\"",
    );
}
