//! Which notebooks the paths on the command line mean.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::cli::CliError;
use crate::notebook::{Notebook, ReadError};

/// A notebook to work on.
pub struct Source {
    /// The path as a person would type it.
    pub path: PathBuf,
    /// Its place below the folder that was named; only its name, if it was named itself.
    pub below: PathBuf,
    pub notebook: Notebook,
}

/// Notebooks of other kernels that lay in a folder and are passed over.
pub struct PassedOver {
    pub reason: ReadError,
}

/// Reads all notebooks that `paths` name: files, and all in folders and the folders below them.
///
/// In folders, hidden folders (with them `.ipynb_checkpoints`) and what `sconce run` has written,
/// `*.out.ipynb`, are left out; a notebook that is named twice is there once.
pub fn find(paths: &[PathBuf]) -> Result<(Vec<Source>, Vec<PassedOver>), CliError> {
    let mut sources = Vec::new();
    let mut passed_over = Vec::new();
    let mut seen = HashSet::new();
    for named in paths {
        if !named.is_dir() {
            let notebook = Notebook::read(named)?;
            if seen.insert(identity(named)) {
                let below = named.file_name().map(PathBuf::from).unwrap_or_default();
                sources.push(Source { path: named.clone(), below, notebook });
            }
            continue;
        }
        let found = in_folder(named)?;
        if found.is_empty() {
            let message = format!("the folder {} holds no notebooks", named.display());
            return Err(CliError::new(message).help(
                "name notebook files (*.ipynb), or a folder with some; hidden folders and *.out.ipynb do not count",
            ));
        }
        for path in found {
            if !seen.insert(identity(&path)) {
                continue;
            }
            match Notebook::read(&path) {
                Ok(notebook) => {
                    let below = path.strip_prefix(named).unwrap_or(&path).to_owned();
                    sources.push(Source { path, below, notebook });
                }
                Err(reason @ ReadError::OtherKernel { .. }) => passed_over.push(PassedOver { reason }),
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok((sources, passed_over))
}

/// What is the same for two paths to one file.
fn identity(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// The notebook files below a folder, in the order of their names.
fn in_folder(folder: &Path) -> Result<Vec<PathBuf>, CliError> {
    let unreadable = |error: std::io::Error| {
        CliError::new(format!("cannot read the folder {}: {error}", folder.display()))
            .help("name the notebooks themselves, or make the folder readable")
    };
    let entries = std::fs::read_dir(folder).map_err(unreadable)?;
    let mut entries = entries.collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    let mut found = Vec::new();
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        // Not the type behind a link: a link to a folder above would never end.
        if entry.file_type().map_err(unreadable)?.is_dir() {
            if !name.starts_with('.') {
                found.extend(in_folder(&entry.path())?);
            }
        } else if name.ends_with(".ipynb") && !name.ends_with(".out.ipynb") && !entry.path().is_dir() {
            found.push(entry.path());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::fs;

    const RUST: &str = r#"{"nbformat": 4, "cells": []}"#;
    const PYTHON: &str = r#"{"nbformat": 4, "cells": [], "metadata": {"kernelspec": {"name": "python3", "language": "python"}}}"#;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    #[test]
    fn a_folder_means_all_notebooks_below_it_once() {
        let folder = folder(&[
            ("b.ipynb", RUST),
            ("a/x.ipynb", RUST),
            ("a/x.out.ipynb", RUST),
            ("a/.ipynb_checkpoints/x-checkpoint.ipynb", RUST),
            ("a/notes.txt", "no notebook"),
            ("python.ipynb", PYTHON),
        ]);
        #[cfg(unix)]
        std::os::unix::fs::symlink(folder.path(), folder.path().join("a/loop")).unwrap();
        let again = folder.path().join("a/../b.ipynb");
        let (sources, passed_over) = find(&[folder.path().to_owned(), again]).unwrap();
        let below: Vec<_> = sources.iter().map(|source| source.below.as_path()).collect();
        assert_eq!(below, [Path::new("a/x.ipynb"), Path::new("b.ipynb")]);
        assert_eq!(passed_over.len(), 1);
        assert!(passed_over[0].reason.to_string().contains("python3"));
    }

    #[test]
    fn what_is_named_itself_must_be_a_rust_notebook() {
        let folder = folder(&[("python.ipynb", PYTHON), ("empty/notes.txt", "")]);
        assert!(find(&[folder.path().join("python.ipynb")]).is_err());
        assert!(find(&[folder.path().join("empty")]).is_err());
        assert!(find(&[folder.path().join("none.ipynb")]).is_err());
    }
}
