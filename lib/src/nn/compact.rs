//! Files in which values that are held at 0 take next to no room.
//!
//! A tensor `x` of which values are held lies there as `x.values`, the others in their order, and where they belong: `x.mask`, a bit for
//! each value as [`Model::state`] has it, or `x.indices` where so many of every few are left, as NVIDIA's 2:4 has it (Mishra et al. 2021).
//! The metadata say which. Every tensor is one of safetensors', so that other readers read the file, too.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{Device, Tensor};
use safetensors::Dtype;
use serde::{Deserialize, Serialize};

use super::graph::{Graph, TensorSpec};
use super::masks::{mask_name, packed, packed_len, unpacked};
use super::model::Model;
use super::n_of_m::NOfM;
use super::saved_graph::{GRAPH, description};
use crate::checkpoint::Checkpoint;
use crate::tensor_file::{self, Entry};
use crate::{Error, Result, atomic_file};

/// Where a file's metadata say how its tensors lie.
pub(super) const COMPACT: &str = "sconce.compact";
/// The version of the form that is written.
const VERSION: u32 = 1;

/// What the metadata say.
#[derive(Serialize, Deserialize)]
struct Head {
    sconce: u32,
    tensors: BTreeMap<String, Form>,
}

/// Where a tensor's values belong.
#[derive(Clone, Copy, Serialize, Deserialize)]
enum Form {
    /// A bit for each.
    Bitmap,
    /// So many of each group.
    NOfM(NOfM),
}

/// Bytes of values, and the bytes that say where they belong.
struct Stored {
    form: Form,
    values: Vec<f32>,
    shape: Vec<usize>,
    places: Vec<u8>,
}

impl Stored {
    fn of(tensor: &Tensor, mask: &Tensor) -> Result<Stored> {
        let values = tensor.flatten_all()?.to_vec1::<f32>()?;
        let kept = mask.flatten_all()?.to_vec1::<u8>()?;
        if let Some(form) = NOfM::found(&kept, tensor.dims()) {
            let (values, places) = form.taken(&values, &kept, tensor.dims());
            let shape = form.shape(tensor.dims()).to_vec();
            return Ok(Stored { form: Form::NOfM(form), values, shape, places });
        }
        let values: Vec<f32> =
            values.into_iter().zip(&kept).filter(|(_, kept)| **kept != 0).map(|(value, _)| value).collect();
        let shape = vec![values.len()];
        Ok(Stored { form: Form::Bitmap, values, shape, places: packed(mask)? })
    }
}

fn values_name(tensor: &str) -> String {
    format!("{tensor}.values")
}

fn indices_name(tensor: &str) -> String {
    format!("{tensor}.indices")
}

impl Model {
    /// Writes the model as [`Model::save`] does, but of parameters of which values are held at 0 only the others, with where they belong: a bit for each
    /// value, or indices of two bits for each of the two of four that are left. [`Model::open`] opens it, bit for bit. Other readers of
    /// safetensors find for `x` the tensors `x.values` (F32) and `x.mask` or `x.indices` (U8).
    ///
    /// ```
    /// use sconce::{compress::{SparsityConfig, prune_weights}, prelude::*};
    /// # fn main() -> sconce::Result<()> {
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let path = folder.path().join("digits.safetensors");
    /// let net = Model::build([1, 8, 8], |x| x.flatten().linear(64).relu().linear(10))?.init(Seed(1), &Device::Cpu)?;
    /// let sparse = prune_weights(&net, &SparsityConfig::unstructured(0.9))?;
    /// sparse.model.save_compact(&path)?;
    /// let again = Model::open(&path, &Device::Cpu)?;
    /// # let bits = |net: &Model| net.state().unwrap()[0].1.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    /// # assert_eq!(bits(&again), bits(&sparse.model));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// If the file cannot be written; one that was there before is then still there. If there is a layer of your own code, without which the
    /// model cannot be opened.
    pub fn save_compact(&self, path: impl AsRef<Path>) -> Result<()> {
        let Some(graph) = description(&self.graph)? else {
            return Err(Error::Argument {
                op: "Model::save_compact".into(),
                expected: "layers that a file can describe".into(),
                got: "code of your own".into(),
                hint: "Model::save writes the weights, and Model::load takes them.".into(),
            });
        };
        let mut stored = Vec::with_capacity(self.vars.len());
        for (spec, var, mask) in self.masked_tensors() {
            stored.push(match mask.tensor() {
                Some(mask) => (spec, Stored::of(var.as_tensor(), &mask)?, true),
                None => {
                    let values = var.as_tensor().flatten_all()?.to_vec1()?;
                    let shape = spec.shape.clone();
                    (spec, Stored { form: Form::Bitmap, values, shape, places: Vec::new() }, false)
                }
            });
        }
        let lengths: Vec<[usize; 1]> = stored.iter().map(|(_, stored, _)| [stored.places.len()]).collect();
        let (mut entries, mut tensors) = (Vec::new(), BTreeMap::new());
        for ((spec, stored, masked), length) in stored.iter().zip(&lengths) {
            let (bytes, shape) = (tensor_file::of_f32(&stored.values), stored.shape.as_slice());
            if !masked {
                entries.push(Entry { name: spec.name.clone(), dtype: Dtype::F32, shape, bytes });
                continue;
            }
            entries.push(Entry { name: values_name(&spec.name), dtype: Dtype::F32, shape, bytes });
            let name = match stored.form {
                Form::Bitmap => mask_name(&spec.name),
                Form::NOfM(_) => indices_name(&spec.name),
            };
            entries.push(Entry { name, dtype: Dtype::U8, shape: length, bytes: stored.places.clone() });
            tensors.insert(spec.name.clone(), stored.form);
        }
        let head =
            serde_json::to_string(&Head { sconce: VERSION, tensors }).map_err(|error| Error::Argument {
                op: "Model::save_compact".into(),
                expected: "names that can be written".into(),
                got: error.to_string(),
                hint: "Please report this.".into(),
            })?;
        let metadata = [("format", "pt".to_owned()), (GRAPH, graph), (COMPACT, head)];
        let path = path.as_ref();
        atomic_file::write(path, &tensor_file::bytes(path, &entries, &metadata)?)
    }

