//! Safetensors: the length of the header, the header in JSON, the values.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use safetensors::tensor::{Metadata, TensorInfo};

use super::{
    Block, Checkpoint, Format, MOST_DESCRIPTION, StoredTensor, TRAINED_MODEL, TRAINING, damaged, wrong,
};
use crate::{Error, Result};

/// Of the length before the header.
const LENGTH: u64 = 8;

pub(super) fn open(path: &Path, mut file: File, size: u64, start: &[u8]) -> Result<Checkpoint> {
    let refused = |got: String| wrong(path, "a file of safetensors or of `torch.save`", got);
    let io = |source| Error::Io { op: "read", path: path.to_owned(), source };
    if let Some(kind) = known_as(start) {
        return Err(refused(kind.into()));
    }
    let mut length = [0; LENGTH as usize];
    file.read_exact(&mut length).map_err(|_| refused(format!("{size} bytes")))?;
    let length = u64::from_le_bytes(length);
    if length > MOST_DESCRIPTION || length > size.saturating_sub(LENGTH) {
        return Err(refused(format!("{size} bytes that begin as no such file does, or a part of one")));
    }
    let mut header = Vec::new();
    file.take(length).read_to_end(&mut header).map_err(io)?;
    let header: Metadata = serde_json::from_slice(&header)
        .map_err(|error| refused(format!("a header that cannot be read: {error}")))?;
    let data = size - LENGTH - length;
    let mut infos: Vec<(String, TensorInfo)> =
        header.tensors().into_iter().map(|(name, info)| (name, info.clone())).collect();
    infos.sort_by(|(a, first), (b, second)| (first.data_offsets, a).cmp(&(second.data_offsets, b)));
    let (mut tensors, mut blocks, mut end) = (Vec::new(), Vec::new(), 0);
    for (name, info) in infos {
        let (from, to) = (info.data_offsets.0 as u64, info.data_offsets.1 as u64);
        let values = info.shape.iter().try_fold(1_usize, |values, &side| values.checked_mul(side));
        let bits = values.and_then(|values| values.checked_mul(info.dtype.bitsize()));
        // Values follow each other without holes, so that nothing hides between them.
        if from != end || to < from || to > data || bits.map(|bits| bits as u64) != (to - from).checked_mul(8)
        {
            let place = format!("{:?} of type {} in bytes {from} to {to} of {data}", info.shape, info.dtype);
            return Err(damaged(path, &name, place));
        }
        end = to;
        let mut strides = vec![1_usize; info.shape.len()];
        for axis in (1..strides.len()).rev() {
            // Where a side is 0, the others may be anything.
            strides[axis - 1] = strides[axis].wrapping_mul(info.shape[axis]);
        }
        blocks.push(Block { at: LENGTH + length + from, length: to - from, crc32: None });
        let (block, shape) = (blocks.len() - 1, info.shape);
        tensors.push(StoredTensor { name, dtype: info.dtype, shape, block, offset: 0, strides });
    }
    if end != data {
        return Err(refused(format!("{data} bytes of values where the header speaks of {end}")));
    }
    let of_training = header.metadata().as_ref().is_some_and(|entries| entries.contains_key(TRAINING));
    if of_training {
        tensors.retain_mut(|tensor| match tensor.name.strip_prefix(TRAINED_MODEL) {
            Some(name) => {
                tensor.name = name.to_owned();
                true
            }
            None => false,
        });
    }
    let metadata =
        header.metadata().iter().flatten().map(|(key, text)| (key.clone(), text.clone())).collect();
    Ok(Checkpoint {
        path: path.to_owned(),
        format: Format::SafeTensors,
        part: of_training.then(|| "model".into()),
        prefix: String::new(),
        tensors,
        others: Vec::new(),
        metadata,
        blocks,
        swapped: false,
    })
}

/// What people try by mistake.
fn known_as(start: &[u8]) -> Option<&'static str> {
    let tar = start.windows(6).any(|bytes| bytes == b"ustar\0");
    Some(match start {
        [] => "an empty file",
        [0x80, 2..=5, ..] => "a pickle without PyTorch's magic number, which no tensors lie behind",
        [0x89, b'H', b'D', b'F', ..] => "an HDF5 file, as Keras writes them",
        [0x1f, 0x8b, ..] => "a gzipped file; unpack it first",
        [b'<', ..] => "a page of HTML, perhaps the answer of a server that wanted a login",
        b"version https://git-lfs.github.c" => {
            "a pointer of Git LFS; fetch the file itself with `git lfs pull`"
        }
        _ if tar => "a tar archive; unpack it first",
        _ => return None,
    })
}
