//! Programs of ours that stand beside `sconce`: one that cargo has put there, or one that is built from the source that
//! `sconce` carries, in a workshop of its own.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::cache::{lock, unusable};
use super::graph::Graph;
use super::source::{self, Source};
use super::watch::Build;
use super::{CacheDir, PrepareError, Progress, Toolchain};

/// A program.
pub struct Program {
    /// What it is, for a person.
    pub what: &'static str,
    /// The package, and the program's name.
    pub package: &'static str,
    /// How its folders in the cache begin.
    pub folder: &'static str,
    /// Of its source.
    pub hash: &'static str,
    /// What it is built from. A file in a later part replaces that in an earlier one.
    pub source: &'static [Source],
}

impl Program {
    /// The one beside this program, as cargo puts it, else the one in the cache.
    pub fn find(&self, cache: &CacheDir) -> Option<PathBuf> {
        let beside = std::env::current_exe().ok().map(|own| own.with_file_name(self.name()));
        beside.into_iter().chain([self.built(cache)]).find(|program| program.is_file())
    }

    fn name(&self) -> String {
        format!("{}{}", self.package, std::env::consts::EXE_SUFFIX)
    }

    /// Where it goes. It is whole without the toolchain that built it, so that an update of Rust, after which the cell
    /// library is built anew, leaves it in use; what it must fit is the machine.
    fn built(&self, cache: &CacheDir) -> PathBuf {
        let slot = [env!("CARGO_PKG_VERSION"), self.hash, env!("SCONCE_TARGET")].join("-");
        cache.path().join(format!("{}-{slot}", self.folder)).join(self.name())
    }

    /// Builds it unless that is done. Two processes that do it at once wait for each other; one that is stopped half-way
    /// leaves what it has built for the next, and no program.
    pub fn prepare(
        &self,
        cache: &CacheDir,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<PathBuf, PrepareError> {
        if let Some(program) = self.find(cache) {
            return Ok(program);
        }
        let toolchain = Toolchain::find()?;
        toolchain.check_tools()?;
        let workshop = cache.path().join(format!("{}-build", self.folder));
        let mut say = |message: &str| progress(Progress { done: 0, total: 0, message: message.to_owned() });
        let waiting = &mut || say("waiting: another process builds it");
        let _lock = lock(&workshop, waiting).map_err(|error| unusable(&workshop, error))?;
        if let Some(program) = self.find(cache) {
            return Ok(program);
        }
        say("reading the list of crates");
        let build = Build {
            what: self.what,
            package: self.package,
            features: &[],
            source: workshop.join("source"),
            target: workshop.join("target"),
        };
        source::write(self.source, &build.source).map_err(|error| unusable(&build.source, error))?;
        let graph = Graph::read(&build, &toolchain)?;
        let made = build.run("", graph.packages.len(), progress)?;
        let made = made.iter().find_map(|message| message["executable"].as_str());
        let made = made.ok_or_else(|| build.failed("cargo built everything but the program itself"))?;
        let program = self.built(cache);
        keep(Path::new(made), &program).map_err(|error| unusable(&program, error))?;
        Ok(program)
    }
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
