use candle_core::{CpuStorage, CustomOp3, Layout, Shape, Tensor, Var};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::composed;
use super::elementwise::BLOCK;
use super::host::{Real, dtype, filled, output, read, values, with_real};
use super::operands::{check, check_shape, shape_error, shape_text};
use super::record::apply3;
use super::simd::dispatch;
use super::sums::{Channels, centred_products, squares, sum};
use crate::{Error, Result};

/// How batch norm behaves; the defaults are the usual ones.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BatchNormConfig {
    /// Added to the variance, so that a constant channel does not divide by 0.
    pub eps: f64,
    /// The share of the batch's statistics in the running ones after a step, in `[0, 1]`.
    pub momentum: f64,
}

impl Default for BatchNormConfig {
    /// `eps` 1e-5 and `momentum` 0.1.
    fn default() -> BatchNormConfig {
        BatchNormConfig { eps: 1e-5, momentum: 0.1 }
    }
}

/// Batch normalization (Ioffe and Szegedy 2015) in training: every channel of `x` (B, C, …) gets mean
/// 0 and variance 1 over the batch, then is scaled by `weight` (C) and shifted by `bias` (C). Moves
/// the running mean and (unbiased) variance, both (C), towards the batch's.
///
/// # Errors
/// If a channel has a single value, which has no variance; if the shapes do not fit each other; if
/// the tensors are not all f32 or all f64 on one device.
pub fn batch_norm_train(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    (running_mean, running_var): (&Var, &Var),
    config: BatchNormConfig,
) -> Result<Tensor> {
    let channels = checked(x, weight, bias, (running_mean, running_var))?;
    let count = x.elem_count() / channels.count.max(1);
    check_count(count, x.dims())?;
    if composed::computes(x)? {
        let running = (running_mean, running_var);
        return Ok(composed::batch_norm_train([x, weight, bias], running, config, count)?);
    }
    let x = x.contiguous()?;
    let (mean, var) = with_real!(x.dtype(), "batch_norm", T => {
        read([&x], |[x]: [&[T]; 1]| statistics(x, channels, count))
    })?;
    move_running((running_mean, running_var), &mean, &var, count, config.momentum)?;
    let inverse_std = inverse_std(&var, config.eps);
    let op = BatchNorm { channels, mean, inverse_std, statistics: Statistics::OfBatch { count } };
    apply3(op, [&x, weight, bias])
}

/// Batch normalization in use: `(x - mean) / sqrt(var + eps) · weight + bias` with the running
/// statistics, which are constants: no gradient reaches them. `x` is (B, C, …), the others (C).
///
/// # Errors
/// If the shapes do not fit each other or the tensors are not all f32 or all f64 on one device.
pub fn batch_norm_eval(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    (running_mean, running_var): (&Tensor, &Tensor),
    config: BatchNormConfig,
) -> Result<Tensor> {
    let channels = checked(x, weight, bias, (running_mean, running_var))?;
    if composed::computes(x)? {
        return Ok(composed::batch_norm_eval([x, weight, bias], (running_mean, running_var), config)?);
    }
    let constants = |t: &Tensor| t.to_dtype(candle_core::DType::F64)?.to_vec1::<f64>();
    let (mean, var) = (constants(running_mean)?, constants(running_var)?);
    let inverse_std = inverse_std(&var, config.eps);
    let op = BatchNorm { channels, mean, inverse_std, statistics: Statistics::Constant };
    apply3(op, [x, weight, bias])
}

/// Moves the running mean and (unbiased) variance towards those of a batch with `count` values per channel.
pub(crate) fn move_running(
    (running_mean, running_var): (&Var, &Var),
    mean: &[f64],
    var: &[f64],
    count: usize,
    momentum: f64,
) -> Result<()> {
    let move_towards = |running: &Var, batch: &[f64], scale: f64| -> Result<()> {
        let batch = Tensor::new(batch, running.device())?.to_dtype(running.dtype())?;
        let kept = (running.as_detached_tensor() * (1.0 - momentum))?;
        running.set(&(kept + (batch * (momentum * scale))?)?)?;
        Ok(())
    };
    move_towards(running_mean, mean, 1.0)?;
    move_towards(running_var, var, count as f64 / (count - 1) as f64)
}

