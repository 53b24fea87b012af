//! Saving what an optimizer keeps, and going on with it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use safetensors::tensor::TensorView;
use serde::{Deserialize, Serialize};

use super::optimizer::Optimizer;
use super::slot::Slot;
use super::state::dtype;
use crate::tensor_file::{self, Entry, kind, problems};
use crate::{Error, Result};

/// Where the metadata of a file has what is not a tensor.
const KEY: &str = "sconce.optimizer";

/// What is saved beside the tensors, as JSON.
#[derive(Serialize, Deserialize)]
struct Head {
    version: u32,
    /// `adamw`, …
    optimizer: String,
    /// As text, because not every reader of JSON gives a number back to the last bit.
    learning_rate: String,
    /// Likewise; only where one was set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    momentum: Option<String>,
    /// Steps taken, by the parameter's name.
    steps: BTreeMap<String, u64>,
}

impl Optimizer {
    /// Writes momentum, moments, step counts and what learning rate and momentum were last set to a safetensors file: for the parameter
    /// `w` of Adam the tensors `w.exp_avg` and `w.exp_avg_sq`, named as in PyTorch's state. The file is
    /// complete or not there. Weights are not in it; a model has its own `save`.
    ///
    /// # Errors
    /// Two parameters of one name; a file that cannot be written. One that was there before is then still
    /// there.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let (entries, head) = self.contents()?;
        tensor_file::write(path.as_ref(), &entries, (KEY, head))
    }

    /// The tensors that are kept, and what is saved beside them.
    pub(crate) fn contents(&self) -> Result<(Vec<Entry<'_>>, String)> {
        let mut steps = BTreeMap::new();
        let mut entries = Vec::new();
        for slot in &self.slots {
            let name = &slot.parameter.name;
            if steps.insert(name.clone(), slot.steps).is_some() {
                return Err(Error::Argument {
                    op: format!("{} save", self.config.name()),
                    expected: "each parameter to have a name of its own".into(),
                    got: format!("{name:?} twice"),
                    hint: "Give the parameters of each model a prefix, e.g. \"teacher.\".".into(),
                });
            }
            entries.extend(self.entries(slot)?);
        }
        let head = Head {
            version: 1,
            optimizer: self.config.name().into(),
            learning_rate: self.lr.to_string(),
            momentum: self.momentum.map(|momentum| momentum.to_string()),
            steps,
        };
        let head = serde_json::to_string(&head).map_err(|error| Error::Argument {
            op: format!("{} save", self.config.name()),
            expected: "a state that JSON can hold".into(),
            got: error.to_string(),
            hint: String::new(),
        })?;
        Ok((entries, head))
    }

    /// Takes over what [`Optimizer::save`] wrote for an optimizer of the same kind and parameters: training
    /// then goes on as if it had never stopped. Momentum, moments, step counts, and the learning rate and momentum that
    /// were last set, come from the file; all other settings, and the ratios of the groups' rates, are those of this
    /// optimizer.
    ///
    /// # Errors
    /// A file that cannot be read, is damaged, or is of another kind of optimizer, of other parameters or
    /// shapes; the error lists them. The optimizer is then as it was.
    pub fn load(&mut self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let bytes = tensor_file::read(path)?;
        let file = tensor_file::parse(path, &bytes)?;
        let head = tensor_file::metadata(path, &bytes, KEY)?;
        self.take_over(path, head, &file.tensors().into_iter().collect())
    }

    /// Takes over what [`Optimizer::contents`] gave, which was read from the file at `path`.
    pub(crate) fn take_over(
        &mut self,
        path: &Path,
        head: Option<String>,
        found: &BTreeMap<String, TensorView>,
    ) -> Result<()> {
        let (head, lr, momentum) = self.head(path, head)?;
        if let Some(got) = self.problems(&head, found) {
            return Err(Error::Format {
                path: path.to_owned(),
                expected: format!(
                    "the state of {} for these {} parameters",
                    self.config.name(),
                    self.slots.len()
                ),
                got,
                hint: "It must come from an optimizer of the same settings, for a model of the same layers, \
                       names and sizes."
                    .into(),
            });
        }
        let kept = self.config.kept();
        let states = self.slots.iter().map(|slot| {
            let tensors = kept.iter().map(|kept| found[&tensor_name(&slot.parameter.name, kept)].data());
            slot.state.with_bytes(tensors)
        });
        let states = states.collect::<Result<Vec<_>>>()?;
        // From here on nothing can fail.
        (self.lr, self.momentum) = (lr, momentum);
        for (slot, state) in self.slots.iter_mut().zip(states) {
            slot.steps = head.steps[&slot.parameter.name];
            slot.state = state;
        }
        Ok(())
    }

    /// The tensors that are kept for a parameter.
    fn entries<'a>(&self, slot: &'a Slot) -> Result<Vec<Entry<'a>>> {
        let var = &slot.parameter.var;
        let named = self.config.kept().iter().zip(slot.state.bytes()?);
        let entries = named.map(|(kept, bytes)| Entry {
            name: tensor_name(&slot.parameter.name, kept),
            dtype: dtype(var),
            shape: var.dims(),
            bytes,
        });
        Ok(entries.collect())
    }

    /// What a file says beside its tensors, its learning rate, and its momentum if one was set.
    fn head(&self, path: &Path, head: Option<String>) -> Result<(Head, f64, Option<f64>)> {
        let wrong = |got: String, hint: &str| Error::Format {
            path: path.to_owned(),
            expected: format!("the state of {}", self.config.name()),
            got,
            hint: hint.into(),
        };
        let damaged = "The file is damaged; save it again.";
        let head = head.ok_or_else(|| {
            wrong(
                "a safetensors file without one".into(),
                "Give the file that Optimizer::save wrote; weights are loaded by Model::load.",
            )
        })?;
        let head: Head = serde_json::from_str(&head)
            .map_err(|error| wrong(format!("a state that cannot be read: {error}"), damaged))?;
        if head.version != 1 {
            return Err(wrong(
                format!("a state of format {}, not 1", head.version),
                "Read it with the release that wrote it, or a later one.",
            ));
        }
        if head.optimizer != self.config.name() {
            let hint = "Build the optimizer that was saved, or start without its state.";
            return Err(wrong(format!("the state of {}", head.optimizer), hint));
        }
        let lr = match head.learning_rate.parse::<f64>() {
            Ok(lr) if lr.is_finite() && lr >= 0.0 => lr,
            _ => return Err(wrong(format!("a learning rate of {:?}", head.learning_rate), damaged)),
        };
        let momentum = head.momentum.as_ref().map(|text| match text.parse::<f64>() {
            Ok(momentum) if self.check_momentum(momentum).is_ok() => Ok(momentum),
            _ => Err(wrong(format!("a momentum of {text:?}"), damaged)),
        });
        let momentum = momentum.transpose()?;
        Ok((head, lr, momentum))
    }

    /// In what way a file is not this optimizer's.
    fn problems(&self, head: &Head, found: &BTreeMap<String, TensorView>) -> Option<String> {
        let mut wanted = BTreeMap::new();
        let mut names = BTreeSet::new();
        for Slot { parameter, .. } in &self.slots {
            names.insert(parameter.name.as_str());
            for kept in self.config.kept() {
                let kind = kind(parameter.var.dims(), &dtype(&parameter.var).to_string());
                wanted.insert(tensor_name(&parameter.name, kept), kind);
            }
        }
        let mut missing: Vec<String> =
            names.iter().filter(|name| !head.steps.contains_key(**name)).map(|&name| name.into()).collect();
        let mut unexpected: Vec<String> =
            head.steps.keys().filter(|name| !names.contains(name.as_str())).cloned().collect();
        // A parameter that is named needs no list of its tensors.
        if missing.is_empty() && unexpected.is_empty() {
            missing = wanted.keys().filter(|name| !found.contains_key(*name)).cloned().collect();
            unexpected = found.keys().filter(|name| !wanted.contains_key(*name)).cloned().collect();
        }
        let different = wanted.iter().filter_map(|(name, wanted)| {
            let view = found.get(name)?;
            let kind = kind(view.shape(), &view.dtype().to_string());
            (kind != *wanted).then(|| format!("{name}: {kind} instead of {wanted}"))
        });
        let different = different.collect();
        problems([("missing", missing), ("unexpected", unexpected), ("different", different)])
    }
}

fn tensor_name(parameter: &str, kept: &str) -> String {
    format!("{parameter}.{kept}")
}
