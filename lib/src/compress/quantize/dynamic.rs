//! Linear layers on integers without calibration.

use super::config::QuantizeConfig;
use super::model::QuantizedModel;
use super::report::QuantizeReport;
use super::{Quantized, check_unrounded, in_use, prepared, refused};
use crate::Result;
use crate::nn::{Model, Operator, WeightPrecision};

/// Makes a model whose linear layers compute on integers of 8 bits, those of attention too: weights for each output
/// channel, and what comes in rounded in the range that each batch has. Nothing is calibrated; all else is computed
/// in f32. It is the way for transformers, whose linear layers are most of them and whose activations differ much
/// from image to image. `exclude` are names of layers that stay, `*` for any characters. `model` stays as it is.
///
/// # Errors
/// If no layer has a name that is to be excluded, or there is no linear layer left; if a weight is not finite (the error
/// names its layer), or the model is one of [`super::qat`]'s.
pub fn quantize_dynamic(model: &Model, exclude: &[&str]) -> Result<Quantized> {
    check_unrounded("quantize_dynamic", model)?;
    let mut parts = in_use(prepared(model)?);
    let exclude = exclude.iter().map(|&name| name.to_owned()).collect();
    let excluded = QuantizeConfig { exclude, ..QuantizeConfig::default() }.excluded(&parts.graph)?;
    let mut found = false;
    for (node, excluded) in parts.graph.nodes.iter_mut().zip(excluded) {
        if let Operator::Linear { config, .. } = &mut node.operator
            && !excluded
        {
            config.weights = WeightPrecision::Int8;
            found = true;
        }
    }
    if !found {
        let hint = "compress::quantize computes convolutions on integers, too.";
        return Err(refused("quantize_dynamic", "a linear layer".into(), "none".into(), hint));
    }
    let model = QuantizedModel::lowered(parts)?;
    Ok(Quantized { report: QuantizeReport::of(&model), model })
}
