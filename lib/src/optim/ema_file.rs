//! Saving averages, and going on with them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use safetensors::tensor::TensorView;
use serde::{Deserialize, Serialize};

use super::ema::Ema;
use super::state::{bytes_of, dtype, tensor_like};
use crate::tensor_file::{self, Entry, kind, problems};
use crate::{Error, Result};

/// Where the metadata of a file has what is not a tensor.
const KEY: &str = "sconce.ema";

/// What is saved beside the tensors, as JSON.
#[derive(Serialize, Deserialize)]
struct Head {
    version: u32,
    updates: u64,
}

impl Ema {
    /// Writes the averages to a safetensors file under the parameters' names, as a model saves its weights, and how many
    /// updates they have seen. The file is complete or not there.
    ///
    /// # Errors
    /// Averages that are in the model; a file that cannot be written. One that was there before is then still there.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        self.not_exchanged("Ema::save")?;
        let entries = self.slots.iter().map(|slot| {
            let var = &slot.parameter.var;
            let bytes = bytes_of(var)?;
            Ok(Entry { name: slot.parameter.name.clone(), dtype: dtype(var), shape: var.dims(), bytes })
        });
        let entries = entries.collect::<Result<Vec<_>>>()?;
        let path = path.as_ref();
        let head = serde_json::to_string(&Head { version: 1, updates: self.updates });
        let head =
            head.map_err(|error| wrong(path, format!("a state that JSON cannot hold: {error}"), ""))?;
        tensor_file::write(path, &entries, (KEY, head))
    }

    /// Takes over what [`Ema::save`] wrote for the same parameters; the decay stays that of these averages.
    ///
    /// # Errors
    /// Averages that are in the model; a file that cannot be read, is damaged, or is of other parameters or shapes: the error
    /// lists them. Nothing has changed then.
    pub fn load(&mut self, path: impl AsRef<Path>) -> Result<()> {
        self.not_exchanged("Ema::load")?;
        let path = path.as_ref();
        let bytes = tensor_file::read(path)?;
        let file = tensor_file::parse(path, &bytes)?;
        let found: BTreeMap<String, TensorView> = file.tensors().into_iter().collect();
        let head = tensor_file::metadata(path, &bytes, KEY)?.ok_or_else(|| {
            let hint = "Give the file that Ema::save wrote; weights are loaded by Model::load.";
            wrong(path, "a safetensors file without them".into(), hint)
        })?;
        let head: Head = serde_json::from_str(&head).map_err(|error| {
            wrong(
                path,
                format!("a state that cannot be read: {error}"),
                "The file is damaged; save it again.",
            )
        })?;
        if head.version != 1 {
            let hint = "Read it with the release that wrote it, or a later one.";
            return Err(wrong(path, format!("averages of format {}, not 1", head.version), hint));
        }
        if let Some(got) = self.problems(&found) {
            return Err(wrong(path, got, "They must come from a model of the same layers, names and sizes."));
        }
        let values = self
            .slots
            .iter()
            .map(|slot| tensor_like(&slot.parameter.var, found[&slot.parameter.name].data()));
        for (slot, value) in self.slots.iter().zip(values.collect::<Result<Vec<_>>>()?) {
            slot.parameter.var.set(&value)?;
        }
        self.updates = head.updates;
        Ok(())
    }

    /// In what way the tensors of a file are not these averages.
    fn problems(&self, found: &BTreeMap<String, TensorView>) -> Option<String> {
        let wanted = self.slots.iter().map(|slot| {
            let var = &slot.parameter.var;
            (slot.parameter.name.as_str(), kind(var.dims(), &dtype(var).to_string()))
        });
        let wanted: BTreeMap<&str, String> = wanted.collect();
        let there: BTreeSet<&str> = found.keys().map(String::as_str).collect();
        let missing = wanted.keys().filter(|name| !there.contains(*name)).map(|&name| name.into()).collect();
        let unexpected =
            there.iter().filter(|name| !wanted.contains_key(*name)).map(|&name| name.into()).collect();
        let different = wanted.iter().filter_map(|(name, wanted)| {
            let view = found.get(*name)?;
            let got = kind(view.shape(), &view.dtype().to_string());
            (got != *wanted).then(|| format!("{name}: {got} instead of {wanted}"))
        });
        let different = different.collect();
        problems([("missing", missing), ("unexpected", unexpected), ("different", different)])
    }
}

fn wrong(path: &Path, got: String, hint: &str) -> Error {
    Error::Format {
        path: path.to_owned(),
        expected: "averages of these parameters".into(),
        got,
        hint: hint.into(),
    }
}
