//! The program that serves models. It stands on the library, whose source is in this program for the cells.

use std::path::PathBuf;

use super::program::Program;
use super::{CacheDir, PrepareError, Progress, source};

const PROGRAM: Program = Program {
    what: "the server",
    package: "sconce-serve",
    folder: "serve",
    hash: concat!(env!("SCONCE_CELL_HASH"), "-", env!("SCONCE_SERVE_HASH")),
    source: &[source::CELL, source::SERVE],
};

impl CacheDir {
    /// The server's program: the one beside this program, as cargo puts it, else the one in the cache.
    #[must_use]
    pub fn server_program(&self) -> Option<PathBuf> {
        PROGRAM.find(self)
    }
}

/// Builds the server unless that is done, and gives its program.
pub fn prepare_server(cache: &CacheDir, progress: &mut dyn FnMut(Progress)) -> Result<PathBuf, PrepareError> {
    PROGRAM.prepare(cache, progress)
}
