//! `torch.save` since PyTorch 1.6: a zip archive that holds nothing compressed: `NAME/data.pkl`, a pickle of
//! everything but the values; `NAME/data/KEY`, a storage each; `NAME/byteorder`.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::Path;

use zip::{CompressionMethod, ZipArchive};

use super::state_dict::{self, Found, Place};
use super::{Block, Checkpoint, Format, MOST_DESCRIPTION, wrong};
use crate::pickle::{self, Vocabulary};
use crate::{Error, Result};

/// An entry of the archive.
struct Entry {
    block: Block,
    index: usize,
}

pub(super) fn open(path: &Path, file: File, size: u64) -> Result<Checkpoint> {
    let refused = |got: String| wrong(path, "an archive of `torch.save`", got);
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|error| refused(error.to_string()))?;
    if archive.file_names_raw().any(|name| name.ends_with(b"/constants.pkl")) {
        return Err(Error::Format {
            path: path.to_owned(),
            expected: "a state dict".into(),
            got: "a TorchScript program".into(),
            hint: "In Python, `torch.save(torch.jit.load(file).state_dict(), other)` writes its weights."
                .into(),
        });
    }
    let mut entries = HashMap::new();
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).map_err(|error| refused(error.to_string()))?;
        let name = entry.name().map_err(|error| refused(error.to_string()))?.into_owned();
        if entry.enclosed_name().is_none() {
            return Err(refused(format!("an entry {name:?}, which leads out of the archive")));
        }
        let (Some(at), length) = (entry.data_start(), entry.size()) else {
            return Err(refused(format!("an entry {name:?} without a place")));
        };
        if entry.compression() != CompressionMethod::Stored
            || entry.compressed_size() != length
            || entry.encrypted()
        {
            return Err(refused(format!(
                "an entry {name:?} that is compressed or encrypted, as PyTorch never does"
            )));
        }
        if at.checked_add(length).is_none_or(|end| end > size) {
            return Err(refused(format!("an entry {name:?} of {length} bytes that goes beyond the end")));
        }
        let block = Block { at, length, crc32: Some(entry.crc32()) };
        entries.insert(name, Entry { block, index });
    }
    let mut folders = entries.keys().filter_map(|name| name.strip_suffix("/data.pkl"));
    let folder = match (folders.next(), folders.next()) {
        (Some(folder), None) => folder.to_owned(),
        _ => return Err(refused("an archive without one `data.pkl` in one folder".into())),
    };
    let mut read = |name: &str| -> Result<Option<Vec<u8>>> {
        let Some(entry) = entries.get(&format!("{folder}/{name}")) else { return Ok(None) };
        if entry.block.length > MOST_DESCRIPTION {
            return Err(refused(format!("{} bytes of {name}", entry.block.length)));
        }
        let mut bytes = Vec::new();
        let mut entry = archive.by_index(entry.index).map_err(|error| refused(error.to_string()))?;
        entry.read_to_end(&mut bytes).map_err(|error| refused(format!("a damaged {name}: {error}")))?;
        Ok(Some(bytes))
    };
    let swapped = match read("byteorder")?.as_deref().map(<[u8]>::trim_ascii) {
        None | Some(b"little") => false,
        Some(b"big") => true,
        Some(other) => return Err(refused(format!("the byte order {:?}", other.escape_ascii().to_string()))),
    };
    let bytes = read("data.pkl")?.unwrap_or_default();
    let pickle =
        pickle::read(&bytes, Vocabulary::PyTorch).map_err(|problem| state_dict::refused(path, problem))?;
    let place = |storage: &pickle::Storage| {
        let name = format!("{folder}/data/{}", String::from_utf8_lossy(&storage.key));
        let block = entries.get(&name).map(|entry| entry.block.clone());
        block.map(|block| Place { block, offset: 0 }).ok_or_else(|| format!("no entry {name:?}"))
    };
    let Found { tensors, others, part, blocks } = state_dict::find(path, &pickle, &place)?;
    Ok(Checkpoint {
        path: path.to_owned(),
        format: Format::PyTorchZip,
        part,
        prefix: String::new(),
        tensors,
        others,
        metadata: BTreeMap::new(),
        blocks,
        swapped,
    })
}
