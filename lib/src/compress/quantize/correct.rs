//! What rounding takes from a layer's mean, given back by its bias.

use candle_core::{DType, Tensor};

use super::calibrate::{HELD, pieces};
use super::place::channel_dim;
use crate::Result;
use crate::nn::{Model, Node, Operator};
use crate::progress::{Progress, Unit};

/// Corrects the biases of the `layers` of a simulation, each the node in the float model with that in the
/// simulation, in their order, so that each channel's mean over the batches is the float model's.
pub(super) fn correct_biases(
    float: &Model,
    simulation: &Model,
    layers: &[(usize, usize)],
    batches: &[Tensor],
) -> Result<()> {
    let total = ((layers.len() + 1) * batches.len()) as u64;
    let mut progress = Progress::start("bias correction", Unit::Steps, Some(total));
    let mut done = 0;
    let mut means = |model: &Model, nodes: &[usize]| -> Result<Vec<Tensor>> {
        let mut sums: Vec<Option<Tensor>> = vec![None; nodes.len()];
        let mut images = 0;
        for batch in batches {
            for piece in pieces(model, nodes, batch, HELD)? {
                progress.at(done)?;
                let count = piece.dim(0)?;
                images += count;
                for ((value, sum), &node) in model.values(&piece, nodes)?.iter().zip(&mut sums).zip(nodes) {
                    let channels = channels(&model.graph().nodes()[node]);
                    let others: Vec<usize> = (0..value.rank()).filter(|&dim| dim != channels).collect();
                    let mean = (value.to_dtype(DType::F64)?.mean(others)? * count as f64)?;
                    *sum = Some(match sum.take() {
                        Some(sum) => (sum + mean)?,
                        None => mean,
                    });
                }
            }
            done += 1;
        }
        sums.into_iter().flatten().map(|sum| Ok((sum / images as f64)?)).collect()
    };
    let nodes: Vec<usize> = layers.iter().map(|(float, _)| *float).collect();
    let wanted = means(float, &nodes)?;
    let bias_of = |layer: usize| simulation.graph().nodes()[layers[layer].1].tensors.get(1).copied();
    for first in 0..layers.len() {
        let Some(bias) = bias_of(first) else { continue };
        // Layers that share it get what they miss in the mean, once.
        if (0..first).any(|layer| bias_of(layer) == Some(bias)) {
            continue;
        }
        let sharing: Vec<usize> =
            (first..layers.len()).filter(|&layer| bias_of(layer) == Some(bias)).collect();
        let nodes: Vec<usize> = sharing.iter().map(|&layer| layers[layer].1).collect();
        let bias = simulation.tensor(bias);
        let mut corrected = bias.as_detached_tensor();
        for (&layer, found) in sharing.iter().zip(means(simulation, &nodes)?) {
            let missing = ((&wanted[layer] - found)? / sharing.len() as f64)?;
            corrected = (corrected + missing.to_dtype(DType::F32)?)?;
        }
        bias.set(&corrected)?;
    }
    Ok(())
}

/// The dimension of a layer's channels in a batch of its values.
fn channels(node: &Node) -> usize {
    match node.operator {
        Operator::Linear { .. } => node.shape.len(),
        _ => channel_dim(&node.shape) + 1,
    }
}
