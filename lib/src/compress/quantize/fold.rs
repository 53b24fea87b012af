//! Batch norm in use is a number that each channel is multiplied with and one that is added, which the layer before
//! it can do.

use std::collections::HashMap;

use candle_core::Tensor;

use super::rewrite::{compact, is_shared, uses};
use crate::Result;
use crate::nn::{Graph, Initial, Model, Operator, Parts, Role, TensorSpec};

/// The same model in use, each batch norm that directly follows a convolution or a linear layer as part of that
/// layer's weight and bias (Jacob et al. 2018, §3.2). Outputs are those of [`Mode::Eval`](crate::nn::Mode::Eval)
/// but for rounding. Norms that stand elsewhere, or behind a layer that something else needs too or that shares its
/// weights, stay. `model` stays as it is.
///
/// ```
/// use sconce::{compress::fold_batch_norm, prelude::*};
/// # fn main() -> sconce::Result<()> {
/// let net = Model::build([3, 16, 16], |x| x.conv2d(16, 3).batch_norm().relu().global_avg_pool().linear(10))?
///     .init(Seed(1), &Device::Cpu)?;
/// let folded = fold_batch_norm(&net)?;
/// assert_eq!(folded.graph().nodes().len(), net.graph().nodes().len() - 1);
/// # Ok(()) }
/// ```
///
/// # Errors
/// If there is not enough memory.
pub fn fold_batch_norm(model: &Model) -> Result<Model> {
    Model::of_parts(folded(model.parts()?)?)
}

pub(super) fn folded(mut parts: Parts) -> Result<Parts> {
    let uses = uses(&parts.graph);
    let mut gone = HashMap::new();
    for norm in 0..parts.graph.nodes.len() {
        if let Some(layer) = layer_before(&parts.graph, &uses, norm) {
            fold(&mut parts, layer, norm)?;
            gone.insert(norm, layer);
        }
    }
    Ok(compact(parts, &gone))
}

/// The layer that can take over a batch norm.
fn layer_before(graph: &Graph, uses: &[usize], norm: usize) -> Option<usize> {
    let node = &graph.nodes[norm];
    let (Operator::BatchNorm { .. }, &[layer]) = (&node.operator, node.inputs.as_slice()) else {
        return None;
    };
    let fits = match graph.nodes[layer].operator {
        Operator::Conv2d { .. } => true,
        // Behind tokens the norm's channels are not the layer's.
        Operator::Linear { .. } => graph.nodes[layer].shape.len() == 1,
        _ => false,
    };
    (fits && uses[layer] == 1 && !is_shared(graph, layer) && !is_shared(graph, norm)).then_some(layer)
}

fn fold(parts: &mut Parts, layer: usize, norm: usize) -> Result<()> {
    let Operator::BatchNorm { config, .. } = parts.graph.nodes[norm].operator else { return Ok(()) };
    add_bias(parts, layer)?;
    let read = |tensor: usize| -> Result<Vec<f32>> { Ok(parts.tensors[tensor].flatten_all()?.to_vec1()?) };
    let of_norm = &parts.graph.nodes[norm].tensors;
    let [scale, shift, mean, var] =
        [read(of_norm[0])?, read(of_norm[1])?, read(of_norm[2])?, read(of_norm[3])?];
    let [place, bias_place] = [parts.graph.nodes[layer].tensors[0], parts.graph.nodes[layer].tensors[1]];
    let (mut weight, mut bias) = (read(place)?, read(bias_place)?);
    let size = (weight.len() / bias.len().max(1)).max(1);
    for (channel, weight) in weight.chunks_mut(size).enumerate() {
        let factor = f64::from(scale[channel]) / (f64::from(var[channel]) + config.eps).sqrt();
        weight.iter_mut().for_each(|value| *value = (f64::from(*value) * factor) as f32);
        let centred = f64::from(bias[channel]) - f64::from(mean[channel]);
        bias[channel] = (centred * factor + f64::from(shift[channel])) as f32;
    }
    let tensor = |values: Vec<f32>, place: usize| {
        Tensor::from_vec(values, parts.tensors[place].shape(), &parts.device)
    };
    let (weight, bias) = (tensor(weight, place)?, tensor(bias, bias_place)?);
    parts.tensors[place] = weight;
    parts.tensors[bias_place] = bias;
    Ok(())
}

/// Gives a convolution or a linear layer a bias of zeros, if it has none. Layers that share weights share it.
pub(super) fn add_bias(parts: &mut Parts, layer: usize) -> Result<()> {
    if let Some(owner) = parts.graph.nodes[layer].shares {
        add_bias(parts, owner)?;
        let (operator, tensors) =
            (parts.graph.nodes[owner].operator.clone(), parts.graph.nodes[owner].tensors.clone());
        let node = &mut parts.graph.nodes[layer];
        (node.operator, node.tensors) = (operator, tensors);
        return Ok(());
    }
    let node = &mut parts.graph.nodes[layer];
    let channels = match &mut node.operator {
        Operator::Conv2d { out_channels, config, .. } if !config.bias => {
            config.bias = true;
            *out_channels
        }
        Operator::Linear { out_features, config, .. } if !config.bias => {
            config.bias = true;
            *out_features
        }
        _ => return Ok(()),
    };
    let weight = &parts.graph.tensors[node.tensors[0]].name;
    let mut name = format!("{}bias", weight.strip_suffix("weight").unwrap_or(weight));
    while parts.graph.tensors.iter().any(|spec| spec.name == name) {
        name.push('_');
    }
    let spec =
        TensorSpec { name, shape: vec![channels], initial: Initial::Constant(0.0), role: Role::Parameter };
    parts.frozen.push(parts.frozen[node.tensors[0]]);
    parts.masks.push(None);
    node.tensors.push(parts.tensors.len());
    parts.graph.tensors.push(spec);
    parts.tensors.push(Tensor::zeros(channels, candle_core::DType::F32, &parts.device)?);
    Ok(())
}
