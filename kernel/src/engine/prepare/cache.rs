use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::{PrepareError, Prepared, Toolchain};

/// The source of the cell library, by path.
const SOURCE: &[(&str, &[u8])] = &include!(concat!(env!("OUT_DIR"), "/source.in"));

/// The versions of all crates that the cell library is made of.
pub(in super::super) fn lock_file() -> &'static [u8] {
    SOURCE.iter().find(|(name, _)| *name == "Cargo.lock").map_or(&[], |(_, content)| content)
}

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
        let name = format!(
            "{}-{}-{}",
            env!("CARGO_PKG_VERSION"),
            env!("SCONCE_SOURCE_HASH"),
            toolchain.fingerprint()
        );
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
        let mut take = || {
            fs::create_dir_all(&self.path)?;
            fs::create_dir_all(&self.workshop)?;
            let lock = self.workshop.join("lock");
            let file = File::options().create(true).truncate(false).write(true).open(lock)?;
            if file.try_lock().is_err() {
                waiting();
                file.lock()?;
            }
            Ok(file)
        };
        take().map_err(|error| self.failed(error))
    }

    /// Writes the source. Files that are right stay as they are, so that cargo sees them unchanged.
    pub fn write_source(&self) -> Result<(), PrepareError> {
        let root = self.source();
        let write = || {
            for (name, content) in SOURCE {
                let path = root.join(name);
                if fs::read(&path).is_ok_and(|known| known == *content) {
                    continue;
                }
                if let Some(folder) = path.parent() {
                    fs::create_dir_all(folder)?;
                }
                let mut file = File::create(&path)?;
                file.write_all(content)?;
            }
            remove_strangers(&root, &root)
        };
        write().map_err(|error| self.failed(error))
    }

    /// The error for this folder, with what to do.
    pub fn failed(&self, source: io::Error) -> PrepareError {
        let hint = match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                "the cell library needs about 1 GB: free some, or set SCONCE_CACHE_DIR to a folder with room"
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                "make it writable, or set SCONCE_CACHE_DIR to a folder that is"
            }
            io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
                "a file stands where a folder should: move it, or set SCONCE_CACHE_DIR to a folder"
            }
            _ => "mend it, or set SCONCE_CACHE_DIR to another folder",
        };
        PrepareError::Cache { path: self.path.clone(), source, hint }
    }
}

/// Removes files that an older source had and this one has not: cargo would build them.
fn remove_strangers(root: &Path, folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            remove_strangers(root, &path)?;
        } else {
            let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
            if name != "Cargo.lock" && !SOURCE.iter().any(|(known, _)| *known == name) {
                fs::remove_file(&path)?;
            }
        }
    }
    Ok(())
}
