//! Safetensors files that are whole or not there: weights of models, states of optimizers.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use crate::ops::shape_text;
use crate::{Error, Result, atomic_file};

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
    atomic_file::write(path, &bytes(path, entries, metadata)?)
}

/// What a file of tensors and one metadata entry holds.
pub(crate) fn bytes(path: &Path, entries: &[Entry], metadata: (&str, String)) -> Result<Vec<u8>> {
    let views = entries.iter().map(|entry| {
        let view = TensorView::new(entry.dtype, entry.shape.to_vec(), &entry.bytes)?;
        Ok((entry.name.as_str(), view))
    });
    let written = views.collect::<std::result::Result<Vec<_>, _>>().and_then(|views| {
        // One entry only: several would be written in another order each time.
        let metadata = HashMap::from([(metadata.0.to_owned(), metadata.1)]);
        safetensors::serialize(views, Some(metadata))
    });
    written.map_err(|error| Error::Format {
        path: path.to_owned(),
        expected: "tensors that safetensors can hold".into(),
        got: error.to_string(),
        hint: String::new(),
    })
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
