use candle_core::{Result, Tensor};

use super::super::interpolate::{Interpolate, Mix};
use super::axis_sums::{AxisSums, image_sums};
use super::differentiable;

/// [`super::super::interpolate`] of any device.
pub(in super::super) fn interpolate(op: &Interpolate, x: &Tensor) -> Result<Tensor> {
    let sums = |mixes: &[Mix], inputs: usize| AxisSums { inputs, terms: mixes.iter().map(terms).collect() };
    let sums = [sums(&op.rows, op.input[0]), sums(&op.columns, op.input[1])];
    let y = image_sums(&sums, &x.detach())?;
    let transposed = sums.map(|sums| sums.transposed());
    differentiable("interpolate", [x], y, move |given| Ok([Some(image_sums(&transposed, &given.dy)?)]))
}

/// What has no share is left out: it may be no number.
fn terms(mix: &Mix) -> Vec<(usize, f64)> {
    if mix.share == 0.0 {
        return vec![(mix.first, 1.0)];
    }
    vec![(mix.first, 1.0 - mix.share), (mix.second, mix.share)]
}
