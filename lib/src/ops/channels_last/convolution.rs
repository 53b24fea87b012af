//! The convolution and the gradient of its input.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::depths::{Block, blocks};
use super::gather::{Pixel, Place, Places, add, copy, gather};
use super::norm::at_least;
use super::panels::Panels;
use super::scratch;
use crate::ops::buffer::Pool;
use crate::ops::columns::Convolution;
use crate::ops::gemm::Update;
use crate::ops::micro::{Left, Out, Right, Sizes, panel, product};
use crate::ops::simd::dispatch;

/// Depths that are gathered at a time: for 200 pixels half a MiB.
const DEPTHS: usize = 640;
/// Pixels that a thread takes at a time: whole blocks of registers for any CPU.
const PIXELS: std::ops::RangeInclusive<usize> = 42..=210;

/// What is done to some output pixels while they are still in the cache.
pub(crate) trait Finish: Sync {
    /// To `pixels` (…, O), the block with number `block`, the first of whose values has number `first`.
    fn finish<S: Simd>(&self, simd: S, pixels: &mut [f32], block: usize, first: usize);
}

impl Finish for () {
    #[inline(always)]
    fn finish<S: Simd>(&self, _: S, _: &mut [f32], _: usize, _: usize) {}
}

/// Adds a bias and another value, then negative values become 0 with `relu`.
pub(crate) struct Epilogue<'a> {
    pub(crate) bias: Option<&'a [f32]>,
    /// All pixels of the output's shape.
    pub(crate) residual: Option<&'a [f32]>,
    pub(crate) relu: bool,
}

impl Finish for Epilogue<'_> {
    #[inline(always)]
    fn finish<S: Simd>(&self, simd: S, pixels: &mut [f32], _: usize, first: usize) {
        if let Some(bias) = self.bias {
            for pixel in pixels.chunks_exact_mut(bias.len()) {
                add(simd, pixel, bias);
            }
        }
        if let Some(residual) = self.residual {
            let len = pixels.len();
            add(simd, pixels, &residual[first..first + len]);
        }
        if self.relu {
            for value in pixels {
                *value = at_least(*value, 0.0);
            }
        }
    }
}

impl<A: Finish, B: Finish> Finish for (A, B) {
    #[inline(always)]
    fn finish<S: Simd>(&self, simd: S, pixels: &mut [f32], block: usize, first: usize) {
        self.0.finish(simd, pixels, block, first);
        self.1.finish(simd, pixels, block, first);
    }
}

/// Output pixels that are finished together. It depends on sizes only, never on the threads there are.
pub(crate) fn block_pixels(pixels: usize) -> usize {
    (pixels / 8).clamp(*PIXELS.start(), *PIXELS.end()).next_multiple_of(*PIXELS.start())
}

/// The convolution of `x` (B, H, W, C) with [`Panels::forward`] of its weight into `y` (B, OH, OW, O), in one group.
pub(crate) fn forward<F: Finish>(
    convolution: &Convolution,
    x: &[f32],
    weight: &Panels,
    y: &mut [f32],
    update: Update,
    finish: &F,
) {
    let outputs = convolution.out_channels;
    let pixels = convolution.batch * convolution.positions();
    let step = block_pixels(pixels);
    let blocks = blocks(convolution, DEPTHS, 16);
    let places = Places::of(convolution);
    y.par_chunks_mut(step * outputs.max(1)).enumerate().for_each(|(index, y)| {
        let longest = blocks.iter().map(Block::stride).max().unwrap_or_default();
        // A panel more than there are outputs, which may not fill the last one.
        scratch(step * (longest + outputs.next_multiple_of(64)), |scratch| {
            let (rows, sums) = scratch.split_at_mut(step * longest);
            dispatch(Part {
                places,
                output: convolution.output,
                blocks: &blocks,
                x,
                weight,
                y,
                update,
                index,
                first: index * step,
                rows,
                sums,
                finish,
            });
        });
    });
}

/// Some output pixels.
struct Part<'a, F> {
    places: Places,
    output: [usize; 2],
    blocks: &'a [Block],
    x: &'a [f32],
    weight: &'a Panels,
    y: &'a mut [f32],
    update: Update,
    index: usize,
    first: usize,
    rows: &'a mut [f32],
    sums: &'a mut [f32],
    finish: &'a F,
}

