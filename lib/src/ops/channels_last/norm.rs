//! Batch normalization (Ioffe and Szegedy 2015), together with the sum and the activation that follow it.

use std::sync::{Mutex, PoisonError};

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::convolution::step;
use super::finish::Finish;
use super::rows::{block_rows, sums};
use crate::ops::columns::Convolution;
use crate::ops::simd::{dispatch, vectorized};

/// Mean and (biased) variance of every channel.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Moments {
    pub(crate) mean: Vec<f64>,
    pub(crate) var: Vec<f64>,
}

impl Moments {
    /// Of pixels `x` (…, C).
    pub(crate) fn of(x: &[f32], channels: usize) -> Moments {
        let step = block_rows(channels);
        let collected = BlockMoments::new(x.len() / channels.max(1), channels, step);
        x.par_chunks(step * channels.max(1)).enumerate().for_each(|(block, x)| {
            vectorized(|| collected.add(x, block));
        });
        collected.finish()
    }
}

/// Moments that come block by block of pixels, in any order: each block's own, around its own mean, which keeps the
/// digits that a difference of squares would lose.
pub(crate) struct BlockMoments {
    pixels: usize,
    channels: usize,
    /// Pixels of a block.
    step: usize,
    /// Of each block, the mean and the sum of the squared differences from it, channel after channel.
    blocks: Mutex<Vec<Vec<f32>>>,
}

impl BlockMoments {
    /// Of what a convolution gives.
    pub(crate) fn of_convolution(convolution: &Convolution) -> BlockMoments {
        BlockMoments::new(convolution.all_positions(), convolution.out_channels, step(convolution))
    }

    fn new(pixels: usize, channels: usize, step: usize) -> BlockMoments {
        let blocks = Mutex::new(vec![Vec::new(); pixels.div_ceil(step)]);
        BlockMoments { pixels, channels, step, blocks }
    }

    #[inline(always)]
    fn add(&self, x: &[f32], block: usize) {
        let mut values = vec![0.0_f32; 2 * self.channels];
        let (mean, squares) = values.split_at_mut(self.channels);
        for row in x.chunks_exact(self.channels) {
            mean.iter_mut().zip(row).for_each(|(mean, &x)| *mean += x);
        }
        let share = 1.0 / (x.len() / self.channels) as f32;
        mean.iter_mut().for_each(|mean| *mean *= share);
        for row in x.chunks_exact(self.channels) {
            for ((square, &mean), &x) in squares.iter_mut().zip(&*mean).zip(row) {
                *square += (x - mean) * (x - mean);
            }
        }
        self.blocks.lock().unwrap_or_else(PoisonError::into_inner)[block] = values;
    }

    /// The moments of all (Chan, Golub and LeVeque 1979).
    pub(crate) fn finish(self) -> Moments {
        let blocks = self.blocks.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut moments = Moments { mean: vec![0.0; self.channels], var: vec![0.0; self.channels] };
        let mut seen = 0.0;
        for (index, values) in blocks.iter().enumerate() {
            let count = self.step.min(self.pixels - index * self.step) as f64;
            let total = seen + count;
            let (means, squares) = values.split_at(self.channels);
            let all = moments.mean.iter_mut().zip(&mut moments.var);
            for ((mean, var), (&block_mean, &block_squares)) in all.zip(means.iter().zip(squares)) {
                let difference = f64::from(block_mean) - *mean;
                *mean += difference * count / total;
                *var += f64::from(block_squares) + difference * difference * seen * count / total;
            }
            seen = total;
        }
        moments.var.iter_mut().for_each(|var| *var /= seen.max(1.0));
        moments
    }
}

impl Finish for BlockMoments {
    #[inline(always)]
    fn finish<S: Simd>(&self, _: S, pixels: &mut [f32], block: usize, _: usize) {
        self.add(pixels, block);
    }
}

/// For every channel, what a value becomes: `(x - mean) · scale + shift`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Affine {
    pub(crate) mean: Vec<f32>,
    pub(crate) scale: Vec<f32>,
    pub(crate) shift: Vec<f32>,
}

