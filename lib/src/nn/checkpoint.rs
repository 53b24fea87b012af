//! Saving and loading weights.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use candle_core::{DType, Tensor};
use safetensors::Dtype;
use safetensors::tensor::TensorView;

use super::model::Model;
use crate::tensor_file::{self, Entry, kind};
use crate::{Error, Result};

impl Model {
    /// Writes parameters and buffers to a safetensors file, by the names of [`Model::state`]. The file
    /// is complete or not there: it is written beside its place and then moved.
    ///
    /// # Errors
    /// If the file cannot be written. A file that was there before is then still there.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let mut entries = Vec::new();
        for (spec, var) in self.tensors() {
            let values = var.as_tensor().flatten_all()?.to_vec1::<f32>()?;
            let bytes = values.into_iter().flat_map(f32::to_le_bytes).collect();
            entries.push(Entry { name: spec.name.clone(), dtype: Dtype::F32, shape: &spec.shape, bytes });
        }
        // Readers of other libraries look for this.
        tensor_file::write(path.as_ref(), &entries, ("format", "pt".into()))
    }

    /// Reads what [`Model::save`] wrote for a model of the same layers. Names and shapes must be
    /// exactly this model's; the weights are changed in place, so handles to them see the new ones.
    ///
    /// # Errors
    /// If the file cannot be read, is damaged, or holds other tensors than this model's; the error
    /// lists them. The model is then as it was.
    pub fn load(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let bytes = tensor_file::read(path)?;
        let file = tensor_file::parse(path, &bytes)?;
        let found: BTreeMap<String, TensorView> = file.tensors().into_iter().collect();
        let kinds =
            found.iter().map(|(name, view)| (name.as_str(), kind(view.shape(), &view.dtype().to_string())));
        if let Some(problems) = self.problems(&kinds.collect()) {
            return Err(Error::Format {
                path: path.to_owned(),
                expected: format!("the {} tensors of this model", self.graph().tensors.len()),
                got: problems,
                hint: "It must come from a model of the same layers, names and sizes.".into(),
            });
        }
        let mut tensors = Vec::with_capacity(found.len());
        for (spec, _) in self.tensors() {
            let values = found[&spec.name].data().as_chunks::<4>().0;
            let values: Vec<f32> = values.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
            tensors.push(Tensor::from_vec(values, spec.shape.as_slice(), self.device())?);
        }
        self.replace(&tensors)
    }

    /// Takes over what [`Model::state`] gave, in place. Names and shapes must be exactly this model's.
    ///
    /// # Errors
    /// If they are not; the error lists what differs. The model is then as it was.
    pub fn set_state(&self, state: &[(String, Tensor)]) -> Result<()> {
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
        self.replace(&tensors)
    }

    /// Sets all variables; the tensors have their shapes and the type f32.
    fn replace(&self, tensors: &[Tensor]) -> Result<()> {
        for ((_, var), tensor) in self.tensors().zip(tensors) {
            var.set(tensor)?;
        }
        Ok(())
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
