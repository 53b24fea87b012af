//! The cell library, and the assistant and the server beside it: built once for a version, a toolchain and a source,
//! then found in milliseconds.

mod assistant;
mod build;
mod cache;
pub(super) mod cargo;
mod graph;
mod program;
mod server;
mod source;
mod toolchain;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use assistant::{Assistant, NoAssistant, prepare_assistant};
pub use build::prepare;
pub use cache::CacheDir;
pub use server::prepare_server;
pub(super) use source::lock_file;
pub use toolchain::Toolchain;

/// Where the cell library lies, and what cells can name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prepared {
    /// The compiler itself, not a proxy that looks it up.
    pub rustc: PathBuf,
    /// The program that runs cells.
    pub worker: PathBuf,
    /// The libraries of all crates, by the name that code uses.
    pub crates: BTreeMap<String, PathBuf>,
    /// The crates that every cell can name.
    pub nameable: BTreeSet<String>,
    /// The packages that the cell library holds.
    pub shared: Vec<Shared>,
    /// The folder that holds the libraries they need in turn.
    pub dependencies: PathBuf,
}

/// A package that the cell library holds, and that crates of the user's are to share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shared {
    /// Its name.
    pub package: String,
    /// Its version.
    pub version: String,
    /// Its features that are on.
    pub features: Vec<String>,
    /// The library.
    pub library: PathBuf,
    /// Its metadata alone, which other libraries are compiled against.
    pub metadata: PathBuf,
}

/// How far a preparation is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Crates that are built.
    pub done: usize,
    /// Crates in all, 0 while it is not known.
    pub total: usize,
    /// What is going on.
    pub message: String,
}

/// Why something could not be prepared. The message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// A program is missing.
    #[error("{program} was not found: {hint}")]
    Missing {
        /// Its name.
        program: String,
        /// Where to get it.
        hint: String,
    },
    /// The toolchain is too old.
    #[error("rustc {found} is too old: cells need {wanted} or newer; `rustup update stable` brings it")]
    TooOld {
        /// What is there.
        found: String,
        /// What is needed.
        wanted: String,
    },
    /// The cache folder cannot be used.
    #[error("the cache folder {} cannot be used: {source}; {hint}", path.display())]
    Cache {
        /// The folder or a file in it.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
        /// What to do.
        hint: &'static str,
    },
    /// No folder for the cache is known.
    #[error(
        "there is no home folder to keep the cell library in; set SCONCE_CACHE_DIR to a folder with 1 GB free"
    )]
    NoHome,
    /// cargo failed.
    #[error("building {what} failed: {reason}\n{log}")]
    Build {
        /// What was built.
        what: &'static str,
        /// Why, as far as it is known, and what to do.
        reason: String,
        /// The end of what cargo said.
        log: String,
    },
}

/// The cell library, if it is prepared for this toolchain and this version of the source.
#[must_use]
pub fn prepared(cache: &CacheDir) -> Option<Prepared> {
    let toolchain = Toolchain::find().ok()?;
    cache.slot(&toolchain).read()
}
