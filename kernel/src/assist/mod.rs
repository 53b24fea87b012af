//! Help while typing: what could be written at the cursor, and what the thing under it is.
//!
//! It never waits for a cell: it reads what the session knew after the last one.

mod own;
mod spot;

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use crate::engine::Known;

/// What could stand in a place of a text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Completions {
    /// The place, in bytes; empty at the cursor where there are none.
    pub range: Range<usize>,
    /// The best first.
    pub items: Vec<Completion>,
}

/// One thing that could stand there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// The text to put there.
    pub text: String,
    /// What it is, in a word of Rust: `variable`, `function`, `struct`.
    pub kind: String,
    /// Its type or signature; empty where it has none.
    pub signature: String,
}

/// What the thing under the cursor is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// Its declaration, in Rust.
    pub signature: String,
    /// Its documentation, in Markdown; empty where it has none.
    pub docs: String,
}

/// Answers questions about a text that is being typed, from any thread.
#[derive(Debug, Default)]
pub struct Assist {
    known: Mutex<Arc<Known>>,
}

impl Assist {
    /// Takes note of what a session knows now.
    pub fn update(&self, known: Known) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(known);
    }

    /// What could be written at the byte `cursor` of `code`.
    #[must_use]
    pub fn complete(&self, code: &str, cursor: usize) -> Completions {
        own::complete(&self.known(), code, cursor)
    }

    /// What the thing at the byte `cursor` of `code` is, or the function whose arguments stand there.
    #[must_use]
    pub fn inspect(&self, code: &str, cursor: usize) -> Option<Inspection> {
        own::inspect(&self.known(), code, cursor)
    }

    fn known(&self) -> Arc<Known> {
        Arc::clone(&self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
