//! Numbers rounded to what bytes can stand for, while they stay floats.

use candle_core::{DType, Tensor};
use rayon::prelude::*;

use super::composed::{self, differentiable};
use super::elementwise::{BLOCK, kept};
use super::host::with_values;
use super::int8::Quantization;
use super::operands::check;
use super::simd::vectorized;
use crate::{Error, Result};

/// What is no wider than this is taken as a range of nothing but 0.
const NARROW: f32 = 1e-20;
/// The largest size of a weight's number; -128 is left out, so that weights are symmetric.
pub(crate) const MOST: f32 = 127.0;

impl Quantization {
    /// That of the numbers from `min` to `max`, widened so that 0 is among them and exact (Jacob et al. 2018). A
    /// range of nothing but 0, or one that is not finite, is taken as 0 to 1.
    #[must_use]
    pub fn of_range(min: f32, max: f32) -> Quantization {
        let (min, max) = (min.min(0.0), max.max(0.0));
        let span = max - min;
        let (min, span) = if span.is_finite() && span > NARROW { (min, span) } else { (0.0, 1.0) };
        let scale = span / 255.0;
        Quantization { scale, zero_point: (-min / scale).round_ties_even().clamp(0.0, 255.0) as u8 }
    }

    /// The step that is nearest to a number.
    #[must_use]
    pub fn step(self, value: f32) -> u8 {
        ((value * (1.0 / self.scale)).round_ties_even() + f32::from(self.zero_point)).clamp(0.0, 255.0) as u8
    }

    /// Of `x`, into `y`: the nearest numbers that bytes stand for. What is not a number stays so.
    pub(crate) fn round_into(self, x: &[f32], y: &mut [f32]) {
        let (scale, inverse, zero) = (self.scale, 1.0 / self.scale, f32::from(self.zero_point));
        y.par_chunks_mut(BLOCK).zip(x.par_chunks(BLOCK)).for_each(|(y, x)| {
            vectorized(|| {
                for (y, &x) in y.iter_mut().zip(x) {
                    let byte = (x * inverse).round_ties_even() + zero;
                    let byte = if byte < 0.0 { 0.0 } else { byte };
                    let byte = if byte > 255.0 { 255.0 } else { byte };
                    *y = (byte - zero) * scale;
                }
            });
        });
    }

    /// The gradient of `x` in the place of that of its rounded values: the same, and 0 for what was clamped.
    pub(crate) fn straight_through(self, x: &[f32], dy: &mut [f32]) {
        let (inverse, zero) = (1.0 / self.scale, f32::from(self.zero_point));
        dy.par_chunks_mut(BLOCK).zip(x.par_chunks(BLOCK)).for_each(|(dy, x)| {
            vectorized(|| {
                for (dy, &x) in dy.iter_mut().zip(x) {
                    let byte = (x * inverse).round_ties_even() + zero;
                    let inside = (0.0..=255.0).contains(&byte);
                    *dy = if inside { kept(*dy) } else { 0.0 };
                }
            });
        });
    }
}

/// Every value rounded to the nearest that a byte stands for, as `torch.fake_quantize_per_tensor_affine` does it.
/// The gradient goes through as if nothing had been rounded, and is 0 for what was clamped (the straight-through
/// estimator, Bengio et al. 2013). Keeps the shape.
///
/// # Errors
/// If `x` is not f32.
pub fn fake_quantize(x: &Tensor, bytes: Quantization) -> Result<Tensor> {
    let op = "fake_quantize";
    check(op, &[("x", x)])?;
    only_f32(op, x)?;
    let y = rounded(&x.detach(), bytes)?;
    Ok(differentiable(op, [x], y, move |given| {
        let [x] = &given.inputs;
        Ok([Some(gradient(x, &given.dy, bytes)?)])
    })?)
}

/// A weight (O, …) rounded to the nearest of 255 numbers for each output channel, evenly spread from the channel's
/// largest size to its negative, as `torch.fake_quantize_per_channel_affine` does it with the scale `largest /
/// 127`. The gradient goes through as if nothing had been rounded; nothing is clamped. Keeps the shape.
///
/// # Errors
/// If `weight` is not f32 or has no dimension.
pub fn fake_quantize_weight(weight: &Tensor) -> Result<Tensor> {
    let op = "fake_quantize_weight";
    check(op, &[("weight", weight)])?;
    only_f32(op, weight)?;
    let flat = weight.detach().contiguous()?.flatten_from(1)?; // (O, D)
    let y = match flat.device().is_cpu() {
        true => {
            let channels = flat.dim(0)?;
            let values = with_values(&[&flat], |from| round_channels(from[0], channels))?;
            Tensor::from_vec(values, weight.shape(), weight.device())?
        }
        false => {
            let most = flat.abs()?.max_keepdim(1)?; // (O, 1)
            let scale = (most / f64::from(MOST))?;
            // A channel of zeros stays one.
            let scale = scale.le(f64::from(NARROW))?.where_cond(&scale.ones_like()?, &scale)?;
            let steps = half_to_even(&flat.broadcast_mul(&scale.recip()?)?)?;
            steps.clamp(-MOST, MOST)?.broadcast_mul(&scale)?.reshape(weight.shape())?
        }
    };
    Ok(differentiable(op, [weight], y, |given| Ok([Some(given.dy.clone())]))?)
}

