//! Models in integers of 8 bits.
//!
//! A float model becomes a *simulation* first: batch norms folded, weights and activations rounded to what 8 bits
//! can stand for, all of it in f32 and trainable. [`quantize`] measures the ranges for it and lowers it to a
//! [`QuantizedModel`], which computes the same on integers.

mod calibrate;
mod compare;
mod config;
mod correct;
mod dynamic;
mod file;
mod fold;
mod half;
mod histogram;
mod layers;
mod memory;
mod model;
mod place;
mod plan;
mod qat;
mod report;
mod rewrite;
mod run;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use candle_core::Tensor;

pub use compare::{LayerError, LayerErrors, compare_layers};
pub use config::{BiasCorrection, Calibration, QuantizeConfig};
pub use dynamic::quantize_dynamic;
pub use fold::fold_batch_norm;
pub use half::{HalfModel, HalfType, half_weights};
pub(crate) use layers::Stored;
pub use model::QuantizedModel;
pub(crate) use place::{has_fixed_range, moves_numbers};
pub(crate) use plan::Work;
pub use qat::{QatConfig, qat, quantize_trained};
pub use report::{Computes, QuantizeReport, QuantizedLayer};
pub(crate) use rewrite::in_use;

use self::calibrate::ranges;
use self::correct::correct_biases;
use self::fold::{add_bias, folded};
use self::place::{Observing, Places};
use super::heads::unfolded;
use crate::nn::{Graph, Model, Node, Operator, Parts};
use crate::{Error, Result};

/// A model on integers, and what became of its layers.
#[derive(Debug, Clone)]
pub struct Quantized {
    /// The new model.
    pub model: QuantizedModel,
    /// What its layers compute with.
    pub report: QuantizeReport,
}

/// Makes a model that computes on integers of 8 bits (Jacob et al. 2018, Krishnamoorthi 2018): weights for each
/// output channel, symmetric; activations for each tensor, asymmetric, in ranges measured on `calibration`, batches
/// (B, C, H, W) of images like those that the model is for; some hundred images do. Convolutions, linear layers and
/// what stands between them run on integers; attention, layer norms, other activations than ReLU and ReLU6, and
/// code of your own run in f32, with rounding around them. What the model gives is f32; its range is kept beside it for
/// exports that give bytes. `model` stays as it is; what is for training only is left out.
///
/// ```
/// use sconce::{compress::{QuantizeConfig, quantize}, prelude::*};
/// # fn main() -> sconce::Result<()> {
/// let data = datasets::digits()?;
/// let net = Model::build([1, 8, 8], |x| x.conv2d(8, 3).batch_norm().relu().flatten().linear(10))?
///     .init(Seed(1), &Device::Cpu)?;
/// let images = data.batches(64).take(4).map(|batch| Ok(batch?.images)).collect::<Result<Vec<_>>>()?;
/// let int8 = quantize(&net, &images, &QuantizeConfig::default())?;
/// let logits = int8.model.forward(&images[0])?;
/// int8.report
/// # ; Ok(()) }
/// ```
///
/// # Errors
/// If there are no batches, or values that are not finite (the error names the layer they come out of); if no layer
/// has a name that is to be excluded, or nothing is left to quantize; if the model is one of [`qat`]'s;
/// [`Error::Interrupted`].
pub fn quantize(model: &Model, calibration: &[Tensor], config: &QuantizeConfig) -> Result<Quantized> {
    check_unrounded("quantize", model)?;
    let parts = in_use(prepared(model)?);
    let (simulation, _) = simulated(parts, calibration, config, Observing::No)?;
    let model = QuantizedModel::lowered(simulation.parts()?)?;
    Ok(Quantized { report: QuantizeReport::of(&model), model })
}

/// A model whose layers can be quantized one by one: attention in PyTorch's layout as the layers it is made of,
/// batch norms folded.
pub(crate) fn prepared(model: &Model) -> Result<Parts> {
    folded(unfolded(model.parts()?)?)
}

/// The simulation of a prepared model, calibrated.
fn simulated(
    mut parts: Parts,
    calibration: &[Tensor],
    config: &QuantizeConfig,
    observing: Observing,
) -> Result<(Model, Vec<usize>)> {
    check_inputs(&parts.graph)?;
    let excluded = config.excluded(&parts.graph)?;
    let places = Places::of(&parts.graph, &excluded);
    let layers = places.layers(&parts.graph);
    if layers.is_empty() {
        return Err(refused(
            "quantize",
            "a convolution or a linear layer to compute on integers".into(),
            "none".into(),
            "Exclude fewer layers.",
        ));
    }
    if config.bias_correction == BiasCorrection::Empirical {
        layers.iter().try_for_each(|&layer| add_bias(&mut parts, layer))?;
    }
    let float = Model::of_parts(parts.clone())?;
    let ranges = ranges(&float, (&places.nodes(), &places.observed()), calibration, config.calibration)?;
    let (parts, at) = places.simulation(parts, &ranges, observing)?;
    // Tensors in the order of their layers.
    let simulation = Model::of_parts(rewrite::compact(parts, &HashMap::new()))?;
    if config.bias_correction == BiasCorrection::Empirical {
        let layers: Vec<(usize, usize)> = layers.iter().map(|&layer| (layer, at[layer])).collect();
        correct_biases(&float, &simulation, &layers, calibration)?;
    }
    Ok((simulation, at))
}

/// Refuses a model whose values are rounded already: they would be rounded twice.
fn check_unrounded(op: &str, model: &Model) -> Result<()> {
    let rounds = |node: &&Node| matches!(node.operator, Operator::FakeQuantize { .. });
    match model.graph().nodes().iter().find(rounds) {
        None => Ok(()),
        Some(node) => Err(refused(
            op,
            "a model whose values are not rounded yet".into(),
            format!("one with {}", node.label()),
            "compress::quantize_trained takes what compress::qat made.",
        )),
    }
}

/// Refuses a model whose batches are not images alone.
fn check_inputs(graph: &Graph) -> Result<()> {
    let hint = "Models with other inputs run in f32; `half_weights` and pruning make them smaller.";
    graph.only_image("quantization", hint).map(|_| ())
}

fn refused(op: &str, expected: String, got: String, hint: &str) -> Error {
    Error::Argument { op: op.into(), expected, got, hint: hint.into() }
}
