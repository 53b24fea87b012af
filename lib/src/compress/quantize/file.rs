//! Quantized models in files.

use std::path::Path;

use candle_core::{Device, Tensor};
use safetensors::Dtype;

use super::layers::Stored;
use super::model::QuantizedModel;
use super::plan::{Step, Work, steps};
use crate::nn::{Graph, Unreadable};
use crate::tensor_file::{self, Entry, of_f32};
use crate::{Error, Result, atomic_file};

/// Where a file's metadata has the graph.
const GRAPH: &str = "sconce.quantized";
/// What follows a weight's name in that of its scales.
const SCALE: &str = "_scale";

impl QuantizedModel {
    /// Writes the model to a safetensors file: weights as I8 with their scales, all else as f32, and the graph in
    /// the metadata. It is about a quarter of the float model's. The file is complete or not there.
    ///
    /// # Errors
    /// If the file cannot be written, or a layer is of code of your own, which no file can hold; the error names it.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        if let Some(node) =
            self.graph.nodes.iter().find(|node| matches!(node.operator, crate::nn::Operator::Map(_)))
        {
            return Err(super::refused(
                &node.label(),
                "layers that a file can hold".into(),
                "code of your own".into(),
                "Save the float model's weights, and quantize it again where it is needed.",
            ));
        }
        let mut entries = Vec::new();
        for (spec, stored) in self.graph.tensors.iter().zip(&*self.stored) {
            let (name, shape) = (spec.name.clone(), spec.shape.as_slice());
            match stored {
                Stored::Float(tensor) => {
                    let bytes = of_f32(&tensor.flatten_all()?.to_vec1()?);
                    entries.push(Entry { name, dtype: Dtype::F32, shape, bytes });
                }
                Stored::Weight { whole, scales, .. } => {
                    let bytes = whole.iter().map(|value| value.cast_unsigned()).collect();
                    let (scale, of) = (format!("{name}{SCALE}"), &shape[..1]);
                    entries.push(Entry { name, dtype: Dtype::I8, shape, bytes });
                    entries.push(Entry { name: scale, dtype: Dtype::F32, shape: of, bytes: of_f32(scales) });
                }
            }
        }
        let graph = self.graph.to_text().map_err(|error| damaged(path, error.to_string()))?;
        atomic_file::write(path, &tensor_file::bytes(path, &entries, &[(GRAPH, graph)])?)
    }

    /// The model that [`QuantizedModel::save`] wrote: it gives the same outputs, bit for bit.
    ///
    /// # Errors
    /// If the file cannot be read, is damaged, or holds no quantized model.
    pub fn open(path: impl AsRef<Path>) -> Result<QuantizedModel> {
        let path = path.as_ref();
        let bytes = tensor_file::read(path)?;
        let Some(text) = tensor_file::metadata(path, &bytes, GRAPH)? else {
            return Err(Error::Format {
                path: path.to_owned(),
                expected: "a file that QuantizedModel::save wrote".into(),
                got: "one without a quantized model's graph".into(),
                hint: "Model::open reads what Model::save wrote.".into(),
            });
        };
        let graph = Graph::from_text(&text).map_err(|problem| match problem {
            Unreadable::Version(version) => damaged(path, format!("version {version} instead of 1")),
            Unreadable::Damaged(problem) => damaged(path, problem),
        })?;
        let file = tensor_file::parse(path, &bytes)?;
        let floats = |name: &str, shape: &[usize]| -> Result<Vec<f32>> {
            let view = file.tensor(name).map_err(|error| damaged(path, error.to_string()))?;
            if view.dtype() != Dtype::F32 || view.shape() != shape {
                let got = format!("{name} as {} {:?} instead of F32 {shape:?}", view.dtype(), view.shape());
                return Err(damaged(path, got));
            }
            let values = view.data().as_chunks::<4>().0.iter();
            Ok(values.map(|value| f32::from_le_bytes(*value)).collect())
        };
        let float = |place: usize| -> Result<Tensor> {
            let spec = &graph.tensors[place];
            let values = floats(&spec.name, &spec.shape)?;
            Ok(Tensor::from_vec(values, spec.shape.as_slice(), &Device::Cpu)?)
        };
        let steps = steps(&graph, float)?;
        let weights = weights(&graph, &steps);
        let mut stored = Vec::with_capacity(graph.tensors.len());
        for (place, spec) in graph.tensors.iter().enumerate() {
            if !weights.contains(&place) {
                stored.push(Stored::Float(float(place)?));
                continue;
            }
            let view = file.tensor(&spec.name).map_err(|error| damaged(path, error.to_string()))?;
            if view.dtype() != Dtype::I8 || view.shape() != spec.shape {
                let got = format!(
                    "{} as {} {:?} instead of I8 {:?}",
                    spec.name,
                    view.dtype(),
                    view.shape(),
                    spec.shape
                );
                return Err(damaged(path, got));
            }
            let whole = view.data().iter().map(|value| value.cast_signed()).collect();
            let scales = floats(&format!("{}{SCALE}", spec.name), &spec.shape[..1])?;
            if !scales.iter().all(|scale| scale.is_finite() && *scale > 0.0) {
                return Err(damaged(path, format!("scales of {} that are not above 0", spec.name)));
            }
            stored.push(Stored::Weight { whole, scales, shape: spec.shape.clone() });
        }
        QuantizedModel::of_stored(graph, stored, steps)
    }
}

/// The weights that layers on integers multiply with.
fn weights(graph: &Graph, steps: &[Step]) -> Vec<usize> {
    let layers = steps.iter().filter(|step| matches!(step.work, Work::Layer { .. } | Work::Dynamic));
    layers.filter_map(|step| graph.nodes[step.node].tensors.first().copied()).collect()
}

fn damaged(path: &Path, got: String) -> Error {
    Error::Format {
        path: path.to_owned(),
        expected: "a quantized model".into(),
        got,
        hint: "The file is damaged; save the model again.".into(),
    }
}
