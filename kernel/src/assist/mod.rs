//! Help while typing: what could be written at the cursor, and what the thing under it is.
//!
//! It never waits for a cell: it reads what the session knew after the last one. Names come from that at once;
//! what needs an understanding of the code comes from `sconce-assist`, a process that starts with the first
//! question and is asked when it is ready.

mod closed;
mod own;
mod process;
mod spot;
#[path = "../../assist/src/wire.rs"]
mod wire;

use std::sync::{Arc, Mutex, PoisonError};

use crate::engine::{CacheDir, Known};
use closed::closed;
use process::Process;
use spot::{Rust, Spot, spot};

pub use wire::{Completion, Completions, Inspection};

/// Answers questions about a text that is being typed, from any thread.
#[derive(Debug, Default)]
pub struct Assist {
    known: Mutex<Arc<Known>>,
    /// What understands code; without it there is only what the session knows.
    process: Option<Process>,
}

impl Assist {
    /// Help for sessions whose cell library is in `cache`; `log` takes a line on what is wrong with it.
    #[must_use]
    pub fn new(cache: CacheDir, log: fn(&str)) -> Assist {
        let process = Process::new(move || cache.assistant(), log);
        Assist { known: Mutex::default(), process: Some(process) }
    }

    /// Takes note of what a session knows now.
    pub fn update(&self, known: Known) {
        let known = Arc::new(known);
        if let Some(process) = &self.process {
            process.update(&known);
        }
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = known;
    }

    /// What could be written at the byte `cursor` of `code`.
    #[must_use]
    pub fn complete(&self, code: &str, cursor: usize) -> Completions {
        let known = self.known();
        let found = self.understanding(code, cursor).and_then(|(process, rust)| {
            let mut found = process.complete(&known, closed(&rust.text, rust.cursor), rust.cursor)?;
            found.range = found.range.start + rust.removed..found.range.end + rust.removed;
            Some(found)
        });
        found.filter(|found| !found.items.is_empty()).unwrap_or_else(|| own::complete(&known, code, cursor))
    }

    /// What the thing at the byte `cursor` of `code` is, or the function whose arguments stand there.
    #[must_use]
    pub fn inspect(&self, code: &str, cursor: usize) -> Option<Inspection> {
        let known = self.known();
        let own = own::inspect(&known, code, cursor);
        let understood = self.understanding(code, cursor);
        let found = understood.and_then(|(process, rust)| {
            process.inspect(&known, closed(&rust.text, rust.cursor), rust.cursor)
        });
        match (own, found) {
            // A variable of an earlier cell is an argument there; here more is known of it.
            (Some(own), Some(found))
                if own.signature.starts_with("let ") && !found.signature.starts_with("let ") =>
            {
                Some(Inspection {
                    docs: format!("{}\n\n{}", own.docs, found.docs).trim_end().to_owned(),
                    ..own
                })
            }
            (own, found) => found.or(own),
        }
    }

    /// Who to ask about this place, if it is one to ask about.
    fn understanding(&self, code: &str, cursor: usize) -> Option<(&Process, Rust)> {
        match spot(code, cursor) {
            Spot::Command(_) | Spot::Nothing => None,
            Spot::Name(_) | Spot::Import(_) | Spot::Member(_) => {
                Some((self.process.as_ref()?, Rust::of(code, cursor)?))
            }
        }
    }

    fn known(&self) -> Arc<Known> {
        Arc::clone(&self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
