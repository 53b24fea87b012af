//! The tensors of a pickled checkpoint.

use std::collections::HashMap;
use std::path::Path;

use super::{Block, OtherEntry, StoredTensor, damaged, wrong};
use crate::pickle::{self, Pickle, Value};
use crate::{Error, Result};

/// Where training scripts put the state dict beside other things, the likeliest first.
const PARTS: [&str; 8] =
    ["state_dict", "model_state_dict", "model", "model_state", "net", "network", "weights", "params"];
/// A state dict lies no deeper than this.
const DEEPEST: usize = 3;
/// Characters of a value that is listed.
const SHOWN: usize = 60;

/// Where a storage lies: in which part of the file, and where in it, counted in values.
pub(super) struct Place {
    pub(super) block: Block,
    pub(super) offset: usize,
}

/// What a pickle has.
pub(super) struct Found {
    pub(super) tensors: Vec<StoredTensor>,
    pub(super) others: Vec<OtherEntry>,
    pub(super) part: Option<String>,
    pub(super) blocks: Vec<Block>,
}

/// The error of a pickle that cannot be read.
pub(super) fn refused(path: &Path, problem: String) -> Error {
    let hint = if problem.contains("nothing of a file is run") {
        "It holds more than weights. In Python, `torch.save(model.state_dict(), file)` writes them alone."
    } else {
        "The file is damaged, was cut off, or is of another format; save or fetch it again."
    };
    Error::Format {
        path: path.to_owned(),
        expected: "a pickled dict of tensors".into(),
        got: problem,
        hint: hint.into(),
    }
}

/// The tensors of the state dict, wherever it lies; `place` knows where storages are.
pub(super) fn find(
    path: &Path,
    pickle: &Pickle,
    place: &dyn Fn(&pickle::Storage) -> Result<Place, String>,
) -> Result<Found> {
    let (mut dict, mut parts, mut others) = (&pickle.root, Vec::new(), Vec::new());
    while !has_tensors(pickle, dict) {
        let inner = (parts.len() < DEEPEST).then(|| inner(pickle, dict)).flatten();
        let Some((part, inner)) = inner else {
            return Err(wrong(path, "a dict of tensors", described(pickle, &pickle.root)));
        };
        let beside = pickle.entries(dict).unwrap_or_default().iter();
        let beside = beside.filter(|[key, _]| key.text().as_deref() != Some(part.as_str()));
        others.extend(beside.map(|[key, value]| other(pickle, key, value)));
        parts.push(part);
        dict = inner;
    }
    let mut found = Found { tensors: Vec::new(), others, part: None, blocks: Vec::new() };
    let mut known_blocks: HashMap<(u64, u64), usize> = HashMap::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for [key, value] in pickle.entries(dict).unwrap_or_default() {
        let (Some(name), Some((tensor, storage))) = (key.text(), pickle.tensor(value)) else {
            found.others.push(other(pickle, key, value));
            continue;
        };
        let wrong = |problem: String| damaged(path, &name, problem);
        let Place { block, offset } = place(storage).map_err(wrong)?;
        let width = storage.dtype.bitsize() as u64 / 8;
        let count = usize::try_from(block.length / width).unwrap_or(usize::MAX);
        if block.length % width != 0 || offset.checked_add(storage.count).is_none_or(|end| end > count) {
            let (wanted, bytes) = (storage.count, block.length);
            let wanted = format!("a storage of {bytes} bytes instead of {wanted} values of {width}");
            return Err(wrong(wanted));
        }
        let index = *known_blocks.entry((block.at, block.length)).or_insert_with(|| {
            found.blocks.push(block);
            found.blocks.len() - 1
        });
        let tensor = StoredTensor {
            name: name.clone(),
            dtype: storage.dtype,
            shape: tensor.shape.clone(),
            block: index,
            offset: offset.saturating_add(tensor.offset),
            strides: tensor.strides.clone(),
        };
        tensor.check(offset + storage.count).map_err(wrong)?;
        // A key that comes again replaces the first one, as in Python.
        match places.get(&name) {
            Some(&at) => found.tensors[at] = tensor,
            None => {
                places.insert(name, found.tensors.len());
                found.tensors.push(tensor);
            }
        }
    }
    found.part = (!parts.is_empty()).then(|| parts.join("."));
    Ok(found)
}

fn has_tensors(pickle: &Pickle, dict: &Value) -> bool {
    let entries = pickle.entries(dict).unwrap_or_default();
    entries.iter().any(|[_, value]| matches!(value, Value::Tensor(_)))
}

/// The dict in a dict that is most likely the state dict, or leads to it.
fn inner<'a>(pickle: &'a Pickle, dict: &Value) -> Option<(String, &'a Value)> {
    let entries = pickle.entries(dict)?;
    let dicts = || {
        entries.iter().filter_map(|[key, value]| {
            let name = key.text().filter(|_| matches!(value, Value::Dict(_)))?;
            Some((name, value))
        })
    };
    let named = PARTS.iter().find_map(|&part| dicts().find(|(name, _)| name == part));
    named.or_else(|| {
        // Without such a name, only if there is no choice.
        let mut full = dicts().filter(|(_, value)| has_tensors(pickle, value));
        full.next().filter(|_| full.next().is_none())
    })
}

fn other(pickle: &Pickle, key: &Value, value: &Value) -> OtherEntry {
    OtherEntry { name: key.text().unwrap_or_else(|| described(pickle, key)), what: described(pickle, value) }
}

/// A value in a few words.
fn described(pickle: &Pickle, value: &Value) -> String {
    let cut = |text: String| {
        if text.chars().count() > SHOWN { text.chars().take(SHOWN).chain(['…']).collect() } else { text }
    };
    match value {
        Value::None => "None".into(),
        Value::Int(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Bytes(_) => cut(format!("{:?}", value.text().unwrap_or_default())),
        Value::Dict(_) => {
            let entries = pickle.entries(value).unwrap_or_default();
            let keys: Vec<String> =
                entries.iter().take(4).map(|[key, _]| key.text().unwrap_or_else(|| "?".into())).collect();
            let more = if entries.len() > keys.len() { ", …" } else { "" };
            cut(format!("a dict of {}: {}{more}", entries.len(), keys.join(", ")))
        }
        Value::List(_) | Value::Tuple(_) => {
            format!("a list of {}", pickle.items(value).map_or(0, <[Value]>::len))
        }
        Value::Tensor(_) => "a tensor".into(),
        Value::Storage(_) => "a storage".into(),
        Value::Known(_) | Value::Kind(_) => "a type".into(),
        Value::Array(_) => "an array".into(),
        Value::Inert(kind) => (*kind).to_owned(),
    }
}
