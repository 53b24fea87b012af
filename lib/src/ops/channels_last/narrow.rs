//! Convolutions of few channels. A row of the window is a handful of values that lie beside each other in the image, and
//! those of the next output begin a pixel later: the products take them where they are, and nothing is gathered but
//! the zeros around the image.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::finish::Finish;
use super::gather::{add, copy};
use super::panels::Panels;
use super::scratch;
use super::weight_gradient::{padded, to_weight};
use crate::ops::buffer::Pool;
use crate::ops::columns::Convolution;
use crate::ops::gemm::Update;
use crate::ops::micro::{Left, Out, Right, Sizes, panel, product};
use crate::ops::simd::dispatch;

/// With more channels gathering costs little beside the product.
const CHANNELS: usize = 16;
/// Output pixels that a thread takes at a time, about.
const PIXELS: usize = 512;
/// Sums that the gradient of the weight is taken in, for as many threads.
const SHARES: usize = 16;

/// A convolution of few channels whose window has no gaps between columns.
#[derive(Debug, Clone, Copy)]
pub(super) struct Narrow {
    convolution: Convolution,
    /// Rows of the output at a time: a part of each image.
    rows: usize,
}

impl Narrow {
    pub(super) fn of(convolution: &Convolution) -> Option<Narrow> {
        let fits = convolution.groups == 1
            && convolution.in_channels <= CHANNELS
            && convolution.window.sliding.dilation[1] == 1
            && !convolution.is_pointwise();
        let [height, width] = convolution.output;
        let most = (PIXELS / width.max(1)).max(1);
        let rows = (1..=height).rev().find(|rows| height % rows == 0 && *rows <= most)?;
        fits.then_some(Narrow { convolution: *convolution, rows })
    }

    /// Output pixels that are finished together.
    pub(super) fn step(&self) -> usize {
        self.rows * self.convolution.output[1]
    }

    /// Values of a row of the image with the zeros beside it.
    fn line(&self) -> usize {
        let [_, [left, right]] = self.convolution.window.sliding.padding.sides();
        (left + self.convolution.input[1] + right) * self.convolution.in_channels
    }

    /// Values of the rows that a part of the output takes.
    fn part_len(&self) -> usize {
        let (window, sliding) = (self.convolution.window, self.convolution.window.sliding);
        let reach = sliding.dilation[0] * (window.kernel[0] - 1) + 1;
        ((self.rows - 1) * sliding.stride[0] + reach) * self.line()
    }

    /// Brings the rows under part number `part` of the output together, zeros around them.
    #[inline(always)]
    fn enter(&self, x: &[f32], part: usize, lines: &mut [f32]) {
        let Convolution { input: [height, width], in_channels, .. } = self.convolution;
        let [[top, _], [left, _]] = self.convolution.window.sliding.padding.sides();
        let parts = self.convolution.output[0] / self.rows;
        let (image, first) = (part / parts, part % parts * self.rows);
        let (start, len) = (left * in_channels, width * in_channels);
        for (row, line) in lines.chunks_exact_mut(self.line()).enumerate() {
            let row = first * self.convolution.window.sliding.stride[0] + row;
            if row < top || row - top >= height {
                line.fill(0.0);
                continue;
            }
            line[..start].fill(0.0);
            copy(&mut line[start..start + len], &x[(image * height + row - top) * len..][..len]);
            line[start + len..].fill(0.0);
        }
    }

    /// Where the values of one row of the window begin for one row of the output.
    #[inline(always)]
    fn start(&self, row: usize, tap: usize) -> usize {
        let sliding = self.convolution.window.sliding;
        (row * sliding.stride[0] + tap * sliding.dilation[0]) * self.line()
    }

    /// Values of one row of the window.
    fn run(&self) -> usize {
        self.convolution.window.kernel[1] * self.convolution.in_channels
    }

    /// Values from an output's to the next one's.
    fn pixel_stride(&self) -> usize {
        self.convolution.window.sliding.stride[1] * self.convolution.in_channels
    }

    /// The convolution of `x` (B, H, W, C) with the panels of its weight into `y` (B, OH, OW, O).
    pub(super) fn forward<F: Finish>(
        &self,
        x: &[f32],
        weight: &Panels,
        y: &mut [f32],
        update: Update,
        finish: &F,
    ) {
        let (step, outputs) = (self.step(), self.convolution.out_channels);
        let room = self.convolution.output[1] * outputs.next_multiple_of(64);
        y.par_chunks_mut((step * outputs).max(1)).enumerate().for_each(|(index, y)| {
            scratch(self.part_len() + room, |scratch| {
                let (lines, sums) = scratch.split_at_mut(self.part_len());
                dispatch(Part { narrow: self, x, weight, y, update, index, lines, sums, finish });
            });
        });
    }

