use candle_core::{Result, Tensor, Var};

use super::super::batch_norm::BatchNormConfig;
use super::sums::channel_sums;
use super::{Backward, differentiable};

/// [`super::super::batch_norm_train`] of any device; a channel has `count` values.
pub(in super::super) fn batch_norm_train(
    [x, weight, bias]: [&Tensor; 3],
    (running_mean, running_var): (&Var, &Var),
    config: BatchNormConfig,
    count: usize,
) -> Result<Tensor> {
    #[cfg(feature = "cuda")]
    if super::super::cuda::computes(&[x, weight]) {
        return super::super::cuda::batch_norm_train(
            [x, weight, bias],
            (running_mean, running_var),
            config,
            count,
        );
    }
    let planes = planes(&x.detach())?;
    let share = 1.0 / count as f64;
    let mean = (channel_sums(&planes)? * share)?; // (C)
    let centred = planes.broadcast_sub(&of_channels(&mean)?)?;
    let var = (channel_sums(&centred.sqr()?)? * share)?;
    move_running((running_mean, running_var), (&mean, &var), config.momentum, count)?;
    let inverse = inverse_std(&var, config.eps)?;
    let y = affine(&centred, &inverse, &weight.detach(), &bias.detach())?.reshape(x.shape())?;
    // dx = scale · (dy - mean(dy) - x̂ · mean(dy · x̂)): the statistics follow x.
    differentiable("batch_norm", [x, weight, bias], y, move |given| {
        let Reduced { centred, dy, dw, db } = Reduced::of(given, &mean, &inverse)?;
        let dx = given.of(0, || {
            let shift = of_channels(&(&db * share)?)?;
            let slope = of_channels(&((&dw * &inverse)? * share)?)?;
            let scale = of_channels(&(&given.inputs[1] * &inverse)?)?;
            let dx = (dy.broadcast_sub(&shift)? - centred.broadcast_mul(&slope)?)?;
            dx.broadcast_mul(&scale)?.reshape(given.dy.shape())
        })?;
        Ok([dx, Some(dw), Some(db)])
    })
}

/// [`super::super::batch_norm_eval`] of any device.
pub(in super::super) fn batch_norm_eval(
    [x, weight, bias]: [&Tensor; 3],
    (mean, var): (&Tensor, &Tensor),
    config: BatchNormConfig,
) -> Result<Tensor> {
    #[cfg(feature = "cuda")]
    if super::super::cuda::computes(&[x, weight]) {
        return super::super::cuda::batch_norm_eval([x, weight, bias], (mean, var), config);
    }
    let (mean, inverse) = (mean.detach(), inverse_std(&var.detach(), config.eps)?);
    let centred = planes(&x.detach())?.broadcast_sub(&of_channels(&mean)?)?;
    let y = affine(&centred, &inverse, &weight.detach(), &bias.detach())?.reshape(x.shape())?;
    differentiable("batch_norm", [x, weight, bias], y, move |given| {
        let dx = given.of(0, || {
            let scale = of_channels(&(&given.inputs[1] * &inverse)?)?;
            planes(&given.dy)?.broadcast_mul(&scale)?.reshape(given.dy.shape())
        })?;
        if !given.wanted[1] && !given.wanted[2] {
            return Ok([dx, None, None]);
        }
        let Reduced { dw, db, .. } = Reduced::of(given, &mean, &inverse)?;
        Ok([dx, Some(dw), Some(db)])
    })
}

/// Moves the running statistics towards those of a batch of `count` values a channel.
pub(in super::super) fn move_running(
    (running_mean, running_var): (&Var, &Var),
    (mean, var): (&Tensor, &Tensor),
    momentum: f64,
    count: usize,
) -> Result<()> {
    // The running variance is the unbiased one.
    let unbiased = count as f64 / (count - 1) as f64;
    for (running, batch, scale) in [(running_mean, mean, 1.0), (running_var, var, unbiased)] {
        let kept = (running.as_detached_tensor() * (1.0 - momentum))?;
        running.set(&(kept + (batch * (momentum * scale))?.to_dtype(running.dtype())?)?)?;
    }
    Ok(())
}

/// What the gradient needs of x and dy: the parts and sums per channel.
struct Reduced {
    centred: Tensor,
    dy: Tensor,
    dw: Tensor,
    db: Tensor,
}

impl Reduced {
    fn of(given: &Backward<3>, mean: &Tensor, inverse: &Tensor) -> Result<Reduced> {
        let centred = planes(&given.inputs[0])?.broadcast_sub(&of_channels(mean)?)?;
        let dy = planes(&given.dy)?;
        let dw = (channel_sums(&(&centred * &dy)?)? * inverse)?;
        let db = channel_sums(&dy)?;
        Ok(Reduced { centred, dy, dw, db })
    }
}

/// (B, C, …) as (B, C, P).
fn planes(x: &Tensor) -> Result<Tensor> {
    let (batch, channels) = (x.dim(0)?, x.dim(1)?);
    x.contiguous()?.reshape((batch, channels, ()))
}

/// Values of channels (C) beside (B, C, P).
fn of_channels(values: &Tensor) -> Result<Tensor> {
    values.reshape((1, (), 1))
}

pub(in super::super) fn inverse_std(var: &Tensor, eps: f64) -> Result<Tensor> {
    (var + eps)?.sqrt()?.recip()
}

fn affine(centred: &Tensor, inverse: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    let scale = of_channels(&(inverse * weight)?)?;
    centred.broadcast_mul(&scale)?.broadcast_add(&of_channels(bias)?)
}
