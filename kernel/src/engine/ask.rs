//! Who answers what cells ask.

use std::fmt;

use sconce_display::{Answer, Question};

/// Answers a question of a running cell; `None` where the answer will come through the [`Mailbox`].
pub type Ask = Box<dyn FnMut(&Question) -> Option<Answer> + Send>;

/// Whoever it is, or nobody.
#[derive(Default)]
pub struct Asker(Option<Ask>);

impl Asker {
    /// This one answers.
    pub fn new(ask: Ask) -> Asker {
        Asker(Some(ask))
    }

    /// Asks.
    pub fn ask(&mut self, question: &Question) -> Option<Answer> {
        match &mut self.0 {
            Some(ask) => ask(question),
            None => Some(Answer::Nobody { why: "cells run here without a person".into() }),
        }
    }
}

impl fmt::Debug for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Asker" } else { "nobody" })
    }
}
