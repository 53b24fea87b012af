//! A cell's source in, outputs out. Knows rustc; knows nothing of Jupyter.
//!
//! The way of a cell: `source` takes it apart, `generate` writes a crate, `rustc` compiles it,
//! `diagnose` learns from what it says, `worker` runs it, and `session` keeps what lives between
//! cells.

mod aside;
mod attend;
mod audience;
mod backtrace;
mod build;
mod cheap;
mod checks;
mod commands;
mod complete;
mod definitions;
mod deps;
mod diagnose;
#[cfg(test)]
mod fuzz;
mod generate;
mod hints;
mod interrupter;
mod items;
mod known;
mod mailbox;
mod mistakes;
mod names;
mod nesting;
mod outcome;
mod placed;
mod places;
mod plan;
mod prepare;
mod program;
mod render;
mod rustc;
mod session;
mod shape;
mod source;
mod statics;
mod stock;
mod stream;
mod variables;
mod waiting;
mod worker;
mod workers;

pub use audience::{Ask, Beside, Listen};
pub use deps::Deps;
pub use interrupter::Interrupter;
pub use known::{Known, KnownDefinition, KnownKind, KnownVariable};
pub use mailbox::Mailbox;
pub use outcome::{Completeness, Failure, Output};
pub use prepare::{
    Assistant, CacheDir, NoAssistant, PrepareError, Prepared, Progress, Toolchain, prepare,
    prepare_assistant, prepare_server, prepared,
};
pub use session::{EngineError, Session};

impl Session {
    /// Whether source text is ready to run.
    #[must_use]
    pub fn completeness(code: &str) -> Completeness {
        complete::completeness(code)
    }

    /// Whether what is typed at the byte `offset` of `code` is code, not part of a string or comment.
    #[must_use]
    pub fn is_code(code: &str, offset: usize) -> bool {
        complete::is_code(code, offset)
    }

    /// A cell with empty lines in place of its commands.
    #[must_use]
    pub fn rust(code: &str) -> String {
        commands::rust(code)
    }

    /// The commands, and what each does.
    pub fn commands() -> impl Iterator<Item = (&'static str, &'static str)> {
        commands::commands()
    }
}
