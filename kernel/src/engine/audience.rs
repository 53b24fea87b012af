//! Who is there while cells run, besides whoever takes their outputs.

use std::fmt;

use sconce_display::{Answer, Question};

use super::Output;

/// Answers a question of a running cell; `None` where the answer will come through the
/// [`Mailbox`](super::Mailbox).
pub type Ask = Box<dyn FnMut(&Question) -> Option<Answer> + Send>;

/// Takes what comes of comm messages.
pub type Listen = Box<dyn FnMut(Beside) + Send>;

/// What comes of a comm message, beside a running cell or between two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Beside {
    /// Its handler emits something.
    Output {
        /// The message's number.
        cause: u64,
        /// What is emitted.
        output: Output,
    },
    /// Its handler has ended, or will never run: the worker is gone.
    Handled {
        /// The message's number.
        number: u64,
    },
}

/// Whoever it is, or nobody.
#[derive(Default)]
pub struct Audience {
    /// Answers questions.
    pub ask: Option<Ask>,
    /// Takes what comes of comm messages.
    pub listen: Option<Listen>,
}

impl Audience {
    /// Asks whoever answers.
    pub fn ask(&mut self, question: &Question) -> Option<Answer> {
        match &mut self.ask {
            Some(ask) => ask(question),
            None => Some(Answer::Nobody { why: "cells run here without a person".into() }),
        }
    }

    /// Says that a comm message is done with.
    pub fn handled(&mut self, number: u64) {
        if let Some(listen) = &mut self.listen {
            listen(Beside::Handled { number });
        }
    }

    /// Hands an output to whom it is for: what a handler emits, to the listener, if there is one.
    pub fn take(&mut self, cause: Option<u64>, output: Output, outputs: &mut dyn FnMut(Output)) {
        match (cause, &mut self.listen) {
            (Some(cause), Some(listen)) => listen(Beside::Output { cause, output }),
            _ => outputs(output),
        }
    }
}

impl fmt::Debug for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Audience { ask, listen } = self;
        write!(f, "Audience(asked: {}, listens: {})", ask.is_some(), listen.is_some())
    }
}