impl Affine {
    /// Of a batch norm.
    pub(crate) fn new(moments: &Moments, eps: f64, weight: &[f32], bias: &[f32]) -> Affine {
        let scale = |(&var, &weight): (&f64, &f32)| (f64::from(weight) / (var + eps).sqrt()) as f32;
        Affine {
            mean: moments.mean.iter().map(|&mean| mean as f32).collect(),
            scale: moments.var.iter().zip(weight).map(scale).collect(),
            shift: bias.to_vec(),
        }
    }

    /// What is added after a value was multiplied with its scale, where it has a bias already.
    pub(crate) fn shift_of(&self, bias: Option<&[f32]>) -> Vec<f32> {
        let shift = |channel: usize| {
            let bias = bias.map_or(0.0, |bias| bias[channel]);
            (bias - self.mean[channel]) * self.scale[channel] + self.shift[channel]
        };
        (0..self.channels()).map(shift).collect()
    }

    fn channels(&self) -> usize {
        self.mean.len()
    }

    /// Of pixels `x` (…, C), plus `residual` where there is one, negative values 0 with `relu`, into `y`.
    pub(crate) fn apply(&self, x: &[f32], residual: Option<&[f32]>, relu: bool, y: &mut [f32]) {
        let len = block_rows(self.channels()) * self.channels().max(1);
        y.par_chunks_mut(len).enumerate().for_each(|(block, y)| {
            let x = &x[block * len..][..y.len()];
            let residual = residual.map(|residual| &residual[block * len..][..y.len()]);
            dispatch(Apply { affine: self, x, residual, relu, y });
        });
    }
}

/// Some pixels.
struct Apply<'a> {
    affine: &'a Affine,
    x: &'a [f32],
    residual: Option<&'a [f32]>,
    relu: bool,
    y: &'a mut [f32],
}

impl WithSimd for Apply<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Apply { affine, x, residual, relu, y } = self;
        let channels = affine.channels();
        let floor = if relu { 0.0 } else { f32::NEG_INFINITY };
        let (mean, scale) = (&affine.mean[..channels], &affine.scale[..channels]);
        let shift = &affine.shift[..channels];
        for (row, (y, x)) in y.chunks_exact_mut(channels).zip(x.chunks_exact(channels)).enumerate() {
            match residual {
                Some(residual) => {
                    let residual = &residual[row * channels..][..channels];
                    for c in 0..channels {
                        y[c] = at_least((x[c] - mean[c]) * scale[c] + shift[c] + residual[c], floor);
                    }
                }
                None => {
                    for c in 0..channels {
                        y[c] = at_least((x[c] - mean[c]) * scale[c] + shift[c], floor);
                    }
                }
            }
        }
    }
}

/// The larger one; a NaN stays.
#[inline(always)]
pub(super) fn at_least(value: f32, floor: f32) -> f32 {
    if value < floor { floor } else { value }
}

/// The gradients of a batch norm's weight and bias and what that of its input needs of them.
pub(crate) struct NormGradient {
    pub(crate) weight: Vec<f32>,
    pub(crate) bias: Vec<f32>,
    scale: Vec<f32>,
    mean: Vec<f32>,
    shift: Vec<f32>,
    slope: Vec<f32>,
}

