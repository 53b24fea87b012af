//! Safetensors files that are whole or not there: weights of models, states of optimizers.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use crate::ops::shape_text;
use crate::{Error, Result};

/// A tensor on its way into a file.
pub(crate) struct Entry<'a> {
    pub(crate) name: String,
    pub(crate) dtype: Dtype,
    pub(crate) shape: &'a [usize],
    /// The values, least significant byte first.
    pub(crate) bytes: Vec<u8>,
}

/// Writes tensors and one metadata entry, key and value. What was there before stays until all is written.
pub(crate) fn write(path: &Path, entries: &[Entry], metadata: (&str, String)) -> Result<()> {
    let views = entries.iter().map(|entry| {
        let view = TensorView::new(entry.dtype, entry.shape.to_vec(), &entry.bytes)?;
        Ok((entry.name.as_str(), view))
    });
    let written = views.collect::<std::result::Result<Vec<_>, _>>().and_then(|views| {
        // One entry only: several would be written in another order each time.
        let metadata = HashMap::from([(metadata.0.to_owned(), metadata.1)]);
        safetensors::serialize(views, Some(metadata))
    });
    let file = written.map_err(|error| Error::Format {
        path: path.to_owned(),
        expected: "tensors that safetensors can hold".into(),
        got: error.to_string(),
        hint: String::new(),
    })?;
    write_whole(path, &file).map_err(|source| Error::Io { op: "write", path: path.to_owned(), source })
}

/// The bytes of a file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|source| Error::Io { op: "read", path: path.to_owned(), source })
}

/// The tensors in a file's bytes.
pub(crate) fn parse<'a>(path: &Path, bytes: &'a [u8]) -> Result<SafeTensors<'a>> {
    SafeTensors::deserialize(bytes).map_err(|error| not_safetensors(path, &error.to_string()))
}

/// What stands under `key` in the metadata of a file's bytes.
pub(crate) fn metadata(path: &Path, bytes: &[u8], key: &str) -> Result<Option<String>> {
    let (_, metadata) =
        SafeTensors::read_metadata(bytes).map_err(|error| not_safetensors(path, &error.to_string()))?;
    Ok(metadata.metadata().as_ref().and_then(|entries| entries.get(key).cloned()))
}

fn not_safetensors(path: &Path, problem: &str) -> Error {
    Error::Format {
        path: path.to_owned(),
        expected: "a safetensors file".into(),
        got: problem.to_owned(),
        hint: "The file is damaged, was cut off, or is of another format; save it again.".into(),
    }
}

/// Shape and type of a tensor, as the errors write them.
pub(crate) fn kind(shape: &[usize], dtype: &str) -> String {
    format!("{dtype} {}", shape_text(shape))
}

/// Names in an error: the first of them, and how many more there are.
pub(crate) fn list(what: &str, names: &[String]) -> String {
    const SHOWN: usize = 12;
    let shown = names[..names.len().min(SHOWN)].join(", ");
    let more = names.len().saturating_sub(SHOWN);
    if more == 0 { format!("{what} {shown}") } else { format!("{what} {shown} and {more} more") }
}

/// All that is wrong with a set of tensors, each list after what its names are; `None` if nothing is.
pub(crate) fn problems(lists: [(&str, Vec<String>); 3]) -> Option<String> {
    let problems: Vec<String> = lists
        .into_iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(what, names)| list(what, &names))
        .collect();
    (!problems.is_empty()).then(|| problems.join("; "))
}

/// Writes a file beside its place, brings it to the disk and moves it there, so that nobody ever sees
/// half of it.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let name = path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no file name"))?;
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    let mut temporary = std::ffi::OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".{}-{}.tmp", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
    let temporary = folder.join(temporary);
    let mut file = OpenOptions::new().write(true).create_new(true).open(&temporary)?;
    let moved =
        file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| fs::rename(&temporary, path));
    if let Err(error) = moved {
        // What counts is the first error; a leftover temporary file does no harm.
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    // The move itself is only certain once the folder is on the disk. Not every system can open one.
    if let Ok(folder) = File::open(&folder) {
        let _ = folder.sync_all();
    }
    Ok(())
}
