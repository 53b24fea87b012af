//! Answers to what cells ask, from the terminal.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use sconce_display::{Answer, Question};

use super::lock;
use super::screen::Screen;
use super::terminal::Echo;
use crate::engine::Ask;

/// How often a question looks whether an interrupt takes it back, in nanoseconds.
const LOOK: i64 = 100_000_000;

/// Asks in the terminal, until an answer or an interrupt comes; `interrupts` counts them.
pub fn ask_in(screen: Arc<Mutex<Screen>>, interrupts: Arc<AtomicU32>) -> Ask {
    Box::new(move |question| {
        let answer = ask(question, &screen, &interrupts);
        Some(
            answer.unwrap_or_else(|error| Answer::Nobody {
                why: format!("the terminal cannot be read: {error}"),
            }),
        )
    })
}

fn ask(question: &Question, screen: &Mutex<Screen>, interrupts: &AtomicU32) -> io::Result<Answer> {
    lock(screen).question(&question.prompt)?;
    let echo = if question.password { None } else { Some(Echo::begin()?) };
    let line = read_line(interrupts);
    drop(echo);
    let line = line?;
    let seen = match &line {
        Line::Whole(line) if !question.password => format!("{line}\n"),
        _ => String::new(),
    };
    lock(screen).answered(&seen)?;
    Ok(match line {
        Line::Whole(line) => Answer::Line(line),
        Line::End => Answer::End,
        Line::Interrupted => Answer::Interrupted,
    })
}

enum Line {
    Whole(String),
    End,
    Interrupted,
}

/// Reads a line as the terminal hands it over. Not by way of [`io::stdin`], which would read on and keep what it read.
fn read_line(interrupts: &AtomicU32) -> io::Result<Line> {
    let before = interrupts.load(Ordering::Relaxed);
    let stdin = io::stdin();
    let mut line = Vec::new();
    loop {
        if interrupts.load(Ordering::Relaxed) != before {
            return Ok(Line::Interrupted);
        }
        let wait = Timespec { tv_sec: 0, tv_nsec: LOOK };
        match poll(&mut [PollFd::new(&stdin, PollFlags::IN)], Some(&wait)) {
            Ok(0) | Err(Errno::INTR) => continue,
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        let mut bytes = [0; 4096];
        match rustix::io::read(&stdin, &mut bytes) {
            Ok(0) if line.is_empty() => return Ok(Line::End),
            Ok(count) => line.extend_from_slice(&bytes[..count]),
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        if line.last() == Some(&b'\n') {
            line.pop();
            return Ok(Line::Whole(String::from_utf8_lossy(&line).into_owned()));
        }
    }
}