impl NormGradient {
    /// Of pixels `x` (…, C), where the gradient of the output is `dy`. With `batch` the moments are those of `x`, so
    /// that the gradient flows through them, too; otherwise they are constants.
    pub(crate) fn new(
        x: &[f32],
        dy: &[f32],
        moments: &Moments,
        affine: &Affine,
        eps: f64,
        batch: bool,
    ) -> NormGradient {
        let channels = affine.channels();
        let rows = x.len() / channels.max(1);
        let [sum, centred] = sums(rows, channels, |rows, [sum, centred]| {
            let values = rows.start * channels..rows.end * channels;
            let (x, dy) = (&x[values.clone()], &dy[values]);
            vectorized(|| {
                for (x, dy) in x.chunks_exact(channels).zip(dy.chunks_exact(channels)) {
                    let sums = sum.iter_mut().zip(&mut *centred);
                    for (((sum, centred), (&x, &dy)), &mean) in sums.zip(x.iter().zip(dy)).zip(&affine.mean) {
                        *sum += dy;
                        *centred += (x - mean) * dy;
                    }
                }
            });
        });
        let share = if batch { 1.0 / rows as f64 } else { 0.0 };
        let inverse: Vec<f64> = moments.var.iter().map(|var| 1.0 / (var + eps).sqrt()).collect();
        let weight: Vec<f64> = centred.iter().zip(&inverse).map(|(sum, inverse)| sum * inverse).collect();
        let single =
            |values: Vec<f64>| -> Vec<f32> { values.into_iter().map(|value| value as f32).collect() };
        NormGradient {
            scale: affine.scale.clone(),
            mean: affine.mean.clone(),
            shift: single(sum.iter().map(|sum| sum * share).collect()),
            slope: single(
                weight.iter().zip(&inverse).map(|(weight, inverse)| weight * inverse * share).collect(),
            ),
            weight: single(weight),
            bias: single(sum),
        }
    }

    /// The gradient of the input: `scale · (dy - mean(dy) - x̂ · mean(dy · x̂))`, in the place of `dy`.
    pub(crate) fn input(&self, x: &[f32], dy: &mut [f32]) {
        let channels = self.mean.len();
        let len = block_rows(channels) * channels.max(1);
        dy.par_chunks_mut(len).zip(x.par_chunks(len)).for_each(|(dy, x)| {
            vectorized(|| {
                for (dy, x) in dy.chunks_exact_mut(channels).zip(x.chunks_exact(channels)) {
                    for ((dy, &x), constants) in dy.iter_mut().zip(x).zip(self.constants()) {
                        *dy = slope(x, *dy, constants);
                    }
                }
            });
        });
    }

    /// The same into `dx`.
    pub(crate) fn input_into(&self, x: &[f32], dy: &[f32], dx: &mut [f32]) {
        let channels = self.mean.len();
        let len = block_rows(channels) * channels.max(1);
        dx.par_chunks_mut(len).zip(x.par_chunks(len).zip(dy.par_chunks(len))).for_each(|(dx, (x, dy))| {
            vectorized(|| {
                let rows = x.chunks_exact(channels).zip(dy.chunks_exact(channels));
                for (dx, (x, dy)) in dx.chunks_exact_mut(channels).zip(rows) {
                    for ((dx, (&x, &dy)), constants) in
                        dx.iter_mut().zip(x.iter().zip(dy)).zip(self.constants())
                    {
                        *dx = slope(x, dy, constants);
                    }
                }
            });
        });
    }

    /// Of each channel mean, scale, shift and slope.
    #[inline(always)]
    fn constants(&self) -> impl Iterator<Item = ((&f32, &f32), (&f32, &f32))> {
        self.mean.iter().zip(&self.scale).zip(self.shift.iter().zip(&self.slope))
    }
}

#[inline(always)]
fn slope(x: f32, dy: f32, ((mean, scale), (shift, slope)): ((&f32, &f32), (&f32, &f32))) -> f32 {
    scale * (dy - shift - (x - mean) * slope)
}

/// The gradient of what a rectified linear unit got: 0 where its output `y` is.
pub(crate) fn relu_gradient(y: &[f32], dy: &mut [f32]) {
    const LEN: usize = 64 * 1024;
    dy.par_chunks_mut(LEN).zip(y.par_chunks(LEN)).for_each(|(dy, y)| {
        vectorized(|| dy.iter_mut().zip(y).for_each(|(dy, &y)| *dy = if y <= 0.0 { 0.0 } else { *dy }));
    });
}

/// Multiplies pixels (…, C) with a factor for each channel.
pub(crate) fn scale_channels(pixels: &mut [f32], scale: &[f32]) {
    let len = block_rows(scale.len()) * scale.len().max(1);
    pixels.par_chunks_mut(len).for_each(|pixels| {
        vectorized(|| {
            for pixel in pixels.chunks_exact_mut(scale.len()) {
                pixel.iter_mut().zip(scale).for_each(|(value, scale)| *value *= scale);
            }
        });
    });
}