/// Refuses channels of a single value, which have no variance.
pub(crate) fn check_count(count: usize, dims: &[usize]) -> Result<()> {
    if count >= 2 {
        return Ok(());
    }
    Err(Error::Shape {
        op: "batch_norm".into(),
        expected: "more than one value per channel in training".into(),
        got: shape_text(dims),
        hint: "Its variance would be 0: take a larger batch or larger images, or `Mode::Eval`.".into(),
    })
}

fn checked(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    (running_mean, running_var): (&Tensor, &Tensor),
) -> Result<Channels> {
    let op = "batch_norm";
    let of_channels =
        [("weight", weight), ("bias", bias), ("running_mean", running_mean), ("running_var", running_var)];
    check(op, &[("x", x)])?;
    let [_, count, plane @ ..] = x.dims() else {
        return Err(shape_error(op, "a batch (B, C, …)", x.dims(), ""));
    };
    for operand in of_channels {
        check(op, &[("x", x), operand])?;
        check_shape(op, operand, &[*count])?;
    }
    Ok(Channels { count: *count, plane: plane.iter().product() })
}

/// Mean and (biased) variance of every channel.
fn statistics<T: Real>(x: &[T], channels: Channels, count: usize) -> (Vec<f64>, Vec<f64>) {
    let moments = |channel| dispatch(Moments { channels, channel, x, count });
    (0..channels.count).into_par_iter().map(moments).unzip()
}

/// Mean and (biased) variance of a channel, in two passes: the second around the mean, which keeps the digits that a
/// difference of squares would lose.
struct Moments<'a, T> {
    channels: Channels,
    channel: usize,
    x: &'a [T],
    count: usize,
}

impl<T: Real> WithSimd for Moments<'_, T> {
    type Output = (f64, f64);

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> (f64, f64) {
        let Moments { channels, channel, x, count } = self;
        let mut total = 0.0;
        for row in channels.rows(x, channel) {
            total += sum(simd, row);
        }
        let mean = total / count as f64;
        let centre = T::from_f64(mean);
        let mut total_squares = 0.0;
        for row in channels.rows(x, channel) {
            total_squares += squares(simd, row, centre);
        }
        (mean, total_squares / count as f64)
    }
}

fn inverse_std(var: &[f64], eps: f64) -> Vec<f64> {
    var.iter().map(|var| 1.0 / (var + eps).sqrt()).collect()
}

struct BatchNorm {
    channels: Channels,
    mean: Vec<f64>,
    inverse_std: Vec<f64>,
    statistics: Statistics,
}

/// What the mean and variance depend on.
#[derive(Clone, Copy)]
enum Statistics {
    /// On the input, so its gradient flows through them too; `count` values per channel.
    OfBatch { count: usize },
    /// On nothing.
    Constant,
}

impl BatchNorm {
    /// Per channel `f(channel)` in the tensors' type.
    fn per_channel<T: Real>(&self, f: impl Fn(usize) -> f64) -> Vec<T> {
        (0..self.channels.count).map(|channel| T::from_f64(f(channel))).collect()
    }

    fn forward<T: Real>(&self, x: &[T], weight: &[T], bias: &[T]) -> Vec<T> {
        let mean: Vec<T> = self.per_channel(|c| self.mean[c]);
        let scale: Vec<T> = self.per_channel(|c| self.inverse_std[c] * weight[c].to_f64());
        let (group, plane) = (self.group(), self.channels.plane.max(1));
        let planes = |index: usize, y: &mut [T]| {
            let first = index * group;
            let x = &x[first * plane..][..y.len()];
            dispatch(Apply { first, plane, x, mean: &mean, scale: &scale, bias, y });
        };
        filled(x.len(), group * plane, planes).0
    }

    /// Planes that a thread takes at a time.
    fn group(&self) -> usize {
        (BLOCK / self.channels.plane.max(1)).max(1)
    }

