//! From a [`Notebook`] to a file, byte for byte as Jupyter's own writer would have it.

use std::collections::HashSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::document::{CellKind, Notebook};
use super::lines;

/// Why a file could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {source}", path.display())]
pub struct WriteError {
    /// The file that was to be written; it is as it was before.
    pub path: PathBuf,
    /// What the system said.
    pub source: std::io::Error,
}

impl Notebook {
    /// The text of a notebook file: nbformat 4.5, keys sorted, indented by one, newline at the end.
    ///
    /// Cells without a valid id of their own get one that follows from their place and source, so that
    /// the same notebook always gives the same file.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut cells: Vec<Value> = Vec::with_capacity(self.cells.len());
        let mut ids = HashSet::new();
        for (index, cell) in self.cells.iter().enumerate() {
            let mut fields = cell.fields.clone();
            let id = match cell.id() {
                Some(id) if is_valid_id(id) && !ids.contains(id) => id.to_owned(),
                _ => free_id(index, cell.source(), &ids),
            };
            fields.insert("id".to_owned(), Value::from(id.as_str()));
            ids.insert(id);
            // Required by the format, and missing in some hand-made files.
            let metadata = fields.entry("metadata").or_insert_with(|| json!({}));
            if let Some(metadata) = metadata.as_object_mut() {
                metadata.shift_remove("trusted");
            }
            if cell.kind == CellKind::Code {
                fields.entry("execution_count").or_insert(Value::Null);
                fields.entry("outputs").or_insert_with(|| json!([]));
            }
            lines::split_cell(&mut fields);
            cells.push(Value::Object(fields));
        }
        let mut root = self.fields.clone();
        let minor = root.get("nbformat_minor").and_then(Value::as_u64).unwrap_or_default();
        root.insert("nbformat".to_owned(), json!(4));
        root.insert("nbformat_minor".to_owned(), json!(minor.max(5)));
        let metadata = root.entry("metadata").or_insert_with(|| json!({}));
        if let Some(metadata) = metadata.as_object_mut() {
            for transient in ["orig_nbformat", "orig_nbformat_minor", "signature"] {
                metadata.shift_remove(transient);
            }
        }
        root.insert("cells".to_owned(), Value::Array(cells));
        let mut root = Value::Object(root);
        root.sort_all_objects();
        to_indented(&root)
    }

    /// Writes the notebook to `path`, whole or not at all.
    pub fn write(&self, path: &Path) -> Result<(), WriteError> {
        write_whole(path, &self.to_text())
    }
}

/// Writes a file whole or not at all: a reader sees the old file or the new one.
pub fn write_whole(path: &Path, text: &str) -> Result<(), WriteError> {
    let written = temporary_beside(path).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    });
    written.map_err(|source| WriteError { path: path.to_owned(), source })
}

/// Whether [`write_whole`] could create a file at `path`; asked before an hour's work ends in an error.
pub fn check_writable(path: &Path) -> Result<(), WriteError> {
    let checked = match path.is_dir() {
        true => Err(std::io::Error::other("it is a folder")),
        false => temporary_beside(path).map(drop),
    };
    checked.map_err(|source| WriteError { path: path.to_owned(), source })
}

/// A file in the same folder, since a rename is atomic only within one file system.
fn temporary_beside(path: &Path) -> std::io::Result<tempfile::NamedTempFile> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".sconce-").suffix(".tmp");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // What is written is an ordinary file: the umask decides, or whoever set the mode of the file before.
        let permissions = match std::fs::metadata(path) {
            Ok(existing) => existing.permissions(),
            Err(_) => std::fs::Permissions::from_mode(0o666),
        };
        builder.permissions(permissions);
    }
    builder.tempfile_in(folder)
}

fn to_indented(value: &Value) -> String {
    let mut text = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b" ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, formatter);
    // Neither a `Value` nor a write to memory can fail.
    let _ = serde::Serialize::serialize(value, &mut serializer);
    text.push(b'\n');
    String::from_utf8_lossy(&text).into_owned()
}

/// nbformat's rule for cell ids.
fn is_valid_id(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.chars().all(|char| char.is_ascii_alphanumeric() || "-_".contains(char))
}

fn free_id(index: usize, source: &str, taken: &HashSet<String>) -> String {
    let mut hash = Sha256::new_with_prefix(index.to_le_bytes());
    hash.update(source);
    loop {
        let digest = hash.clone().finalize();
        let id: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        if !taken.contains(&id) {
            return id;
        }
        hash.update([0]);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn notebook(text: &str) -> Notebook {
        Notebook::parse(text, Path::new("x.ipynb")).unwrap()
    }

    #[test]
    fn a_file_of_jupyters_own_writer_comes_back_unchanged() {
        let text = include_str!("../../../tests/fixtures/notebooks/jupyter.ipynb");
        assert_eq!(notebook(text).to_text(), text);
    }

    #[test]
    fn numbers_keep_every_digit() {
        let numbers = "[\n   1.0,\n   1e-05,\n   -0.0,\n   0.1000,\n   1e+16,\n   5.0e-324,\n   123456789012345678901234567890\n  ]";
        let text = format!(
            "{{\n \"cells\": [],\n \"metadata\": {{\n  \"plot\": {numbers}\n }},\n \"nbformat\": 4,\n \"nbformat_minor\": 5\n}}\n"
        );
        assert_eq!(notebook(&text).to_text(), text);
    }

    #[test]
    fn an_old_file_is_brought_to_4_5() {
        let old = r#"{"nbformat": 4, "nbformat_minor": 2, "zzz": 1, "metadata": {"orig_nbformat": 3, "b": 2, "a": [1.5]},
            "cells": [{"cell_type": "code", "source": "1\n2", "extra": {"y": null, "x": "é"}},
                      {"cell_type": "markdown", "source": "", "id": "same", "metadata": {"trusted": true}},
                      {"cell_type": "raw", "source": "r", "id": "same", "metadata": {}}]}"#;
        let new = notebook(old).to_text();
        assert_eq!(new, notebook(old).to_text(), "ids do not change from run to run");
        let value: Value = serde_json::from_str(&new).unwrap();
        assert_eq!(value["nbformat_minor"], 5);
        assert_eq!(value["zzz"], 1);
        assert_eq!(value["metadata"], json!({"a": [1.5], "b": 2}));
        let ids: Vec<&str> = (0..3).map(|index| value["cells"][index]["id"].as_str().unwrap()).collect();
        assert!(ids.iter().all(|id| is_valid_id(id)), "{ids:?}");
        assert_eq!(ids[1], "same");
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 3, "{ids:?}");
        assert_eq!(value["cells"][0]["outputs"], json!([]));
        assert_eq!(value["cells"][0]["source"], json!(["1\n", "2"]));
        assert_eq!(value["cells"][0]["extra"], json!({"x": "é", "y": null}));
        assert_eq!(value["cells"][1]["metadata"], json!({}));
        assert!(new.starts_with("{\n \"cells\": [\n  {\n   \"cell_type\": \"code\""), "{new}");
        assert!(new.contains("\"é\"") && new.ends_with("}\n"));
    }

    #[test]
    fn a_failed_write_leaves_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.ipynb");
        notebook(r#"{"nbformat": 4, "cells": []}"#).write(&path).unwrap();
        let before = std::fs::read_to_string(&path).unwrap();
        let missing = folder.path().join("none").join("a.ipynb");
        assert!(check_writable(&missing).unwrap_err().to_string().contains("none"));
        assert!(check_writable(folder.path()).unwrap_err().to_string().contains("it is a folder"));
        check_writable(&path).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), before);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
    }
}
