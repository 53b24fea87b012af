//! The program that understands code for help while typing, and what it reads.

use std::path::PathBuf;

use super::{CacheDir, Toolchain};

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

impl CacheDir {
    /// The assistant; nothing while it or the cell library is not built.
    #[must_use]
    pub fn assistant(&self) -> Option<Assistant> {
        let program = beside_this_program()?;
        let toolchain = Toolchain::find().ok()?;
        let source = self.slot(&toolchain).source();
        let assistant = Assistant {
            program,
            manifest: source.join("Cargo.toml"),
            root: source.join("kernel/cell/src/bin/sconce-worker.rs"),
        };
        (assistant.manifest.exists() && assistant.root.exists()).then_some(assistant)
    }
}

fn beside_this_program() -> Option<PathBuf> {
    let name = format!("sconce-assist{}", std::env::consts::EXE_SUFFIX);
    let program = std::env::current_exe().ok()?.with_file_name(name);
    program.exists().then_some(program)
}
