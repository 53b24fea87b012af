//! Brings the values under windows together, a row for each output pixel.

use std::ops::Range;

use pulp::Simd;

use super::depths::{Block, Run};
use crate::ops::columns::Convolution;

/// The output pixels of a batch, numbered through.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pixel {
    pub(super) image: usize,
    pub(super) row: usize,
    pub(super) column: usize,
}

impl Pixel {
    pub(super) fn number(index: usize, [height, width]: [usize; 2]) -> Pixel {
        Pixel { image: index / (height * width), row: index / width % height, column: index % width }
    }

    #[inline(always)]
    pub(super) fn step(&mut self, [height, width]: [usize; 2]) {
        self.column += 1;
        if self.column == width {
            self.column = 0;
            self.row += 1;
            if self.row == height {
                self.row = 0;
                self.image += 1;
            }
        }
    }
}

/// Where a run lies in the input for one output pixel.
pub(super) struct Place {
    /// The first value in the input of those that lie on pixels.
    pub(super) start: usize,
    /// The elements of the run that lie on pixels; the others on padding.
    pub(super) taps: Range<usize>,
}

/// Finds the places of runs.
#[derive(Clone, Copy)]
pub(super) struct Places {
    input: [usize; 2],
    channels: usize,
    stride: [usize; 2],
    dilation: [usize; 2],
    before: [usize; 2],
}

impl Places {
    pub(super) fn of(convolution: &Convolution) -> Places {
        let sliding = convolution.window.sliding;
        let [[top, _], [left, _]] = sliding.padding.sides();
        Places {
            input: convolution.input,
            channels: convolution.in_channels,
            stride: sliding.stride,
            dilation: sliding.dilation,
            before: [top, left],
        }
    }

    #[inline(always)]
    pub(super) fn find(&self, pixel: Pixel, run: &Run) -> Place {
        let row = pixel.row * self.stride[0] + run.tap[0] * self.dilation[0];
        let column = pixel.column * self.stride[1] + run.tap[1] * self.dilation[1];
        let (top, left) = (self.before[0], self.before[1]);
        if row < top || row - top >= self.input[0] {
            return Place { start: 0, taps: 0..0 };
        }
        let first = left.saturating_sub(column).min(run.taps);
        let last = (self.input[1] + left).saturating_sub(column).min(run.taps).max(first);
        let line = (pixel.image * self.input[0] + row - top) * self.input[1];
        let start =
            if first == last { 0 } else { (line + column + first - left) * self.channels + run.channel };
        Place { start, taps: first..last }
    }
}

/// Whether the values under the windows can be taken where they lie: each window is a pixel, and pixels do not lie so
/// far apart that they meet in few places of the cache.
pub(super) fn lies_ready(convolution: &Convolution) -> bool {
    convolution.is_pointwise() && convolution.in_channels < 1024
}

/// The rows of a block for `pixels`, each `stride` values after the one before.
#[inline(always)]
pub(super) fn gather(
    places: Places,
    output: [usize; 2],
    x: &[f32],
    pixels: Range<usize>,
    block: &Block,
    rows: &mut [f32],
) {
    let stride = block.stride();
    let mut pixel = Pixel::number(pixels.start, output);
    for row in 0..pixels.len() {
        let mut line = &mut rows[row * stride..][..block.len()];
        for run in &block.runs {
            let (to, rest) = line.split_at_mut(run.len());
            line = rest;
            let Place { start, taps } = places.find(pixel, run);
            let len = taps.len() * run.channels;
            let (before, to) = to.split_at_mut(taps.start * run.channels);
            let (inside, after) = to.split_at_mut(len);
            copy(inside, &x[start..start + len]);
            fill_zero(before);
            fill_zero(after);
        }
        pixel.step(output);
    }
}

/// A copy without a call: most are a few vectors long.
#[inline(always)]
pub(in crate::ops) fn copy<T: Copy>(to: &mut [T], from: &[T]) {
    let len = to.len().min(from.len());
    macro_rules! by {
        ($($size:literal)*) => {$(
            if len >= $size {
                let mut at = 0;
                while at + $size <= len {
                    to[at..at + $size].copy_from_slice(&from[at..at + $size]);
                    at += $size;
                }
                // The rest together with some of what was copied already.
                to[len - $size..len].copy_from_slice(&from[len - $size..len]);
                return;
            }
        )*};
    }
    by!(16 8 4 2);
    if len == 1 {
        to[0] = from[0];
    }
}

#[inline(always)]
fn fill_zero(to: &mut [f32]) {
    for value in to {
        *value = 0.0;
    }
}

/// `to += from`.
#[inline(always)]
pub(super) fn add<S: Simd>(simd: S, to: &mut [f32], from: &[f32]) {
    let (to, to_rest) = S::as_mut_simd_f32s(to);
    let (from, from_rest) = S::as_simd_f32s(from);
    for index in 0..to.len().min(from.len()) {
        to[index] = simd.add_f32s(to[index], from[index]);
    }
    for index in 0..to_rest.len().min(from_rest.len()) {
        to_rest[index] += from_rest[index];
    }
}
