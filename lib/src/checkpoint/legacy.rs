//! `torch.save` before PyTorch 1.6: one pickle after the other (a magic number, the version, the machine, the
//! object, the keys of the storages), then each storage, its number of values before it.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use super::state_dict::{self, Found, Place};
use super::{Block, Checkpoint, Format, MOST_DESCRIPTION, wrong};
use crate::pickle::{self, Pickle, Value, Vocabulary};
use crate::{Error, Result};

/// The pickle of the number that such a file begins with.
pub(super) const MAGIC: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";

pub(super) fn open(path: &Path, mut file: File, size: u64) -> Result<Checkpoint> {
    let refused = |got: String| wrong(path, "what `torch.save` wrote", got);
    let io = |source| Error::Io { op: "read", path: path.to_owned(), source };
    let mut bytes = Vec::new();
    file.by_ref().take(MOST_DESCRIPTION.min(size)).read_to_end(&mut bytes).map_err(io)?;
    let mut at = MAGIC.len();
    let mut next = || -> Result<Pickle> {
        let rest = bytes.get(at..).unwrap_or_default();
        let pickle =
            pickle::read(rest, Vocabulary::PyTorch).map_err(|problem| state_dict::refused(path, problem))?;
        at += pickle.length;
        Ok(pickle)
    };
    let version = next()?.root;
    if !matches!(version, Value::Int(1001)) {
        return Err(refused(format!("the version {version:?} instead of 1001")));
    }
    let machine = next()?;
    let swapped = match machine.get(&machine.root, "little_endian") {
        None | Some(Value::Int(1)) => false,
        Some(_) => true,
    };
    let object = next()?;
    let keys = next()?;
    let Some(keys) = keys.texts(&keys.root) else {
        return Err(refused("no list of storages".into()));
    };
    let dtypes: HashMap<&[u8], _> =
        object.storages().iter().map(|storage| (&*storage.key, storage.dtype)).collect();
    let mut blocks = HashMap::new();
    let mut at = at as u64;
    for key in keys {
        let storage = |problem: String| refused(format!("storage {key:?} {problem}"));
        let dtype = *dtypes.get(key.as_bytes()).ok_or_else(|| storage("that no tensor has".into()))?;
        file.seek(SeekFrom::Start(at)).map_err(io)?;
        let mut count = [0; 8];
        file.read_exact(&mut count).map_err(|_| storage("that is not there: the file ends".into()))?;
        let count = if swapped { u64::from_be_bytes(count) } else { u64::from_le_bytes(count) };
        let length = count.checked_mul(dtype.bitsize() as u64 / 8);
        let end = length.and_then(|length| length.checked_add(at + 8));
        let (Some(length), Some(end)) = (length, end.filter(|&end| end <= size)) else {
            return Err(storage(format!("of {count} values of type {dtype}: the file ends before")));
        };
        blocks.insert(key.into_bytes(), Block { at: at + 8, length, crc32: None });
        at = end;
    }
    let place = |storage: &pickle::Storage| {
        let block = blocks.get(&*storage.key).cloned();
        block
            .map(|block| Place { block, offset: storage.offset })
            .ok_or_else(|| format!("no storage {:?}", String::from_utf8_lossy(&storage.key)))
    };
    let Found { tensors, others, part, blocks } = state_dict::find(path, &object, &place)?;
    Ok(Checkpoint {
        path: path.to_owned(),
        format: Format::PyTorchLegacy,
        part,
        prefix: String::new(),
        tensors,
        others,
        metadata: BTreeMap::new(),
        blocks,
        swapped,
    })
}
