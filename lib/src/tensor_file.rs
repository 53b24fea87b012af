//! Safetensors files that are whole or not there: weights of models, states of optimizers.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use candle_core::{DType, Tensor};
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

/// The values of a tensor, least significant byte first, and their type in a file; `None` for a type that is not written:
/// all but F32, F64, U32, I64 and U8.
pub(crate) fn values(tensor: &Tensor) -> Result<Option<(Dtype, Vec<u8>)>> {
    let flat = tensor.flatten_all()?;
    Ok(Some(match tensor.dtype() {
        DType::F32 => (Dtype::F32, of_f32(&flat.to_vec1()?)),
        DType::F64 => (Dtype::F64, of_f64(&flat.to_vec1()?)),
        DType::U32 => (Dtype::U32, flat.to_vec1::<u32>()?.into_iter().flat_map(u32::to_le_bytes).collect()),
        DType::I64 => (Dtype::I64, flat.to_vec1::<i64>()?.into_iter().flat_map(i64::to_le_bytes).collect()),
        DType::U8 => (Dtype::U8, flat.to_vec1::<u8>()?),
        _ => return Ok(None),
    }))
}

/// Numbers, least significant byte first.
pub(crate) fn of_f32(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// Numbers, least significant byte first.
pub(crate) fn of_f64(values: &[f64]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// Writes tensors and one metadata entry, key and value. What was there before stays until all is written.
pub(crate) fn write(path: &Path, entries: &[Entry], metadata: (&str, String)) -> Result<()> {
    atomic_file::write(path, &bytes(path, entries, &[metadata])?)
}

/// What a file of tensors and metadata holds, the same bytes each time.
pub(crate) fn bytes(path: &Path, entries: &[Entry], metadata: &[(&str, String)]) -> Result<Vec<u8>> {
    let views = entries.iter().map(|entry| {
        let view = TensorView::new(entry.dtype, entry.shape.to_vec(), &entry.bytes)?;
        Ok((entry.name.as_str(), view))
    });
    let written = views
        .collect::<std::result::Result<Vec<_>, _>>()
        .and_then(|views| safetensors::serialize(views, None));
    let refused = |problem: String| Error::Format {
        path: path.to_owned(),
        expected: "tensors that safetensors can hold".into(),
        got: problem,
        hint: String::new(),
    };
    let written = written.map_err(|error| refused(error.to_string()))?;
    with_metadata(&written, metadata).ok_or_else(|| refused("a header that cannot be written".into()))
}

/// The same tensors with metadata in an order of its own: the crate's would be another each time.
fn with_metadata(written: &[u8], metadata: &[(&str, String)]) -> Option<Vec<u8>> {
    let (length, rest) = written.split_first_chunk::<8>()?;
    let (header, values) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    let mut header: BTreeMap<String, serde_json::Value> = serde_json::from_slice(header).ok()?;
    let entries: BTreeMap<&str, &String> = metadata.iter().map(|(key, value)| (*key, value)).collect();
    header.insert("__metadata__".into(), serde_json::to_value(entries).ok()?);
    let mut header = serde_json::to_vec(&header).ok()?;
    // Values begin at a multiple of 8.
    header.resize(header.len().next_multiple_of(8), b' ');
    Some([&(header.len() as u64).to_le_bytes(), header.as_slice(), values].concat())
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
