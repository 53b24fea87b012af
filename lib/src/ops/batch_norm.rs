use std::mem::MaybeUninit;

use candle_core::{CpuStorage, CustomOp3, Layout, Shape, Tensor, Var};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::batch_norm_loops::{Apply, GradientSums, InputGradient, Moments, Slopes};
use super::composed;
use super::elementwise::BLOCK;
use super::host::{Real, dtype, made, output, read, values, with_real};
use super::operands::{check, check_shape, shape_error, shape_text};
use super::record::apply3;
use super::simd::dispatch;
use super::sums::Channels;
use crate::{Error, Result};

/// Values of an image that a thread takes at a time where it takes the same channels of all images.
const ROW: usize = 1024;

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
        let planes = |(index, y): (usize, &mut [MaybeUninit<T>])| {
            let first = index * group;
            let x = &x[first * plane..][..y.len()];
            dispatch(Apply { first, plane, x, mean: &mean, scale: &scale, bias, y });
        };
        // SAFETY: the planes are all of it, and `Apply` writes as many values as it has of `x`.
        unsafe { made(x.len(), |y| y.par_chunks_mut(group * plane).enumerate().for_each(planes)) }
    }

    /// Planes that a thread takes at a time.
    fn group(&self) -> usize {
        (BLOCK / self.channels.plane.max(1)).max(1)
    }

    /// The gradients of x, weight and bias.
    fn backward<T: Real>(&self, x: &[T], weight: &[T], dy: &[T]) -> (Vec<T>, Vec<T>, Vec<T>) {
        let mut slopes = Vec::new();
        let fill = |dx: &mut [MaybeUninit<T>]| slopes = self.input_gradient(x, weight, dy, dx);
        // SAFETY: `input_gradient` writes all of it.
        let dx = unsafe { made(x.len(), fill) };
        let (dw, db) = slopes.into_iter().map(|slopes| (slopes.weight, slopes.bias)).unzip();
        (dx, dw, db)
    }

    /// Writes all of the gradient of x; gives what it needed of each channel.
    fn input_gradient<T: Real>(
        &self,
        x: &[T],
        weight: &[T],
        dy: &[T],
        dx: &mut [MaybeUninit<T>],
    ) -> Vec<Slopes<T>> {
        let (count, plane) = (self.channels.count.max(1), self.channels.plane.max(1));
        let dy = &dy[..x.len()];
        let slopes = |channel| self.slopes(x, weight[channel], dy, channel);
        // A few channels that follow each other, of which a thread has the values still in its cache when it has their
        // sums.
        let some = (ROW / plane).clamp(1, count);
        if count.div_ceil(some) >= 2 * rayon::current_num_threads() {
            let mut rows: Vec<Vec<_>> = (0..count.div_ceil(some)).map(|_| Vec::new()).collect();
            for image in dx.chunks_mut(count * plane) {
                rows.iter_mut().zip(image.chunks_mut(some * plane)).for_each(|(rows, row)| rows.push(row));
            }
            let all = rows.into_par_iter().enumerate().flat_map_iter(|(index, rows)| {
                let first = index * some;
                let slopes: Vec<Slopes<T>> = (first..(first + some).min(count)).map(slopes).collect();
                for (image, dx) in rows.into_iter().enumerate() {
                    let place = (image * count + first) * plane;
                    let (x, dy) = (&x[place..][..dx.len()], &dy[place..][..dx.len()]);
                    dispatch(InputGradient { first: 0, plane, x, dy, slopes: &slopes, dx });
                }
                slopes
            });
            return all.collect();
        }
        let slopes: Vec<Slopes<T>> = (0..self.channels.count).into_par_iter().map(slopes).collect();
        let group = self.group();
        dx.par_chunks_mut(group * plane).enumerate().for_each(|(index, dx)| {
            let first = index * group;
            let (x, dy) = (&x[first * plane..][..dx.len()], &dy[first * plane..][..dx.len()]);
            dispatch(InputGradient { first, plane, x, dy, slopes: &slopes, dx });
        });
        slopes
    }

    fn slopes<T: Real>(&self, x: &[T], weight: T, dy: &[T], channel: usize) -> Slopes<T> {
        let mean = T::from_f64(self.mean[channel]);
        let (db, centred) = dispatch(GradientSums { channels: self.channels, channel, x, dy, mean });
        let inverse_std = self.inverse_std[channel];
        let dw = centred * inverse_std;
        // dx = scale · (dy - mean(dy) - x̂ · mean(dy · x̂)), the means only where the statistics follow x.
        let share = match self.statistics {
            Statistics::OfBatch { count } => 1.0 / count as f64,
            Statistics::Constant => 0.0,
        };
        Slopes {
            weight: T::from_f64(dw),
            bias: T::from_f64(db),
            mean,
            scale: T::from_f64(inverse_std * weight.to_f64()),
            shift: T::from_f64(db * share),
            slope: T::from_f64(inverse_std * dw * share),
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
