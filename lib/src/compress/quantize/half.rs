//! Weights of half the size, computed with in f32.

use std::path::Path;

use candle_core::{DType, Tensor};
use safetensors::Dtype;

use super::refused;
use crate::Result;
use crate::nn::{Model, TensorSpec};

/// A number of 16 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HalfType {
    /// The range of f32 and 8 bits of precision.
    #[default]
    BFloat16,
    /// 11 bits of precision, and sizes up to 65,504.
    Float16,
}

/// A model whose weights are numbers of 16 bits. Made by [`half_weights`].
#[derive(Debug, Clone)]
pub struct HalfModel {
    model: Model,
    half: HalfType,
}

/// The same model with weights rounded to 16 bits: the mild way to half the file, with next to no loss. It computes
/// in f32 as any model; biases, norms and statistics, which are few, stay as they are. [`HalfModel::save`] writes
/// it in half the size, and [`Model::open`] reads that.
///
/// # Errors
/// If a weight is too large for [`HalfType::Float16`]; the error names its tensor.
pub fn half_weights(model: &Model, half: HalfType) -> Result<HalfModel> {
    let mut parts = model.parts()?;
    for (spec, tensor) in parts.graph.tensors.iter().zip(&mut parts.tensors) {
        if !is_halved(spec) {
            continue;
        }
        let rounded = match half {
            HalfType::BFloat16 => tensor.to_dtype(DType::BF16)?,
            HalfType::Float16 => tensor.to_dtype(DType::F16)?,
        };
        let rounded: Tensor = rounded.to_dtype(DType::F32)?;
        let finite = |tensor: &Tensor| -> Result<usize> {
            Ok(tensor.flatten_all()?.to_vec1::<f32>()?.iter().filter(|value| value.is_finite()).count())
        };
        if finite(&rounded)? < finite(tensor)? {
            return Err(refused(
                &spec.name,
                "weights up to 65,504 for Float16".into(),
                "larger ones".into(),
                "HalfType::BFloat16 has the range of f32.",
            ));
        }
        *tensor = rounded;
    }
    Ok(HalfModel { model: Model::of_parts(parts)?, half })
}

/// Weights have at least two dimensions.
fn is_halved(spec: &TensorSpec) -> bool {
    spec.shape.len() > 1
}

impl HalfModel {
    /// The model, in f32, to compute with.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Writes the model to a safetensors file as [`Model::save`] does, weights in 16 bits. [`Model::open`] and
    /// [`Model::load`] give back the same numbers.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        self.model.save_as(path.as_ref(), |spec, values| match (is_halved(spec), self.half) {
            (false, _) => None,
            (true, HalfType::BFloat16) => {
                let bytes = values.iter().flat_map(|value| half::bf16::from_f32(*value).to_le_bytes());
                Some((Dtype::BF16, bytes.collect()))
            }
            (true, HalfType::Float16) => {
                let bytes = values.iter().flat_map(|value| half::f16::from_f32(*value).to_le_bytes());
                Some((Dtype::F16, bytes.collect()))
            }
        })
    }
}
