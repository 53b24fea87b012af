//! Crates that were built for one or more `:dep` lines, and where they are kept.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// What `:dep` lines brought: one dynamic library, so that each crate's statics, pools and thread-locals are
/// there once, and what is needed to name the crates in cells.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Layer {
    /// The crate that holds the others, and its library. Nothing where the cell library had all of them, or
    /// where they are macros only.
    pub library: Option<(String, PathBuf)>,
    /// The folder of its libraries.
    pub folder: PathBuf,
    /// The crates that `:dep` names, by the name that code uses.
    pub names: BTreeMap<String, Named>,
    /// All crates by their own names, for types.
    pub crates: BTreeMap<String, PathBuf>,
    /// The packages that it has a copy of, by name and version.
    pub packages: BTreeSet<(String, String)>,
    /// It has an async runtime of its own: another tokio than the cell library's.
    pub has_runtime: bool,
    /// The folders of source that it was built from, and what was in them.
    pub sources: BTreeMap<PathBuf, u64>,
}

/// A crate that `:dep` names.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Named {
    /// Its library.
    pub path: PathBuf,
    /// Its package.
    pub package: String,
    /// Its version.
    pub version: String,
    /// Its features that are on.
    pub features: Vec<String>,
}

impl Layer {
    /// What is kept in `folder`; nothing if that is not whole.
    pub fn read(folder: &Path) -> Option<Layer> {
        let layer: Layer = serde_json::from_slice(&fs::read(stamp(folder)).ok()?).ok()?;
        layer.names.values().all(|named| named.path.exists()).then_some(layer)
    }

    /// Says that everything is in place: the last step, in one piece.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        serde_json::to_writer_pretty(&mut file, self)?;
        file.persist(stamp(folder)).map_err(|error| error.error)?;
        Ok(())
    }

    /// The folder of a crate whose source is not what it was built from any more.
    pub fn changed_source(&self) -> Option<&Path> {
        let changed =
            |(folder, known): &(&PathBuf, &u64)| fingerprint(folder).is_ok_and(|now| now != **known);
        self.sources.iter().find(changed).map(|(folder, _)| folder.as_path())
    }
}

fn stamp(folder: &Path) -> PathBuf {
    folder.join("layer.json")
}

/// Tells the content of a folder of source from any other. What cargo builds there and hidden files do not
/// count.
pub fn fingerprint(folder: &Path) -> io::Result<u64> {
    let mut files = Vec::new();
    collect(folder, &mut files)?;
    files.sort();
    let mut hash = DefaultHasher::new();
    for file in files {
        hash.write(file.strip_prefix(folder).unwrap_or(&file).to_string_lossy().as_bytes());
        hash.write(&fs::read(&file)?);
    }
    Ok(hash.finish())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == "target" || name.to_string_lossy().starts_with('.') {
            continue;
        }
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), files)?;
        } else if entry.path().is_file() {
            files.push(entry.path());
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_of_source_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        fs::create_dir(path.join("target")).unwrap();
        fs::write(path.join("lib.rs"), "a").unwrap();
        let first = fingerprint(path).unwrap();
        fs::write(path.join("target/x"), "built").unwrap();
        fs::write(path.join(".hidden"), "x").unwrap();
        assert_eq!(fingerprint(path).unwrap(), first);
        fs::write(path.join("lib.rs"), "b").unwrap();
        assert_ne!(fingerprint(path).unwrap(), first);
    }
}
