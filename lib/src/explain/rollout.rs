//! Attention through all layers.

use candle_core::Tensor;

use super::attention::{attentions, places};
use super::attribution::Attribution;
use super::subject::{checked, named};
use crate::nn::Model;
use crate::{Error, Result};

/// How the heads of a layer become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HeadFusion {
    /// Their mean, as in the paper.
    #[default]
    Mean,
    /// The greatest weight.
    Max,
    /// The least weight.
    Min,
}

/// Attention rollout (Abnar and Zuidema 2020, arXiv:2005.00928): the attention of each layer, its heads made one, and the
/// shortcut around it, `(A + 1) / 2` with rows that sum to 1, multiplied through all layers from the first to the last. The
/// map says how much of each place of the image is in the class token at the end, or, in a model without one, in all
/// tokens together.
///
/// # Errors
/// If the model cannot take `image`, which is one image of finite values; it has no attention of tokens to each other, or
/// attentions over different tokens; its tokens are not places of the image.
pub fn attention_rollout(model: &Model, image: &Tensor, fusion: HeadFusion) -> Result<Attribution> {
    let op = "explain::attention_rollout";
    let image = checked(op, image)?;
    let layers = attentions(op, model)?;
    let mut rollout: Option<Matrix> = None;
    let join = |node: usize, weights: Tensor| {
        let (_, heads, queries, keys) = weights.dims4()?;
        let before = rollout.as_ref().map_or(keys, |rollout| rollout.side);
        if queries != keys || keys != before {
            let name = &model.graph().nodes()[node].name;
            return Err(Error::Argument {
                op: op.into(),
                expected: "attentions of the same tokens to each other in all layers".into(),
                got: format!("{queries} queries and {keys} keys in {name:?}, after {before} tokens"),
                hint: "Look at one layer with `explain::attention_maps`.".into(),
            });
        }
        let layer = Matrix::fused(&weights.flatten_all()?.to_vec1::<f32>()?, heads, keys, fusion);
        rollout = Some(match rollout.take() {
            Some(before) => layer.times(&before),
            None => layer,
        });
        Ok(())
    };
    model.attention_weights(&image, &layers, &[], join).map_err(named(op))?;
    let last = layers.last().copied().unwrap_or_default();
    let rollout = rollout.ok_or_else(|| places_error(op, 0))?;
    let places = places(model, &image, last, rollout.side)?.ok_or_else(|| places_error(op, rollout.side))?;
    // Of the class token, the first, or of all tokens.
    let rows = if places.before > 0 { 1 } else { rollout.side };
    let mean = |key: usize| {
        let sum: f64 = (0..rows).map(|row| rollout.values[row * rollout.side + key]).sum();
        (sum / rows as f64) as f32
    };
    let map = (places.before..rollout.side).map(mean).collect();
    let method = format!("attention rollout through {} layers", layers.len());
    Attribution::of_places(method, None, &image, (places.grid, map))
}

fn places_error(op: &str, tokens: usize) -> Error {
    Error::Argument {
        op: op.into(),
        expected: "tokens that are places of the image".into(),
        got: format!("{tokens} tokens that do not come from `image_to_tokens`"),
        hint: "Look at the weights of one layer with `explain::attention_maps`.".into(),
    }
}

/// A square of numbers, row by row.
struct Matrix {
    side: usize,
    values: Vec<f64>,
}

impl Matrix {
    /// The heads' weights as one, with the shortcut, in rows that sum to 1.
    fn fused(weights: &[f32], heads: usize, side: usize, fusion: HeadFusion) -> Matrix {
        let mut values = Vec::with_capacity(side * side);
        for at in 0..side * side {
            let all = weights[at..].iter().step_by((side * side).max(1)).map(|&weight| f64::from(weight));
            values.push(match fusion {
                HeadFusion::Mean => all.sum::<f64>() / heads.max(1) as f64,
                HeadFusion::Max => all.fold(0.0, f64::max),
                HeadFusion::Min => all.fold(1.0, f64::min),
            });
        }
        for (row, values) in values.chunks_exact_mut(side.max(1)).enumerate() {
            values[row] += 1.0;
            let sum: f64 = values.iter().sum();
            values.iter_mut().for_each(|value| *value /= sum);
        }
        Matrix { side, values }
    }

    fn times(&self, other: &Matrix) -> Matrix {
        let side = self.side;
        let mut values = vec![0.0; side * side];
        for (row, out) in values.chunks_exact_mut(side.max(1)).enumerate() {
            for (inner, &factor) in self.values[row * side..][..side].iter().enumerate() {
                let from = &other.values[inner * side..][..side];
                out.iter_mut().zip(from).for_each(|(sum, &value)| *sum += factor * value);
            }
        }
        Matrix { side, values }
    }
}
