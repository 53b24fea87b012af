//! The file, and the one beside it that large models need.

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;

use prost::Message;

use super::proto::{Element, ModelProto, StringStringEntryProto, TensorProto, ValueInfoProto};
use crate::{Result, atomic_file};

/// Bytes that a file may have: messages of 2 GiB cannot be read.
pub(super) const LARGEST: u64 = 2_000_000_000;
/// Bytes of a tensor from which on it is worth a place in another file. Shapes are inferred from small ones.
const WORTH: usize = 1024;
/// Tensors begin at multiples of this, so that they can be mapped into memory.
const PAGE: u64 = 4096;

/// Writes the model, its weights into another file if there are more bytes than `external_above`. Gives the bytes of
/// both.
pub(super) fn write(mut model: ModelProto, path: &Path, external_above: u64) -> Result<u64> {
    let mut beside = 0;
    if model.encoded_len() as u64 > external_above.min(LARGEST) {
        beside = write_beside(&mut model, path)?;
    }
    let bytes = model.encode_to_vec();
    atomic_file::write(path, &bytes)?;
    Ok(bytes.len() as u64 + beside)
}

fn write_beside(model: &mut ModelProto, path: &Path) -> Result<u64> {
    let mut name = path.file_name().map_or_else(|| OsString::from("model.onnx"), OsString::from);
    name.push(".data");
    let beside = path.with_file_name(&name);
    let tensors = model.graph.iter_mut().flat_map(|graph| &mut graph.initializer);
    let moved: Vec<&mut TensorProto> = tensors.filter(|tensor| is_moved(tensor)).collect();
    let mut at = 0;
    let mut offsets = Vec::with_capacity(moved.len());
    for tensor in &moved {
        offsets.push(at);
        at = (at + tensor.raw_data.len() as u64).next_multiple_of(PAGE);
    }
    let bytes = match (moved.last(), offsets.last()) {
        (Some(tensor), Some(offset)) => offset + tensor.raw_data.len() as u64,
        _ => 0,
    };
    atomic_file::write_with(&beside, |file| {
        let mut written = 0;
        for (tensor, &offset) in moved.iter().zip(&offsets) {
            file.write_all(&vec![0; (offset - written) as usize])?;
            file.write_all(&tensor.raw_data)?;
            written = offset + tensor.raw_data.len() as u64;
        }
        Ok(())
    })?;
    let location = name.to_string_lossy();
    for (tensor, offset) in moved.into_iter().zip(offsets) {
        let length = tensor.raw_data.len();
        let entries = [
            ("location", location.to_string()),
            ("offset", offset.to_string()),
            ("length", length.to_string()),
        ];
        let entry = |(key, value): (&str, String)| StringStringEntryProto { key: key.into(), value };
        tensor.external_data = entries.map(entry).to_vec();
        tensor.data_location = 1;
        tensor.raw_data = Vec::new();
    }
    Ok(bytes)
}

fn is_moved(tensor: &TensorProto) -> bool {
    tensor.raw_data.len() >= WORTH && tensor.data_type != Element::I64 as i32
}

/// What goes in or out, as text: `input f32 (batch, 3, 32, 32)`.
pub(super) fn ports(ports: &[ValueInfoProto]) -> Vec<String> {
    let port = |port: &ValueInfoProto| {
        let tensor = port.kind.as_ref().and_then(|kind| kind.tensor.as_ref());
        let shape = tensor.and_then(|tensor| tensor.shape.as_ref());
        let dims = shape.into_iter().flat_map(|shape| &shape.dim).map(|dim| match (dim.value, &dim.name) {
            (Some(length), _) => length.to_string(),
            (None, Some(name)) => name.clone(),
            (None, None) => "?".into(),
        });
        format!("{} f32 ({})", port.name, dims.collect::<Vec<_>>().join(", "))
    };
    ports.iter().map(port).collect()
}
