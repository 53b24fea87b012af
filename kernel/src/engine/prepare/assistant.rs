//! The program that understands code for help while typing, and what it reads.
//!
//! It is made of rust-analyzer and takes minutes to build, so it has a workshop and a lock of its own: neither a
//! cell nor `:dep` waits for it.

use std::path::PathBuf;

use super::program::Program;
use super::{CacheDir, PrepareError, Progress, Toolchain, source};

const PROGRAM: Program = Program {
    what: "the help while typing",
    package: "sconce-assist",
    folder: "assist",
    hash: env!("SCONCE_ASSIST_HASH"),
    source: &[source::ASSIST],
};

/// The assistant's program, and where the crates are that cells can name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assistant {
    /// The program.
    pub program: PathBuf,
    /// The manifest of the workspace that the cell library was built from.
    pub manifest: PathBuf,
    /// The root of a crate in it that names the same crates as a cell.
    pub root: PathBuf,
}

/// Why there is no assistant to ask. The message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum NoAssistant {
    /// Its program is not built.
    #[error(
        "methods, fields and paths are not completed: `sconce prepare` builds what that takes, once, in minutes"
    )]
    NotBuilt,
    /// What it reads is not there.
    #[error("methods, fields and paths are not completed before the cell library is prepared")]
    NoCells,
    /// There is no toolchain to read for.
    #[error(transparent)]
    NoToolchain(#[from] PrepareError),
}

impl CacheDir {
    /// The assistant with what it reads.
    pub fn assistant(&self) -> Result<Assistant, NoAssistant> {
        let program = self.assistant_program().ok_or(NoAssistant::NotBuilt)?;
        let source = self.slot(&Toolchain::find()?).source();
        let assistant = Assistant {
            program,
            manifest: source.join("Cargo.toml"),
            root: source.join("kernel/cell/src/bin/sconce-worker.rs"),
        };
        match assistant.manifest.exists() && assistant.root.exists() {
            true => Ok(assistant),
            false => Err(NoAssistant::NoCells),
        }
    }

    /// The assistant's program: the one beside this program, as cargo puts it, else the one in the cache.
    #[must_use]
    pub fn assistant_program(&self) -> Option<PathBuf> {
        PROGRAM.find(self)
    }
}

/// Builds the assistant unless that is done, and gives its program. Two processes that do it at once wait for each
/// other; one that is stopped half-way leaves what it has built for the next, and no program.
pub fn prepare_assistant(
    cache: &CacheDir,
    progress: &mut dyn FnMut(Progress),
) -> Result<PathBuf, PrepareError> {
    PROGRAM.prepare(cache, progress)
}