fn only_f32(op: &str, x: &Tensor) -> Result<()> {
    if x.dtype() == DType::F32 && x.rank() > 0 {
        return Ok(());
    }
    Err(Error::Argument {
        op: op.into(),
        expected: "f32 values of at least one dimension".into(),
        got: format!("{} of {} dimensions", x.dtype().as_str(), x.rank()),
        hint: "Convert them with `to_dtype(DType::F32)?`.".into(),
    })
}

fn rounded(x: &Tensor, bytes: Quantization) -> candle_core::Result<Tensor> {
    if !composed::has_kernels(x.device()) {
        let zero = f64::from(bytes.zero_point);
        let steps = half_to_even(&(x * f64::from(1.0 / bytes.scale))?)?;
        return (steps + zero)?.clamp(0.0, 255.0)?.affine(1.0, -zero)?.affine(f64::from(bytes.scale), 0.0);
    }
    let x = x.contiguous()?;
    let mut y = vec![0.0; x.elem_count()];
    with_values(&[&x], |from| bytes.round_into(from[0], &mut y))?;
    Tensor::from_vec(y, x.shape(), x.device())
}

fn gradient(x: &Tensor, dy: &Tensor, bytes: Quantization) -> candle_core::Result<Tensor> {
    if !composed::has_kernels(x.device()) {
        let zero = f64::from(bytes.zero_point);
        let byte = (half_to_even(&(x * f64::from(1.0 / bytes.scale))?)? + zero)?;
        let inside = (byte.ge(0.0)? * byte.le(255.0)?)?;
        return inside.where_cond(dy, &dy.zeros_like()?);
    }
    let x = x.contiguous()?;
    let mut dx = dy.flatten_all()?.to_vec1::<f32>()?;
    with_values(&[&x], |from| bytes.straight_through(from[0], &mut dx))?;
    Tensor::from_vec(dx, x.shape(), x.device())
}

/// The nearest whole numbers, halves to even ones: candle's `round` takes them away from 0. What is added and taken
/// away again leaves no digits behind the point, and is rounded as all sums are.
fn half_to_even(x: &Tensor) -> candle_core::Result<Tensor> {
    /// 1.5 · 2²³. Numbers beyond 2²² are clamped afterwards, whatever becomes of them.
    const SHIFT: f64 = 12_582_912.0;
    x.clamp(-4_000_000.0, 4_000_000.0)?.affine(1.0, SHIFT)?.affine(1.0, -SHIFT)
}

/// The scale of each of the `channels` that a weight has.
pub(crate) fn channel_scales(weight: &[f32], channels: usize) -> Vec<f32> {
    let scale = |channel: &[f32]| {
        let most = channel.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
        if most > NARROW { most / MOST } else { 1.0 }
    };
    weight.chunks((weight.len() / channels.max(1)).max(1)).map(scale).collect()
}

/// A weight in whole numbers of the scales of its channels.
pub(crate) fn whole_numbers(weight: &[f32], scales: &[f32]) -> Vec<i8> {
    let size = weight.len() / scales.len().max(1);
    let channels = weight.chunks(size.max(1)).zip(scales);
    let whole = |(channel, scale): (&[f32], &f32)| {
        let inverse = 1.0 / scale;
        channel
            .iter()
            .map(move |value| (value * inverse).round_ties_even().clamp(-MOST, MOST) as i8)
            .collect::<Vec<_>>()
    };
    channels.flat_map(whole).collect()
}

/// A weight of so many channels, rounded as its whole numbers are.
pub(crate) fn round_channels(weight: &[f32], channels: usize) -> Vec<f32> {
    let scales = channel_scales(weight, channels);
    let size = weight.len() / channels.max(1);
    let mut rounded = weight.to_vec();
    rounded.par_chunks_mut(size.max(1)).zip(&scales).for_each(|(channel, scale)| {
        let inverse = 1.0 / scale;
        vectorized(|| {
            for value in channel {
                *value = (*value * inverse).round_ties_even().clamp(-MOST, MOST) * scale;
            }
        });
    });
    rounded
}
