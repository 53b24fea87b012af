//! Convolutions whose output channels each see one input channel: no matrix is worth building, each row of the
//! output is the sum of shifted rows of the input.

use std::mem::MaybeUninit;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::columns::Convolution;
use super::depthwise_plane::{Plane, Turn};
use super::depthwise_weight::WeightGradient;
use super::host::{Real, made, zeroed};
use super::lines::Lines;
use super::simd::dispatch;

/// Pixels that a thread takes at a time, about.
const PIXELS: usize = 16 * 1024;

impl Convolution {
    pub(super) fn is_depthwise(&self) -> bool {
        self.in_channels == self.groups
    }

    pub(super) fn taps(&self) -> usize {
        self.window.kernel[0] * self.window.kernel[1]
    }

    /// The pixels of an input plane.
    pub(super) fn pixels(&self) -> usize {
        self.input[0] * self.input[1]
    }

    /// The input plane that an output plane sees.
    pub(super) fn seen(&self, output_plane: usize) -> usize {
        let (image, channel) = (output_plane / self.out_channels, output_plane % self.out_channels);
        image * self.in_channels + channel / self.group_outputs()
    }

    pub(super) fn depthwise_forward<T: Real>(&self, x: &[T], weight: &[T], bias: Option<&[T]>) -> Vec<T> {
        let group = (PIXELS / self.positions().max(1)).max(1);
        let planes = |(index, y): (usize, &mut [MaybeUninit<T>])| {
            dispatch(Forward { sizes: self, first: index * group, x, weight, bias, y });
        };
        let chunk = (group * self.positions()).max(1);
        let fill = |y: &mut [MaybeUninit<T>]| y.par_chunks_mut(chunk).enumerate().for_each(planes);
        // SAFETY: the chunks are whole planes, and `Forward` writes these.
        unsafe { made(self.batch * self.output_len(), fill) }
    }

    pub(super) fn depthwise_input_gradient<T: Real>(&self, weight: &[T], dy: &[T]) -> Vec<T> {
        let group = (PIXELS / self.pixels().max(1)).max(1);
        let planes = |(index, dx): (usize, &mut [MaybeUninit<T>])| {
            dispatch(InputGradient { sizes: self, first: index * group, weight, dy, dx });
        };
        let chunk = (group * self.pixels()).max(1);
        let fill = |dx: &mut [MaybeUninit<T>]| dx.par_chunks_mut(chunk).enumerate().for_each(planes);
        // SAFETY: the chunks are whole planes, and `InputGradient` writes these.
        unsafe { made(self.batch * self.image_len(), fill) }
    }

    /// Each channel goes through the images in order, so that the sums do not depend on the threads.
    pub(super) fn depthwise_weight_gradient<T: Real>(&self, x: &[T], dy: &[T]) -> Vec<T> {
        let mut dw = vec![T::zero(); self.out_channels * self.taps()];
        dw.par_chunks_mut(self.taps().max(1)).enumerate().for_each(|(channel, dw)| {
            dispatch(WeightGradient { sizes: self, channel, x, dy, dw });
        });
        dw
    }
}

/// Some planes of the output, from number `first`.
struct Forward<'a, T> {
    sizes: &'a Convolution,
    first: usize,
    x: &'a [T],
    weight: &'a [T],
    bias: Option<&'a [T]>,
    y: &'a mut [MaybeUninit<T>],
}

impl<T: Real> WithSimd for Forward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Forward { sizes, first, x, weight, bias, y } = self;
        let (pixels, taps) = (sizes.pixels(), sizes.taps());
        let lines = Lines::of(&sizes.window, sizes.input, sizes.output);
        let mut values = vec![T::zero(); lines.len()];
        let mut entered = None;
        for (index, y) in y.chunks_exact_mut(sizes.positions()).enumerate() {
            let (channel, seen) = ((first + index) % sizes.out_channels, sizes.seen(first + index));
            let x = &x[seen * pixels..][..pixels];
            let rows = if entered == Some(seen) { sizes.input[0] } else { 0 };
            let plane = Plane { lines: &lines, x, values: &mut values, rows };
            entered = Some(seen);
            let weight = &weight[channel * taps..][..taps];
            let bias = bias.map_or(T::zero(), |bias| bias[channel]);
            plane.convolve(simd, sizes.window.kernel[1], (weight, Turn::No), bias, y);
        }
    }
}