impl<F: Finish> WithSimd for Part<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Part { places, output, blocks, x, weight, y, update, index, first, rows, sums, finish } = self;
        let (outputs, width) = (weight.width, panel::<S>());
        let pixels = y.len() / outputs;
        let panels = outputs.div_ceil(width);
        let whole = outputs % width == 0;
        for (number, block) in blocks.iter().enumerate() {
            gather::<S>(places, output, x, first..first + pixels, block, rows);
            let left = Left { values: rows, strides: [block.stride(), 1] };
            let right = Right {
                values: &weight.values[block.depths.start * width..],
                strides: [width, weight.depth * width],
            };
            let sizes = Sizes { rows: pixels, depth: block.len(), panels };
            if whole {
                let update = if number == 0 { update } else { Update::Add };
                product(simd, sizes, left, right, Out { values: y, stride: outputs }, update);
            } else {
                let update = if number == 0 { Update::Replace } else { Update::Add };
                let out = Out { values: sums, stride: panels * width };
                product(simd, sizes, left, right, out, update);
            }
        }
        if !whole {
            for (y, sums) in y.chunks_exact_mut(outputs).zip(sums.chunks_exact(panels * width)) {
                match update {
                    Update::Replace => copy::<S>(y, &sums[..outputs]),
                    Update::Add => add(simd, y, &sums[..outputs]),
                }
            }
        }
        finish.finish(simd, y, index, first * outputs);
    }
}

/// The gradient of the input, where that of the output is `dy` (B, OH, OW, O), into `dx` (B, H, W, C); `weight` is
/// (O, C, KH, KW).
pub(crate) fn input_gradient(
    convolution: &Convolution,
    pool: &Pool,
    weight: &[f32],
    dy: &[f32],
    dx: &mut [f32],
    update: Update,
) {
    let window = convolution.window;
    let sizes = [convolution.out_channels, convolution.in_channels, window.kernel[0] * window.kernel[1]];
    if let Some(turned) = convolution.turned() {
        forward(&turned, dy, &Panels::turned(pool, weight, sizes), dx, update, &());
        return;
    }
    let weight = Panels::spread(pool, weight, sizes);
    let image = convolution.image_len();
    let pixels = convolution.positions();
    // Windows overlap within an image, so one thread takes all of it.
    dx.par_chunks_mut(image.max(1)).enumerate().for_each(|(index, dx)| {
        if update == Update::Replace {
            dx.fill(0.0);
        }
        let step = block_pixels(pixels).min(pixels.next_multiple_of(*PIXELS.start()));
        let stride = weight.width.next_multiple_of(64);
        scratch(step * stride, |rows| {
            for first in (0..pixels).step_by(step) {
                let pixels = first..(first + step).min(pixels);
                dispatch(Scatter { convolution, weight: &weight, dy, dx, image: index, pixels, rows });
            }
        });
    });
}

/// Adds what some output pixels give to the gradient of an image.
struct Scatter<'a> {
    convolution: &'a Convolution,
    weight: &'a Panels,
    dy: &'a [f32],
    dx: &'a mut [f32],
    image: usize,
    pixels: std::ops::Range<usize>,
    rows: &'a mut [f32],
}

impl WithSimd for Scatter<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Scatter { convolution, weight, dy, dx, image, pixels, rows } = self;
        let (outputs, width) = (convolution.out_channels, panel::<S>());
        let panels = weight.width.div_ceil(width);
        let stride = panels * width;
        let start = (image * convolution.positions() + pixels.start) * outputs;
        let left = Left { values: &dy[start..start + pixels.len() * outputs], strides: [outputs, 1] };
        let right = Right { values: &weight.values, strides: [width, weight.depth * width] };
        let sizes = Sizes { rows: pixels.len(), depth: outputs, panels };
        product(simd, sizes, left, right, Out { values: rows, stride }, Update::Replace);
        let places = Places::of(convolution);
        let runs = &blocks(convolution, usize::MAX, 1)[0].runs;
        let mut pixel = Pixel { image: 0, ..Pixel::number(pixels.start, convolution.output) };
        for row in 0..pixels.len() {
            let mut from = &rows[row * stride..];
            for run in runs {
                let Place { start, taps } = places.find(pixel, run);
                let len = taps.len() * run.channels;
                add(simd, &mut dx[start..start + len], &from[taps.start * run.channels..][..len]);
                from = &from[run.len()..];
            }
            pixel.step(convolution.output);
        }
    }
}

impl Convolution {
    /// Of a convolution that goes from pixel to pixel without gaps: the one that takes the gradient of its output to
    /// that of its input.
    fn turned(&self) -> Option<Convolution> {
        let mut turned = *self;
        let sliding = self.window.sliding;
        if sliding.stride != [1, 1] || self.groups != 1 {
            return None;
        }
        let padding = &mut turned.window.sliding.padding;
        let reach = |axis: usize| sliding.dilation[axis] * (self.window.kernel[axis] - 1);
        // After the last output so many zeros that the turned window reaches every input.
        let ends = |axis: usize, before: usize| -> Option<(usize, usize)> {
            let before = reach(axis).checked_sub(before)?;
            Some((before, (self.input[axis] + reach(axis)).checked_sub(before + self.output[axis])?))
        };
        (padding.top, padding.bottom) = ends(0, padding.top)?;
        (padding.left, padding.right) = ends(1, padding.left)?;
        (turned.in_channels, turned.out_channels) = (self.out_channels, self.in_channels);
        (turned.input, turned.output) = (self.output, self.input);
        Some(turned)
    }
}
