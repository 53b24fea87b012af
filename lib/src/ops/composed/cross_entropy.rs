use candle_core::{Result, Tensor};

use super::super::softmax::Scale;
use super::differentiable;
use super::softmax::forward;

/// [`super::super::softmax_cross_entropy`] of any device. The targets are classes.
pub(in super::super) fn softmax_cross_entropy(
    logits: &Tensor,
    targets: Vec<u32>,
    smoothing: f64,
) -> Result<Tensor> {
    let (batch, classes) = logits.dims2()?;
    let logs = forward(&logits.detach(), 1, Scale::Log)?; // (B, C)
    let targets = Tensor::from_vec(targets, (batch, 1), logits.device())?;
    let mut log_likelihood = (logs.gather(&targets, 1)?.sum_all()? * (1.0 - smoothing))?;
    if smoothing != 0.0 {
        log_likelihood = (log_likelihood + (logs.sum_all()? * (smoothing / classes as f64))?)?;
    }
    let y = (log_likelihood * (-1.0 / batch as f64))?;
    // The probabilities less the targets, over the batch's size.
    differentiable("softmax_cross_entropy", [logits], y, move |given| {
        let numbers = Tensor::arange(0, classes as u32, targets.device())?.unsqueeze(0)?;
        let hits = numbers.broadcast_eq(&targets)?.to_dtype(logs.dtype())?; // (B, C)
        let wanted = hits.affine(1.0 - smoothing, smoothing / classes as f64)?;
        let dy = (&given.dy * (1.0 / batch as f64))?;
        Ok([Some((logs.exp()? - wanted)?.broadcast_mul(&dy)?)])
    })
}
