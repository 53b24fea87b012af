//! Batch normalization (Ioffe and Szegedy 2015), together with the sum and the activation that follow it.

use std::sync::{Mutex, PoisonError};

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::convolution::step;
use super::finish::Finish;
use super::rows::block_rows;
use crate::ops::columns::Convolution;
use crate::ops::elementwise::kept;
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

    pub(super) fn channels(&self) -> usize {
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
fn at_least(value: f32, floor: f32) -> f32 {
    if value < floor { floor } else { value }
}

/// The gradient of what a rectified linear unit got: 0 where its output `y` is.
pub(crate) fn relu_gradient(y: &[f32], dy: &mut [f32]) {
    const LEN: usize = 64 * 1024;
    dy.par_chunks_mut(LEN).zip(y.par_chunks(LEN)).for_each(|(dy, y)| {
        vectorized(|| dy.iter_mut().zip(y).for_each(|(dy, &y)| *dy = if y <= 0.0 { 0.0 } else { kept(*dy) }));
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