    /// The gradients of x, weight and bias.
    fn backward<T: Real>(&self, x: &[T], weight: &[T], dy: &[T]) -> (Vec<T>, Vec<T>, Vec<T>) {
        let mean: Vec<T> = self.per_channel(|c| self.mean[c]);
        let sums = |channel| {
            let mean = mean[channel];
            dispatch(GradientSums { channels: self.channels, channel, x, dy, mean })
        };
        let (db, centred): (Vec<f64>, Vec<f64>) = (0..self.channels.count).into_par_iter().map(sums).unzip();
        let dw: Vec<f64> =
            centred.iter().zip(&self.inverse_std).map(|(sum, inverse)| sum * inverse).collect();
        // dx = scale · (dy - mean(dy) - x̂ · mean(dy · x̂)), the means only where the statistics follow x.
        let share = match self.statistics {
            Statistics::OfBatch { count } => 1.0 / count as f64,
            Statistics::Constant => 0.0,
        };
        let scale: Vec<T> = self.per_channel(|c| self.inverse_std[c] * weight[c].to_f64());
        let shift: Vec<T> = self.per_channel(|c| db[c] * share);
        let slope: Vec<T> = self.per_channel(|c| self.inverse_std[c] * dw[c] * share);
        let (group, plane) = (self.group(), self.channels.plane.max(1));
        let planes = |index: usize, dx: &mut [T]| {
            let first = index * group;
            let (x, dy) = (&x[first * plane..][..dx.len()], &dy[first * plane..][..dx.len()]);
            let constants = [&mean[..], &scale, &shift, &slope];
            dispatch(InputGradient { first, plane, x, dy, constants, dx });
        };
        let (dx, _) = filled(x.len(), group * plane, planes);
        (dx, self.per_channel(|c| dw[c]), self.per_channel(|c| db[c]))
    }
}

/// Some planes of the output, from number `first`.
struct Apply<'a, T> {
    first: usize,
    plane: usize,
    x: &'a [T],
    mean: &'a [T],
    scale: &'a [T],
    bias: &'a [T],
    y: &'a mut [T],
}

impl<T: Real> WithSimd for Apply<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Apply { first, plane, x, mean, scale, bias, y } = self;
        for (index, (y, x)) in y.chunks_mut(plane).zip(x.chunks(plane)).enumerate() {
            let channel = (first + index) % mean.len();
            let (mean, scale, bias) = (mean[channel], scale[channel], bias[channel]);
            for (y, &x) in y.iter_mut().zip(x) {
                *y = (x - mean) * scale + bias;
            }
        }
    }
}

/// The sums of `dy` and of `(x - mean) · dy` over a channel.
struct GradientSums<'a, T> {
    channels: Channels,
    channel: usize,
    x: &'a [T],
    dy: &'a [T],
    mean: T,
}

impl<T: Real> WithSimd for GradientSums<'_, T> {
    type Output = (f64, f64);

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> (f64, f64) {
        let GradientSums { channels, channel, x, dy, mean } = self;
        let (mut total, mut centred) = (0.0, 0.0);
        for (x, dy) in channels.rows(x, channel).zip(channels.rows(dy, channel)) {
            total += sum(simd, dy);
            centred += centred_products(simd, dy, x, mean);
        }
        (total, centred)
    }
}

/// Some planes of the gradient of the input, from number `first`.
struct InputGradient<'a, T> {
    first: usize,
    plane: usize,
    x: &'a [T],
    dy: &'a [T],
    /// Of each channel mean, scale, shift and slope.
    constants: [&'a [T]; 4],
    dx: &'a mut [T],
}

impl<T: Real> WithSimd for InputGradient<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let InputGradient { first, plane, x, dy, constants: [means, scales, shifts, slopes], dx } = self;
        let planes = dx.chunks_mut(plane).zip(x.chunks(plane).zip(dy.chunks(plane)));
        for (index, (dx, (x, dy))) in planes.enumerate() {
            let c = (first + index) % means.len();
            let (mean, scale, shift, slope) = (means[c], scales[c], shifts[c], slopes[c]);
            for ((dx, &x), &dy) in dx.iter_mut().zip(x).zip(dy) {
                *dx = scale * (dy - shift - (x - mean) * slope);
            }
        }
    }
}

impl CustomOp3 for BatchNorm {
    fn name(&self) -> &'static str {
        "batch_norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        with_real!(dtype(x), "batch_norm", T => {
            let (weight, bias) = (values(weight, weight_layout)?, values(bias, bias_layout)?);
            output(self.forward::<T>(values(x, x_layout)?, weight, bias), x_layout.dims())
        })
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _: &Tensor,
        dy: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let dy = dy.contiguous()?;
        with_real!(x.dtype(), "batch_norm", T => {
            let (dx, dw, db) =
                read([x, weight, &dy], |[x, weight, dy]: [&[T]; 3]| self.backward(x, weight, dy))?;
            Ok((
                Some(Tensor::from_vec(dx, x.shape(), x.device())?),
                Some(Tensor::from_vec(dw, weight.shape(), weight.device())?),
                Some(Tensor::from_vec(db, bias.shape(), bias.device())?),
            ))
        })
    }
}
