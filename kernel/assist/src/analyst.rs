//! A loaded set of crates, in which one file is the notebook.

use std::path::{Path, PathBuf};

use ra_ap_ide::{Analysis, AnalysisHost, FileId, FilePosition, TextSize};
use ra_ap_ide_db::ChangeWithProcMacros;
use ra_ap_load_cargo::{LoadCargoConfig, ProcMacroServerChoice, load_workspace};
use ra_ap_project_model::{CargoConfig, ProjectManifest, ProjectWorkspace, RustLibSource};
use ra_ap_vfs::{AbsPathBuf, VfsPath};

use crate::notebook::Frame;
use crate::wire::{Completions, Crates, Inspection, Question, State};
use crate::{complete, inspect};

/// Answers questions on cells.
pub struct Analyst {
    host: AnalysisHost,
    notebook: FileId,
    frame: Frame,
    has_std: bool,
}

/// Whether the standard library's source is loaded too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Std {
    /// If it is there.
    Wanted,
    /// No.
    LeftOut,
}

impl Analyst {
    /// Loads the crates, which takes some seconds. Nothing is compiled; cargo fetches what the standard
    /// library's source is written with, if that is not there yet.
    ///
    /// # Errors
    /// What is wrong with the crates, for a person to read.
    pub fn load(crates: &Crates, std: Std) -> Result<Analyst, String> {
        let manifest = ProjectManifest::from_manifest_file(absolute(&crates.manifest)?);
        let manifest = manifest.map_err(|error| format!("{error:#}"))?;
        let config = CargoConfig {
            sysroot: (std == Std::Wanted).then_some(RustLibSource::Discover),
            ..CargoConfig::default()
        };
        let workspace =
            ProjectWorkspace::load(manifest, &config, &|_| ()).map_err(|error| format!("{error:#}"))?;
        let sysroot = &workspace.sysroot;
        let has_std =
            std == Std::Wanted && !sysroot.is_rust_lib_src_empty() && sysroot.metadata_error().is_none();
        let how = LoadCargoConfig {
            load_out_dirs_from_check: false,
            with_proc_macro_server: ProcMacroServerChoice::None,
            prefill_caches: false,
            num_worker_threads: 1,
            proc_macro_processes: 1,
        };
        let (db, files, _) =
            load_workspace(workspace, &config.extra_env, &how).map_err(|error| format!("{error:#}"))?;
        let root = VfsPath::from(absolute(&crates.root)?);
        let (notebook, _) = files
            .file_id(&root)
            .ok_or_else(|| format!("{} is not in the workspace", crates.root.display()))?;
        let host = AnalysisHost::with_database(db);
        Ok(Analyst { host, notebook, frame: Frame::new(&State::default()), has_std })
    }

    /// Whether the standard library is known.
    #[must_use]
    pub fn has_std(&self) -> bool {
        self.has_std
    }

    /// The session is like this from now on.
    pub fn set(&mut self, state: &State) {
        self.frame = Frame::new(state);
    }

    /// What could be written at the cursor.
    pub fn complete(&mut self, question: &Question) -> Completions {
        let nothing = Completions { range: question.cursor..question.cursor, items: Vec::new() };
        let Some((analysis, position, before)) = self.look_at(question) else { return nothing };
        complete::complete(&analysis, position, before, question).unwrap_or(nothing)
    }

    /// What the thing at the cursor is, or the function whose arguments stand there.
    pub fn inspect(&mut self, question: &Question) -> Option<Inspection> {
        let (analysis, position, _) = self.look_at(question)?;
        inspect::inspect(&analysis, position, question)
    }

    /// The cell in its place, the cursor there, and where the cell begins; nothing if the cursor is not in it.
    fn look_at(&mut self, question: &Question) -> Option<(Analysis, FilePosition, usize)> {
        question.code.is_char_boundary(question.cursor).then_some(())?;
        let before = self.frame.before.len();
        let offset = TextSize::new(u32::try_from(before + question.cursor).ok()?);
        let mut change = ChangeWithProcMacros::default();
        change.change_file(self.notebook, Some(self.frame.around(&question.code)));
        self.host.apply_change(change);
        Some((self.host.analysis(), FilePosition { file_id: self.notebook, offset }, before))
    }
}

fn absolute(path: &Path) -> Result<AbsPathBuf, String> {
    let path: PathBuf = std::path::absolute(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let text = path.to_str().ok_or_else(|| format!("{} is not UTF-8", path.display()))?;
    Ok(AbsPathBuf::assert_utf8(PathBuf::from(text)))
}
