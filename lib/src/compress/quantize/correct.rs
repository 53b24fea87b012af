//! What rounding takes from a layer's mean, given back by its bias.

use candle_core::{DType, Tensor};

use super::place::channel_dim;
use crate::Result;
use crate::nn::Model;
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
        for batch in batches {
            progress.at(done)?;
            done += 1;
            for ((value, sum), &node) in model.values(batch, nodes)?.iter().zip(&mut sums).zip(nodes) {
                let channels = channel_dim(&model.graph().nodes()[node].shape) + 1;
                let others: Vec<usize> = (0..value.rank()).filter(|&dim| dim != channels).collect();
                let mean = value.to_dtype(DType::F64)?.mean(others)?;
                *sum = Some(match sum.take() {
                    Some(sum) => (sum + mean)?,
                    None => mean,
                });
            }
        }
        sums.into_iter().flatten().map(|sum| Ok((sum / batches.len() as f64)?)).collect()
    };
    let nodes: Vec<usize> = layers.iter().map(|(float, _)| *float).collect();
    let wanted = means(float, &nodes)?;
    for ((_, node), wanted) in layers.iter().zip(wanted) {
        let Some(&bias) = simulation.graph().nodes()[*node].tensors.get(1) else { continue };
        let found = means(simulation, &[*node])?;
        let Some(found) = found.first() else { continue };
        let bias = simulation.tensor(bias);
        let missing = (wanted - found)?.to_dtype(DType::F32)?;
        bias.set(&(bias.as_detached_tensor() + missing)?)?;
    }
    Ok(())
}
