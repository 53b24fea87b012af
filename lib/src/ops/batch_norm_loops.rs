//! What batch norm does to channels and planes of images.

use std::mem::MaybeUninit;

use pulp::{Simd, WithSimd};

use super::host::Real;
use super::sums::{Channels, centred_products, squares, sum};

/// Mean and (biased) variance of a channel, in two passes: the second around the mean, which keeps the digits that a
/// difference of squares would lose.
pub(super) struct Moments<'a, T> {
    pub(super) channels: Channels,
    pub(super) channel: usize,
    pub(super) x: &'a [T],
    pub(super) count: usize,
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

/// Of a channel the gradients of weight and bias, and what that of its values needs.
pub(super) struct Slopes<T> {
    pub(super) weight: T,
    pub(super) bias: T,
    pub(super) mean: T,
    pub(super) scale: T,
    pub(super) shift: T,
    pub(super) slope: T,
}

/// Some planes of the output, from number `first`.
pub(super) struct Apply<'a, T> {
    pub(super) first: usize,
    pub(super) plane: usize,
    pub(super) x: &'a [T],
    pub(super) mean: &'a [T],
    pub(super) scale: &'a [T],
    pub(super) bias: &'a [T],
    pub(super) y: &'a mut [MaybeUninit<T>],
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
                y.write((x - mean) * scale + bias);
            }
        }
    }
}

/// The sums of `dy` and of `(x - mean) · dy` over a channel.
pub(super) struct GradientSums<'a, T> {
    pub(super) channels: Channels,
    pub(super) channel: usize,
    pub(super) x: &'a [T],
    pub(super) dy: &'a [T],
    pub(super) mean: T,
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
pub(super) struct InputGradient<'a, T> {
    pub(super) first: usize,
    pub(super) plane: usize,
    pub(super) x: &'a [T],
    pub(super) dy: &'a [T],
    /// Of each channel.
    pub(super) slopes: &'a [Slopes<T>],
    pub(super) dx: &'a mut [MaybeUninit<T>],
}

impl<T: Real> WithSimd for InputGradient<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let InputGradient { first, plane, x, dy, slopes, dx } = self;
        let planes = dx.chunks_mut(plane).zip(x.chunks(plane).zip(dy.chunks(plane)));
        for (index, (dx, (x, dy))) in planes.enumerate() {
            let &Slopes { mean, scale, shift, slope, .. } = &slopes[(first + index) % slopes.len()];
            for ((dx, &x), &dy) in dx.iter_mut().zip(x).zip(dy) {
                dx.write(scale * (dy - shift - (x - mean) * slope));
            }
        }
    }
}
