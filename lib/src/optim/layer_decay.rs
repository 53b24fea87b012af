use super::group::{ParamGroup, param_group};
use crate::ops::Parameter;
use crate::{Error, Result};

/// Learning rates that fall towards the input (ULMFiT, Howard and Ruder 2018; BEiT, Bao et al. 2022): what comes last trains at the
/// full rate, each block before it at `factor` times the rate of the next, `factor` above 0 and at most 1. For
/// [`OptimizerConfig::groups`](super::OptimizerConfig::groups):
///
/// ```no_run
/// use sconce::{models, optim::{adamw, layer_decay}};
/// # fn main() -> sconce::Result<()> {
/// # let device = candle_core::Device::Cpu;
/// let net = models::pretrained("vit_b_16", models::ModelConfig::default().num_classes(10), &device)?.net;
/// let config = adamw(1e-3).groups(layer_decay(&net.parameters(), 0.75)?);
/// # Ok(()) }
/// ```
///
/// Blocks are read from the names, in the order of the parameters: `layer1.0` of a ResNet, `encoder.layers.encoder_layer_0` of a ViT,
/// that is all that has the same name up to its first part that is a number, or ends in one after a `_`. What stands before
/// the first of them is one block, the stem, and what stands behind or between them is one, too. Where no name has a number,
/// every layer is a block.
///
/// # Errors
/// A factor out of its range; no parameters.
pub fn layer_decay(parameters: &[Parameter], factor: f64) -> Result<Vec<ParamGroup>> {
    let wrong = |expected: &str, got: String, hint: &str| Error::Argument {
        op: "layer_decay".into(),
        expected: expected.into(),
        got,
        hint: hint.into(),
    };
    if !(factor > 0.0 && factor <= 1.0) {
        let hint = "0.75 is common for transformers, 0.9 for others.";
        return Err(wrong("a factor above 0 and at most 1", factor.to_string(), hint));
    }
    if parameters.is_empty() {
        return Err(wrong("parameters", "none".into(), "Give it those of the model, net.parameters()."));
    }
    let blocks = blocks(parameters);
    let last = blocks.len() - 1;
    let groups = blocks.into_iter().enumerate().map(|(depth, names)| {
        let below = (last - depth) as f64;
        param_group(names).lr_scale(factor.powf(below))
    });
    Ok(groups.collect())
}

/// The names of each block's parameters, in the order in which the blocks begin.
fn blocks(parameters: &[Parameter]) -> Vec<Vec<String>> {
    let names: Vec<&str> = parameters.iter().map(|parameter| parameter.name.as_str()).collect();
    let any_number = names.iter().any(|name| numbered(name).is_some());
    let mut blocks: Vec<(Option<&str>, Vec<String>)> = Vec::new();
    for name in names {
        let block = if any_number { numbered(name) } else { Some(layer(name)) };
        let known = match block {
            Some(_) => blocks.iter_mut().find(|(known, _)| *known == block),
            // Only what stands side by side is one block.
            None => blocks.last_mut().filter(|(known, _)| known.is_none()),
        };
        match known {
            Some((_, names)) => names.push(name.to_owned()),
            None => blocks.push((block, vec![name.to_owned()])),
        }
    }
    blocks.into_iter().map(|(_, names)| names).collect()
}

/// The name up to the first part that is a number or ends in `_` and one. The last part is the parameter's own.
fn numbered(name: &str) -> Option<&str> {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let mut end = 0;
    for part in layer(name).split('.') {
        end += part.len();
        if number(part.rsplit('_').next().unwrap_or(part)) {
            return Some(&name[..end]);
        }
        end += 1;
    }
    None
}

/// The name of a parameter's layer.
fn layer(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(layer, _)| layer)
}
