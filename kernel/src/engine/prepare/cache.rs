use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::source;
use super::{PrepareError, Prepared, Toolchain};

/// The folder that holds prepared cell libraries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheDir {
    path: PathBuf,
}

impl CacheDir {
    /// `SCONCE_CACHE_DIR`, else the user's cache folder.
    pub fn from_env() -> Result<CacheDir, PrepareError> {
        let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let path = if let Some(path) = folder("SCONCE_CACHE_DIR") {
            path
        } else if let Some(path) = folder("XDG_CACHE_HOME") {
            path.join("sconce")
        } else {
            let home = std::env::home_dir().filter(|home| !home.as_os_str().is_empty());
            let home = home.ok_or(PrepareError::NoHome)?;
            home.join(if cfg!(target_os = "macos") { "Library/Caches/sconce" } else { ".cache/sconce" })
        };
        Ok(CacheDir { path: std::path::absolute(&path).unwrap_or(path) })
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the cell library of this source and this toolchain goes.
    pub(super) fn slot(&self, toolchain: &Toolchain) -> Slot {
        let name =
            format!("{}-{}-{}", env!("CARGO_PKG_VERSION"), env!("SCONCE_CELL_HASH"), toolchain.fingerprint());
        let workshop = self.path.join(format!("build-{}", toolchain.fingerprint()));
        Slot { path: self.path.join(name), workshop }
    }
}

/// The place of one cell library in the cache, and the workshop where all those of a toolchain are built: a
/// new version of the source builds anew only what it changes.
#[derive(Debug)]
pub(super) struct Slot {
    path: PathBuf,
    workshop: PathBuf,
}

impl Slot {
    /// The folder with the source.
    pub fn source(&self) -> PathBuf {
        self.workshop.join("source")
    }

    /// The folder that cargo builds in.
    pub fn target(&self) -> PathBuf {
        self.workshop.join("target")
    }

    /// The folder that keeps the libraries.
    pub fn libraries(&self) -> PathBuf {
        self.path.join("lib")
    }

    /// Puts a file that cargo has built among the libraries; a later build does not change it.
    pub fn keep(&self, file: &Path) -> Result<PathBuf, PrepareError> {
        let keep = || {
            let folder = self.libraries();
            fs::create_dir_all(&folder)?;
            let name = file.file_name().ok_or(io::ErrorKind::InvalidInput)?;
            let kept = folder.join(name);
            let _ = fs::remove_file(&kept);
            // A link costs no room; a file system without links gets a copy.
            fs::hard_link(file, &kept).or_else(|_| fs::copy(file, &kept).map(|_| ()))?;
            Ok(kept)
        };
        keep().map_err(|error| self.failed(error))
    }

    /// What was prepared; nothing if that is not whole.
    pub fn read(&self) -> Option<Prepared> {
        let stamp = fs::read(self.path.join("prepared.json")).ok()?;
        let prepared: Prepared = serde_json::from_slice(&stamp).ok()?;
        // A cache that was cleaned by hand counts as not prepared.
        (prepared.worker.exists() && prepared.rustc.exists()).then_some(prepared)
    }

    /// Says that everything is in place: the last step, in one piece.
    pub fn write(&self, prepared: &Prepared) -> Result<(), PrepareError> {
        let write = || {
            let mut file = tempfile::NamedTempFile::new_in(&self.path)?;
            serde_json::to_writer_pretty(&mut file, prepared)?;
            file.as_file().sync_all()?;
            file.persist(self.path.join("prepared.json")).map_err(|error| error.error)?;
            Ok(())
        };
        write().map_err(|error| self.failed(error))
    }

    /// Takes the workshop for this process; waits for another that has it, after saying so.
    pub fn lock(&self, waiting: &mut dyn FnMut()) -> Result<File, PrepareError> {
        fs::create_dir_all(&self.path).map_err(|error| self.failed(error))?;
        lock(&self.workshop, waiting).map_err(|error| self.failed(error))
    }

    /// Writes the source to where cargo builds it.
    pub fn write_source(&self) -> Result<(), PrepareError> {
        source::write(&[source::CELL], &self.source()).map_err(|error| self.failed(error))
    }

    /// The error for this folder, with what to do.
    pub fn failed(&self, source: io::Error) -> PrepareError {
        unusable(&self.path, source)
    }
}

/// The error for a folder of the cache, with what to do.
pub(super) fn unusable(path: &Path, source: io::Error) -> PrepareError {
    let hint = match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            "what is built needs about 1 GB: free some, or set SCONCE_CACHE_DIR to a folder with room"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "make it writable, or set SCONCE_CACHE_DIR to a folder that is"
        }
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            "a file stands where a folder should: move it, or set SCONCE_CACHE_DIR to a folder"
        }
        _ => "mend it, or set SCONCE_CACHE_DIR to another folder",
    };
    PrepareError::Cache { path: path.to_owned(), source, hint }
}

/// Takes a folder where cargo builds for this process; waits for another that has it, after saying so.
pub(super) fn lock(workshop: &Path, waiting: &mut dyn FnMut()) -> io::Result<File> {
    fs::create_dir_all(workshop)?;
    let file = File::options().create(true).truncate(false).write(true).open(workshop.join("lock"))?;
    if file.try_lock().is_err() {
        waiting();
        file.lock()?;
    }
    Ok(file)
}