/// Some planes of the gradient of the input, from number `first`.
struct InputGradient<'a, T> {
    sizes: &'a Convolution,
    first: usize,
    weight: &'a [T],
    dy: &'a [T],
    dx: &'a mut [MaybeUninit<T>],
}

impl<T: Real> WithSimd for InputGradient<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let InputGradient { sizes, first, weight, dy, dx } = self;
        let (positions, taps, columns) = (sizes.positions(), sizes.taps(), sizes.window.kernel[1]);
        let outputs = sizes.group_outputs();
        let turned = Lines::turned(&sizes.window, sizes.input, sizes.output);
        let lines = Lines::of(&sizes.window, sizes.input, sizes.output);
        let mut values = vec![T::zero(); turned.as_ref().unwrap_or(&lines).len()];
        // What one of several outputs gives.
        let mut part = Vec::new();
        for (index, dx) in dx.chunks_exact_mut(sizes.pixels()).enumerate() {
            let plane = first + index;
            let (image, channel) = (plane / sizes.in_channels, plane % sizes.in_channels);
            let of_output = |out: usize| {
                let out = channel * outputs + out;
                let dy = &dy[(image * sizes.out_channels + out) * positions..][..positions];
                (dy, &weight[out * taps..][..taps])
            };
            let Some(turned) = &turned else {
                values.fill(T::zero());
                for out in 0..outputs {
                    let (dy, weight) = of_output(out);
                    spread_plane(simd, &lines, dy, columns, weight, &mut values);
                }
                lines.leave(&values, zeroed(dx));
                continue;
            };
            // One output is written where it belongs, several are added up there.
            let (mut single, mut sum) = match outputs {
                1 => (Some(dx), None),
                _ => (None, Some(zeroed(dx))),
            };
            for out in 0..outputs {
                let (dy, weight) = of_output(out);
                let to = match single.take() {
                    Some(dx) => dx,
                    None => {
                        part.reserve(sizes.pixels());
                        &mut part.spare_capacity_mut()[..sizes.pixels()]
                    }
                };
                let plane = Plane { lines: turned, x: dy, values: &mut values, rows: 0 };
                let part = plane.convolve(simd, columns, (weight, Turn::Half), T::zero(), to);
                if let Some(sum) = &mut sum {
                    sum.iter_mut().zip(&*part).for_each(|(sum, &part)| *sum += part);
                }
            }
        }
    }
}

/// Adds what a plane of gradients gives to those of the pixels, which are cut into lines.
#[inline(always)]
fn spread_plane<S: Simd, T: Real>(
    simd: S,
    lines: &Lines,
    dy: &[T],
    columns: usize,
    weight: &[T],
    values: &mut [T],
) {
    for (row, dy) in dy.chunks_exact(lines.output_width()).enumerate() {
        for (tap_row, pixel_row) in lines.rows(row) {
            for tap in 0..columns {
                let weight = T::splat(simd, weight[tap_row * columns + tap]);
                let pixels = &mut values[lines.start(pixel_row, tap)..][..dy.len()];
                let blocks = pixels.chunks_mut(T::lanes::<S>()).zip(dy.chunks(T::lanes::<S>()));
                for (pixels, dy) in blocks {
                    let sum = T::mul_add(simd, weight, T::load(simd, dy), T::load(simd, pixels));
                    T::store(simd, sum, pixels);
                }
            }
        }
    }
}
