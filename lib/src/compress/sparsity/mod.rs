//! Single weights that are held at 0.

mod gradual;
mod report;
mod select;
mod weights;

use candle_core::Tensor;

use super::prune::Scope;
use crate::nn::Model;
use crate::{Error, Result};

pub use gradual::{GradualPruning, Span};
pub use report::{LayerSparsity, LeftOut, LeftOutReason, SparsityReport};

/// Which weights are to be held at 0. [`SparsityConfig::unstructured`] and [`SparsityConfig::two_of_four`] are where to start.
#[derive(Debug, Clone, Default)]
pub struct SparsityConfig {
    /// What the zeros of a layer look like.
    pub pattern: Pattern,
    /// Whether each layer loses its share or the smallest weights of all layers go, compared as they are, as PyTorch's
    /// `global_unstructured` does. Of so many of every few each layer loses the same share anyway.
    pub scope: Scope,
    /// Names of layers or of their weights, `*` for any characters, that keep all their weights.
    pub exclude: Vec<String>,
    /// Names of layers or of their weights with the largest share, from 0 to 1, that they may lose. Not for [`Pattern::NOfM`].
    pub limits: Vec<(String, f64)>,
}

/// What the zeros of a layer look like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pattern {
    /// The smallest weights go, wherever they lie.
    Unstructured {
        /// The share of the weights that is 0 afterwards, from 0 to below 1: so many of a layer as are closest to it.
        sparsity: f64,
    },
    /// Of each group of weights that follow each other along the inputs the largest stay (NVIDIA's 2:4: Mishra et al. 2021): of a linear layer, of
    /// an output the weights of inputs 0 to 3, 4 to 7 and so on; of a convolution, of an output and for each of its taps those of
    /// input channels 0 to 3 and so on. A layer whose inputs are no multiple of a group is left out, and the report says so.
    NOfM {
        /// How many of a group stay.
        keep: usize,
        /// How many a group has.
        of: usize,
    },
}

impl Default for Pattern {
    /// Half of the weights.
    fn default() -> Pattern {
        Pattern::Unstructured { sparsity: 0.5 }
    }
}

impl SparsityConfig {
    /// This share of the weights, from 0 to below 1, is 0 afterwards: the smallest ones of each layer.
    #[must_use]
    pub fn unstructured(sparsity: f64) -> SparsityConfig {
        SparsityConfig { pattern: Pattern::Unstructured { sparsity }, ..SparsityConfig::default() }
    }

    /// Of every four weights along the inputs the two largest stay.
    #[must_use]
    pub fn two_of_four() -> SparsityConfig {
        SparsityConfig { pattern: Pattern::NOfM { keep: 2, of: 4 }, ..SparsityConfig::default() }
    }

    /// The smallest weights of all layers go together.
    #[must_use]
    pub fn global(mut self) -> SparsityConfig {
        self.scope = Scope::Global;
        self
    }

    fn check(&self) -> Result<()> {
        match self.pattern {
            Pattern::Unstructured { sparsity } if !(0.0..1.0).contains(&sparsity) => {
                let got = match sparsity >= 1.0 {
                    true => format!("{sparsity}, which leaves nothing"),
                    false => sparsity.to_string(),
                };
                return Err(refused(
                    "a share of the weights from 0 to below 1",
                    got,
                    "0.5 prunes half of them.",
                ));
            }
            Pattern::NOfM { keep, of } if keep == 0 || keep >= of => {
                let expected = "at least 1 weight of a group to stay, and fewer than it has";
                return Err(refused(expected, format!("{keep} of {of}"), "2 of 4 is what GPUs know."));
            }
            Pattern::NOfM { .. } if !self.limits.is_empty() => {
                let got = format!("limits and {:?}", self.pattern);
                return Err(refused(
                    "no limits where a group says what goes",
                    got,
                    "Exclude the layers instead.",
                ));
            }
            _ => {}
        }
        match self.limits.iter().find(|(_, limit)| !(0.0..=1.0).contains(limit)) {
            Some((pattern, limit)) => {
                Err(refused("a limit from 0 to 1", format!("{limit} for {pattern:?}"), ""))
            }
            None => Ok(()),
        }
    }
}

/// A model with weights that are held at 0, and what became of it.
#[derive(Debug, Clone)]
pub struct Sparse {
    /// The new model. It shares nothing with the old one.
    pub model: Model,
    /// How many weights are 0 where.
    pub report: SparsityReport,
}

/// Sets the smallest weights of linear layers, convolutions and attention to 0 (Han et al. 2015) and holds them there: biases and norms stay as they
/// are. `model` stays, too; the new one has masks as a part of it, and whatever is trained of it with optimizers and averages of
/// ours, by a [`Learner`](crate::train::Learner) or in a loop by hand, keeps its zeros at 0. They are in its state and its files, and in copies that
/// are made of it. What was held at 0 before stays so and counts as pruned.
///
/// The layers compute as before: nothing is faster by it. [`Model::save_compact`] makes the file smaller.
///
/// ```
/// use sconce::{compress::{SparsityConfig, prune_weights}, prelude::*};
/// # fn main() -> sconce::Result<()> {
/// let data = datasets::digits()?.split([0.7, 0.15, 0.15], Seed(42))?;
/// let net = Model::build([1, 8, 8], |x| x.conv2d(16, 3).relu().named("stem").flatten().linear(10))?
///     .init(Seed(42), &Device::Cpu)?;
/// let sparse = prune_weights(&net, &SparsityConfig::unstructured(0.75))?;
/// Learner::new(sparse.model.clone(), data).optimizer(adamw(1e-3)).fit(1)?;
/// assert_eq!(SparsityReport::of(&sparse.model)?.sparsity(), 0.75);
/// # use sconce::compress::SparsityReport;
/// sparse.report
/// # ; Ok(()) }
/// ```
///
/// # Errors
/// If the share is not from 0 to below 1, a group keeps none or all of its weights, a name is none of a layer with weights, there is no layer that can be
/// pruned so, a layer would lose all of its weights (the error names it), or weights are not finite.
pub fn prune_weights(model: &Model, config: &SparsityConfig) -> Result<Sparse> {
    let model = Model::of_parts(model.parts()?)?;
    let report = prune_weights_in_place(&model, config)?;
    Ok(Sparse { model, report })
}

/// The same to the model itself and all handles to it, as it is done while a model is trained: optimizers that were made before keep what is
/// held from now on at 0, too.
///
/// # Errors
/// As [`prune_weights`]; the model is then as it was.
pub fn prune_weights_in_place(model: &Model, config: &SparsityConfig) -> Result<SparsityReport> {
    let left_out = hold(model, config)?;
    SparsityReport::new(model, left_out)
}

/// The same without a report, which takes a look at all weights; what keeps all of its weights.
fn hold(model: &Model, config: &SparsityConfig) -> Result<Vec<LeftOut>> {
    config.check()?;
    let chosen = select::chosen(model, config)?;
    for (tensor, mask) in chosen.masks {
        let shape = model.graph().tensors()[tensor].shape.as_slice();
        model.hold(tensor, Some(Tensor::from_vec(mask, shape, model.device())?))?;
    }
    Ok(chosen.left_out)
}

/// An error of pruning weights.
fn refused(expected: &str, got: String, hint: &str) -> Error {
    Error::Argument { op: "prune_weights".into(), expected: expected.into(), got, hint: hint.into() }
}
