//! Training that knows of the rounding to come.

use candle_core::Tensor;

use super::config::QuantizeConfig;
use super::model::QuantizedModel;
use super::place::Observing;
use super::report::QuantizeReport;
use super::{Quantized, check_unrounded, in_use, prepared, refused, simulated};
use crate::Result;
use crate::nn::{Model, Operator};

/// How [`qat`] goes about it.
#[derive(Debug, Clone, PartialEq)]
pub struct QatConfig {
    /// What the first ranges are measured by, and which layers are left in f32.
    pub quantize: QuantizeConfig,
    /// The share of each batch's range in the ranges, from 0 to 1, while they are observed.
    pub momentum: f64,
}

impl Default for QatConfig {
    /// The defaults of [`QuantizeConfig`], and a share of 0.01.
    fn default() -> QatConfig {
        QatConfig { quantize: QuantizeConfig::default(), momentum: 0.01 }
    }
}

/// A model to be trained on as any other, by a `Learner` or by hand, which rounds weights and activations as
/// [`quantize_trained`] will, so that it learns to bear it (Jacob et al. 2018, §3): gradients go through as if
/// nothing were rounded, and stop where a value is clamped. Batch norms are folded before. Ranges begin with those
/// of `calibration` and follow the batches of the training until [`Model::freeze_observers`], best before the last
/// epochs. A learning rate of a tenth or a hundredth of the first training's and a few epochs do.
///
/// ```
/// use sconce::{compress::{QatConfig, qat, quantize_trained}, prelude::*};
/// # fn main() -> sconce::Result<()> {
/// let data = datasets::digits()?.split([0.7, 0.15, 0.15], Seed(42))?;
/// let net = Model::build([1, 8, 8], |x| x.conv2d(8, 3).batch_norm().relu().flatten().linear(10))?
///     .init(Seed(1), &Device::Cpu)?;
/// let images = data.train.batches(64).take(4).map(|batch| Ok(batch?.images)).collect::<Result<Vec<_>>>()?;
/// let aware = qat(&net, &images, &QatConfig::default())?;
/// let mut learner = Learner::new(aware.clone(), data).loss(cross_entropy()).optimizer(adamw(1e-4));
/// learner.fit(1)?;
/// aware.freeze_observers()?;
/// learner.fit(1)?;
/// let int8 = quantize_trained(&aware)?;
/// int8.report
/// # ; Ok(()) }
/// ```
///
/// # Errors
/// As [`super::quantize`]; a momentum that is not from 0 to 1.
pub fn qat(model: &Model, calibration: &[Tensor], config: &QatConfig) -> Result<Model> {
    check_unrounded("qat", model)?;
    let observing = Observing::Yes { momentum: config.momentum };
    let (simulation, _) = simulated(prepared(model)?, calibration, &config.quantize, observing)?;
    Ok(simulation)
}

/// The model on integers of one that [`qat`] made and that was trained since, with the ranges that it has.
///
/// # Errors
/// If the model has no fake quantization, or weights that are not finite.
pub fn quantize_trained(model: &Model) -> Result<Quantized> {
    let is_rounded = |operator: &Operator| matches!(operator, Operator::FakeQuantize { .. });
    if !model.graph().nodes().iter().any(|node| is_rounded(&node.operator)) {
        return Err(refused(
            "quantize_trained",
            "a model that compress::qat made".into(),
            "one without fake quantization".into(),
            "compress::quantize takes any model, with batches to calibrate it by.",
        ));
    }
    let parts = in_use(model.parts()?);
    for (spec, tensor) in parts.graph.tensors.iter().zip(&parts.tensors) {
        if !tensor.flatten_all()?.to_vec1::<f32>()?.iter().all(|value| value.is_finite()) {
            return Err(refused(
                &spec.name,
                "finite weights".into(),
                "some that are not".into(),
                "The training has burst: a lower learning rate may help.",
            ));
        }
    }
    let model = QuantizedModel::lowered(parts)?;
    Ok(Quantized { report: QuantizeReport::of(&model), model })
}
