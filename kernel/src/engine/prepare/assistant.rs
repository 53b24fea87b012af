//! The program that understands code for help while typing, and what it reads.
//!
//! It is made of rust-analyzer and takes minutes to build, so it has a workshop and a lock of its own: neither a
//! cell nor `:dep` waits for it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::cache::{lock, unusable};
use super::graph::Graph;
use super::watch::Build;
use super::{CacheDir, PrepareError, Progress, Toolchain, source};

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
        let beside = std::env::current_exe().ok().map(|own| own.with_file_name(program_name()));
        beside.into_iter().chain([self.built_assistant()]).find(|program| program.is_file())
    }

    /// Where the program goes. It is whole without the toolchain that built it, so that an update of Rust, after
    /// which the cell library is built anew, leaves it in use; what it must fit is the machine.
    fn built_assistant(&self) -> PathBuf {
        let slot = [env!("CARGO_PKG_VERSION"), env!("SCONCE_ASSIST_HASH"), env!("SCONCE_TARGET")].join("-");
        self.path().join(format!("assist-{slot}")).join(program_name())
    }
}

fn program_name() -> String {
    format!("sconce-assist{}", std::env::consts::EXE_SUFFIX)
}

/// Builds the assistant unless that is done, and gives its program. Two processes that do it at once wait for each
/// other; one that is stopped half-way leaves what it has built for the next, and no program.
pub fn prepare_assistant(
    cache: &CacheDir,
    progress: &mut dyn FnMut(Progress),
) -> Result<PathBuf, PrepareError> {
    if let Some(program) = cache.assistant_program() {
        return Ok(program);
    }
    let toolchain = Toolchain::find()?;
    toolchain.check_tools()?;
    let workshop = cache.path().join("assist-build");
    let mut say = |message: &str| progress(Progress { done: 0, total: 0, message: message.to_owned() });
    let waiting = &mut || say("waiting: another process builds it");
    let _lock = lock(&workshop, waiting).map_err(|error| unusable(&workshop, error))?;
    if let Some(program) = cache.assistant_program() {
        return Ok(program);
    }
    say("reading the list of crates");
    let build = Build {
        what: "the help while typing",
        package: "sconce-assist",
        source: workshop.join("source"),
        target: workshop.join("target"),
    };
    source::write(source::ASSIST, &build.source).map_err(|error| unusable(&build.source, error))?;
    let graph = Graph::read(&build, &toolchain)?;
    let made = build.run("", graph.packages.len(), progress)?;
    let made = made.iter().find_map(|message| message["executable"].as_str());
    let made = made.ok_or_else(|| build.failed("cargo built everything but the program itself"))?;
    let program = cache.built_assistant();
    keep(Path::new(made), &program).map_err(|error| unusable(&program, error))?;
    Ok(program)
}

/// Puts a program where it is looked for, in one piece.
fn keep(made: &Path, program: &Path) -> io::Result<()> {
    let folder = program.parent().ok_or(io::ErrorKind::InvalidInput)?;
    fs::create_dir_all(folder)?;
    let half = tempfile::tempdir_in(folder)?;
    let copy = half.path().join("program");
    // A copy: what cargo builds next goes into the same file.
    fs::copy(made, &copy)?;
    fs::rename(copy, program)
}
