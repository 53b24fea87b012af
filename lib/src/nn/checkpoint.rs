//! Saving and loading weights.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use candle_core::{DType, Tensor};
use safetensors::Dtype;

use super::compact::COMPACT;
use super::graph::TensorSpec;
use super::load_report::{LoadReport, Loading};
use super::loading::Plan;
use super::masks::{bytes_of, mask_name, unpacked};
use super::model::Model;
use super::saved_graph::{GRAPH, description};
use crate::checkpoint::Checkpoint;
use crate::tensor_file::{self, Entry, kind};
use crate::{Error, Result, atomic_file};

impl Model {
    /// Writes parameters and buffers to a safetensors file, by the names of [`Model::state`], and the graph beside them, so that
    /// [`Model::open`] needs no code that builds it; a model with a layer of your own code is saved without it. The file
    /// is complete or not there: it is written beside its place and then moved.
    ///
    /// # Errors
    /// If the file cannot be written. A file that was there before is then still there.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        self.save_as(path.as_ref(), |_, _| None)
    }

    /// The same, tensors in the types and bytes that `other` gives for them; f32 where it gives none.
    pub(crate) fn save_as(
        &self,
        path: &Path,
        other: impl Fn(&TensorSpec, &[f32]) -> Option<(Dtype, Vec<u8>)>,
    ) -> Result<()> {
        let mut entries = Vec::new();
        for (spec, var) in self.tensors() {
            let values = var.as_tensor().flatten_all()?.to_vec1::<f32>()?;
            let (dtype, bytes) =
                other(spec, &values).unwrap_or_else(|| (Dtype::F32, tensor_file::of_f32(&values)));
            entries.push(Entry { name: spec.name.clone(), dtype, shape: &spec.shape, bytes });
        }
        let masks = self.packed_masks()?;
        let lengths: Vec<[usize; 1]> = masks.iter().map(|(_, bytes)| [bytes.len()]).collect();
        for ((name, bytes), shape) in masks.into_iter().zip(&lengths) {
            entries.push(Entry { name, dtype: Dtype::U8, shape, bytes });
        }
        // Readers of other libraries look for this.
        let mut metadata = vec![("format", "pt".to_owned())];
        metadata.extend(description(&self.graph)?.map(|graph| (GRAPH, graph)));
        atomic_file::write(path, &tensor_file::bytes(path, &entries, &metadata)?)
    }

    /// Takes over the weights of a file: what [`Model::save`] wrote, or a safetensors, `.pth` or `.pt` file
    /// of another library. They are changed in place, so handles to them see the new ones.
    ///
    /// State dicts under `state_dict`, `model` and the like are found; names may begin with `module.` or be
    /// spelt as torchvision, timm, transformers or the code of DETR's paper spells them. f64, f16 and bf16
    /// become f32. Of a file with masks, those of what is taken over are, too; without any, what is held at 0 here stays 0. `num_batches_tracked`, which nothing here needs, is passed over.
    ///
    /// ```no_run
    /// use sconce::prelude::*;
    ///
    /// # let net = Model::build([3, 8, 8], |x| x.flatten().linear(10))?.init(Seed(0), &Device::Cpu)?;
    /// let report = net.load("resnet18-f37072fd.pth", Loading::Strict)?;
    /// # Ok::<(), sconce::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the file cannot be read or is damaged. If a tensor is missing, of another shape or, with
    /// [`Loading::Strict`], not the model's; the error lists them. With [`Loading::Partial`], if nothing
    /// fits. [`Error::Interrupted`]. The model is then as it was.
    pub fn load(&self, path: impl AsRef<Path>, loading: Loading) -> Result<LoadReport> {
        let checkpoint = Checkpoint::open(path)?;
        if checkpoint.metadata(COMPACT).is_some() {
            return Err(Error::Format {
                path: checkpoint.path().to_owned(),
                expected: "a file that has all values".into(),
                got: "what Model::save_compact wrote".into(),
                hint: "Model::open opens it.".into(),
            });
        }
        let specs: Vec<&TensorSpec> = self.tensors().map(|(spec, _)| spec).collect();
        let plan = Plan::new(&specs, &checkpoint);
        let mut report = plan.report(&specs, &checkpoint);
        let masks = self.masks_in(&checkpoint, &mut report)?;
        report.check(&checkpoint, loading)?;
        let values = plan.read(&specs, &checkpoint)?;
        let mut tensors = Vec::with_capacity(values.len());
        for (spec, values) in specs.iter().zip(values) {
            tensors.push(match values {
                Some(values) => Some(Tensor::from_vec(values, spec.shape.as_slice(), self.device())?),
                None => None,
            });
        }
        for (place, ((_, var), tensor)) in self.tensors().zip(&tensors).enumerate() {
            if let Some(tensor) = tensor {
                var.set(tensor)?;
                let own = || self.masks[place].tensor();
                self.hold(place, masks.as_ref().map_or_else(own, |masks| masks[place].clone()))?;
            }
        }
        Ok(report)
    }

    /// The masks that a file has for what it has of this model, if it has any; they are then not unexpected.
    fn masks_in(&self, file: &Checkpoint, report: &mut LoadReport) -> Result<Option<Vec<Option<Tensor>>>> {
        let mut masks = vec![None; self.vars.len()];
        let mut found = HashSet::new();
        for (place, (spec, _)) in self.tensors().enumerate() {
            let name = mask_name(&spec.name);
            let Some(bytes) = file.u8_values(&name)? else { continue };
            if report.loaded.contains(&spec.name) {
                let bits = unpacked(&bytes, &spec.shape).ok_or_else(|| Error::Format {
                    path: file.path().to_owned(),
                    expected: format!("a mask of {}", kind(&spec.shape, "F32")),
                    got: format!("{} bytes in {name}", bytes.len()),
                    hint: "The file is damaged; save the model again.".into(),
                })?;
                masks[place] = Some(Tensor::from_vec(bits, spec.shape.as_slice(), self.device())?);
            }
            found.insert(name);
        }
        report.unexpected.retain(|name| !found.contains(name));
        Ok((!found.is_empty()).then_some(masks))
    }

    /// Takes over what [`Model::state`] gave, in place. Names and shapes must be exactly this model's; what is held at 0 is then
    /// what was held there.
    ///
    /// # Errors
    /// If they are not; the error lists what differs. The model is then as it was.
    pub fn set_state(&self, state: &[(String, Tensor)]) -> Result<()> {
        let own: HashSet<String> = self.tensors().map(|(spec, _)| mask_name(&spec.name)).collect();
        let (masks, state): (Vec<_>, Vec<_>) = state.iter().partition(|(name, _)| own.contains(name));
        let masks = masks.into_iter().map(|(name, mask)| Ok((name.as_str(), bytes_of(mask)?)));
        let masks: HashMap<&str, Vec<u8>> = masks.collect::<Result<_>>()?;
        let (masks, misfits) = self.unpack_masks(|name| Ok(masks.get(name).cloned()))?;
        if !misfits.is_empty() {
            return Err(Error::Argument {
                op: "Model::set_state".into(),
                expected: "masks of the sizes of their tensors".into(),
                got: tensor_file::list("others:", &misfits),
                hint: "It must come from a model of the same layers, names and sizes.".into(),
            });
        }
        let kinds = state.iter().map(|(name, tensor)| {
            let dtype = tensor.dtype().as_str().to_uppercase();
            (name.as_str(), kind(tensor.dims(), &dtype))
        });
        if let Some(problems) = self.problems(&kinds.collect()) {
            return Err(Error::Argument {
                op: "Model::set_state".into(),
                expected: format!("the {} tensors of this model", self.graph().tensors.len()),
                got: problems,
                hint: "It must come from a model of the same layers, names and sizes.".into(),
            });
        }
        let by_name: HashMap<&str, &Tensor> =
            state.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
        let mut tensors = Vec::with_capacity(state.len());
        for (spec, _) in self.tensors() {
            // A copy: the tensor may be a handle to the very variable that it will replace.
            tensors.push(by_name[spec.name.as_str()].to_device(self.device())?.copy()?);
        }
        for ((_, var), tensor) in self.tensors().zip(&tensors) {
            var.set(tensor)?;
        }
        self.hold_all(masks)
    }

    /// In what way tensors of these names and kinds are not this model's.
    fn problems(&self, found: &BTreeMap<&str, String>) -> Option<String> {
        let (mut missing, mut different) = (Vec::new(), Vec::new());
        for (spec, _) in self.tensors() {
            let wanted = kind(&spec.shape, &DType::F32.as_str().to_uppercase());
            match found.get(spec.name.as_str()) {
                None => missing.push(spec.name.clone()),
                Some(kind) if *kind != wanted => {
                    different.push(format!("{}: {kind} instead of {wanted}", spec.name));
                }
                Some(_) => {}
            }
        }
        let known = |name: &str| self.graph().tensors.iter().any(|spec| spec.name == name);
        let unexpected = found.keys().filter(|name| !known(name)).map(|name| (*name).to_owned()).collect();
        tensor_file::problems([("missing", missing), ("unexpected", unexpected), ("different", different)])
    }
}
