use candle_core::{Result, Tensor};

use super::super::softmax::Scale;
use super::differentiable;

/// [`super::super::softmax`] and its logarithm along `dim`, of any device.
pub(in super::super) fn softmax(x: &Tensor, dim: usize, scale: Scale) -> Result<Tensor> {
    let y = forward(&x.detach(), dim, scale)?;
    let name = scale.name();
    differentiable(name, [x], y, move |given| {
        let (y, dy) = (&given.y, &given.dy);
        Ok([Some(match scale {
            Scale::Plain => backward(y, dy, dim)?,
            Scale::Log => (dy - y.exp()?.broadcast_mul(&dy.sum_keepdim(dim)?)?)?,
        })])
    })
}

/// Around the largest logit, so that nothing overflows.
pub(super) fn forward(x: &Tensor, dim: usize, scale: Scale) -> Result<Tensor> {
    let x = x.contiguous()?;
    let centred = x.broadcast_sub(&x.max_keepdim(dim)?)?;
    let shares = centred.exp()?;
    let total = shares.sum_keepdim(dim)?;
    match scale {
        Scale::Plain => shares.broadcast_div(&total),
        Scale::Log => centred.broadcast_sub(&total.log()?),
    }
}

/// With `p` the probabilities: `p · (dy - Σ dy·p)`.
pub(super) fn backward(p: &Tensor, dy: &Tensor, dim: usize) -> Result<Tensor> {
    let mean = (p * dy)?.sum_keepdim(dim)?;
    p * dy.broadcast_sub(&mean)?
}
