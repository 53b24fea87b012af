use candle_core::{D, Result, Tensor};

use super::differentiable;

/// [`super::super::global_avg_pool`] of any device.
pub(in super::super) fn global_avg_pool(x: &Tensor) -> Result<Tensor> {
    let planes = x.detach().contiguous()?.flatten_from(2)?; // (B, C, H·W)
    let share = 1.0 / planes.dim(D::Minus1)? as f64;
    let y = (planes.sum(D::Minus1)? * share)?; // (B, C)
    differentiable("global_avg_pool", [x], y, move |given| {
        let dy = (&given.dy * share)?.unsqueeze(2)?.unsqueeze(3)?; // (B, C, 1, 1)
        Ok([Some(dy.broadcast_as(given.inputs[0].shape())?)])
    })
}