    /// Bytes of all tensors' values as [`Model::save`] and as [`Model::save_compact`] write them, without the description before them.
    pub(crate) fn stored_bytes(&self) -> Result<[usize; 2]> {
        let (mut dense, mut compact) = (0, 0);
        for (spec, var, mask) in self.masked_tensors() {
            let bytes = 4 * spec.shape.iter().product::<usize>();
            match mask.tensor() {
                None => {
                    dense += bytes;
                    compact += bytes;
                }
                Some(mask) => {
                    dense += bytes + packed_len(bytes / 4);
                    let stored = Stored::of(var.as_tensor(), &mask)?;
                    compact += 4 * stored.values.len() + stored.places.len();
                }
            }
        }
        Ok([dense, compact])
    }
}

/// How the tensors of a file lie, and how they are read.
pub(super) struct Compact(BTreeMap<String, Form>);

impl Compact {
    /// Of a file whose graph this is; the error is what is wrong with it.
    pub(super) fn of(file: &Checkpoint, graph: &Graph) -> std::result::Result<Compact, String> {
        let Some(text) = file.metadata(COMPACT) else { return Ok(Compact(BTreeMap::new())) };
        let head: Head = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if head.sconce != VERSION {
            return Err(format!("values in a form of version {} instead of {VERSION}", head.sconce));
        }
        let known = |name: &str| graph.tensors.iter().any(|spec| spec.name == name);
        match head.tensors.keys().find(|name| !known(name)) {
            Some(name) => Err(format!("values of a tensor {name}, which no layer has")),
            None => Ok(Compact(head.tensors)),
        }
    }

    /// A tensor and its mask. Sizes are held against the file before any memory is taken.
    pub(super) fn read(
        &self,
        file: &Checkpoint,
        spec: &TensorSpec,
        device: &Device,
        damaged: &dyn Fn(String) -> Error,
    ) -> Result<(Tensor, Option<Tensor>)> {
        let name = &spec.name;
        let mask_of = |bits: Vec<u8>| Tensor::from_vec(bits, spec.shape.as_slice(), device);
        let Some(form) = self.0.get(name) else {
            let tensor = match file.stored(name) {
                Some(stored) if stored.shape() == spec.shape => file.tensor(name, device)?,
                Some(stored) => {
                    let got = format!("{name} of shape {:?} instead of {:?}", stored.shape(), spec.shape);
                    return Err(damaged(got));
                }
                None => return Err(damaged(format!("no tensor {name}"))),
            };
            let mask = match file.u8_values(&mask_name(name))? {
                None => None,
                Some(bytes) => Some(unpacked(&bytes, &spec.shape).ok_or_else(|| {
                    damaged(format!("a mask of {name} that does not fit {:?}", spec.shape))
                })?),
            };
            return Ok((tensor, mask.map(mask_of).transpose()?));
        };
        let problem = |what: &str| damaged(format!("{what} of {name}, {:?}", spec.shape));
        let values = match file.stored(&values_name(name)) {
            Some(stored) if stored.is_f32() => file.tensor(&values_name(name), &Device::Cpu)?,
            _ => return Err(problem("no values")),
        };
        let values = values.flatten_all()?.to_vec1::<f32>()?;
        let (dense, mask) = match form {
            Form::Bitmap => {
                let bytes = file.u8_values(&mask_name(name))?.ok_or_else(|| problem("no mask"))?;
                let mask = unpacked(&bytes, &spec.shape).ok_or_else(|| problem("a mask that is not one"))?;
                if mask.iter().filter(|&&bit| bit == 1).count() != values.len() {
                    return Err(problem("values that are not as many as its mask says"));
                }
                let mut values = values.into_iter();
                let dense = mask.iter().map(|&bit| if bit == 1 { values.next().unwrap_or(0.0) } else { 0.0 });
                (dense.collect(), mask)
            }
            Form::NOfM(form) => {
                let places = file.u8_values(&indices_name(name))?.ok_or_else(|| problem("no indices"))?;
                form.put_back(&values, &places, &spec.shape)
                    .ok_or_else(|| problem("values or indices that are not those"))?
            }
        };
        Ok((Tensor::from_vec::<_, f32>(dense, spec.shape.as_slice(), device)?, Some(mask_of(mask)?)))
    }
}