    /// The gradient of the weight (O, C, KH, KW), where that of the output is `dy` (B, OH, OW, O), of `x` (B, H, W, C).
    pub(super) fn weight_gradient(&self, pool: &Pool, x: &[f32], dy: &[f32], dw: &mut [f32]) {
        let (outputs, depth) = (self.convolution.out_channels, self.convolution.depth());
        let width = padded(outputs);
        let parts = self.convolution.batch * (self.convolution.output[0] / self.rows);
        let share = parts.div_ceil(SHARES).max(1);
        let mut sums = pool.take(parts.div_ceil(share) * depth * width);
        sums.par_chunks_mut((depth * width).max(1)).enumerate().for_each(|(index, sums)| {
            sums.fill(0.0);
            let room = self.convolution.output[1] * width;
            scratch(self.part_len() + room, |scratch| {
                for part in index * share..((index + 1) * share).min(parts) {
                    let (lines, gathered) = scratch.split_at_mut(self.part_len());
                    dispatch(PartGradient { narrow: self, x, dy, part, lines, gathered, width, sums });
                }
            });
        });
        to_weight(&sums, dw, &self.convolution, width);
    }
}

/// Some rows of the output of an image.
struct Part<'a, F> {
    narrow: &'a Narrow,
    x: &'a [f32],
    weight: &'a Panels,
    y: &'a mut [f32],
    update: Update,
    index: usize,
    lines: &'a mut [f32],
    sums: &'a mut [f32],
    finish: &'a F,
}

impl<F: Finish> WithSimd for Part<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Part { narrow, x, weight, y, update, index, lines, sums, finish } = self;
        narrow.enter(x, index, lines);
        let (outputs, panel) = (weight.width, panel::<S>(weight.width));
        let columns = narrow.convolution.output[1];
        let (panels, run) = (outputs.div_ceil(panel), narrow.run());
        let sizes = Sizes { rows: columns, depth: run, panels, panel };
        let (whole, width) = (outputs % panel == 0, panels * panel);
        for (row, y) in y.chunks_exact_mut(columns * outputs).enumerate() {
            for tap in 0..narrow.convolution.window.kernel[0] {
                let values = &lines[narrow.start(row, tap)..];
                let left = Left { values, strides: [narrow.pixel_stride(), 1] };
                let values = &weight.values[tap * run * panel..];
                let right = Right { values, strides: [panel, weight.depth * panel] };
                let first = if whole { update } else { Update::Replace };
                let update = if tap == 0 { first } else { Update::Add };
                let out = match whole {
                    true => Out { values: &mut *y, stride: outputs },
                    false => Out { values: &mut *sums, stride: width },
                };
                product(simd, sizes, left, right, out, update);
            }
            if !whole {
                for (y, sums) in y.chunks_exact_mut(outputs).zip(sums.chunks_exact(width)) {
                    match update {
                        Update::Replace => copy(y, &sums[..outputs]),
                        Update::Add => add(simd, y, &sums[..outputs]),
                    }
                }
            }
        }
        let first = index * narrow.step() * outputs;
        finish.finish(simd, y, index, first);
    }
}

/// What some rows of the output of an image give to the gradient of the weight.
struct PartGradient<'a> {
    narrow: &'a Narrow,
    x: &'a [f32],
    dy: &'a [f32],
    part: usize,
    lines: &'a mut [f32],
    /// Room for a row of gradients whose channels fill panels.
    gathered: &'a mut [f32],
    width: usize,
    sums: &'a mut [f32],
}

impl WithSimd for PartGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let PartGradient { narrow, x, dy, part, lines, gathered, width, sums } = self;
        narrow.enter(x, part, lines);
        let (outputs, columns) = (narrow.convolution.out_channels, narrow.convolution.output[1]);
        let (panel, run) = (panel::<S>(outputs), narrow.run());
        let sizes = Sizes { rows: run, depth: columns, panels: width / panel, panel };
        let len = narrow.step() * outputs;
        for (row, dy) in dy[part * len..][..len].chunks_exact(columns * outputs).enumerate() {
            let mut gradients = dy;
            if outputs < width {
                for (to, from) in gathered.chunks_exact_mut(width).zip(dy.chunks_exact(outputs)) {
                    copy(&mut to[..outputs], from);
                    to[outputs..].fill(0.0);
                }
                gradients = &*gathered;
            }
            for tap in 0..narrow.convolution.window.kernel[0] {
                let values = &lines[narrow.start(row, tap)..];
                let left = Left { values, strides: [1, narrow.pixel_stride()] };
                let right = Right { values: gradients, strides: [width, panel] };
                let out = Out { values: &mut sums[tap * run * width..][..run * width], stride: width };
                product(simd, sizes, left, right, out, Update::Add);
            }
        }
    }
}
