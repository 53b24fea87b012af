use std::ops::Range;

use candle_core::{CpuStorage, CustomOp1, Layout, Shape, Tensor};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::composed;
use super::host::{Real, dtype, output, read, values, with_real};
use super::operands::{check, image_dims, shape_error};
use super::record::apply1;
use super::window::{Rounding, Sliding, Window};
use crate::Result;

/// What the sum under a window is divided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Divisor {
    /// The pixels and the padding under it; PyTorch's `count_include_pad=True`.
    #[default]
    WithPadding,
    /// The pixels under it.
    PixelsOnly,
}

/// The mean of the pixels under each position of a window: `x` (B, C, H, W) gives (B, C, OH, OW) with
/// `OH = (H + padding - KH) / stride + 1`, rounded as `rounding` says, and OW likewise.
///
/// # Errors
/// If `x` is not a batch of images, not f32 or f64, the window is larger than the padded image or has
/// gaps (a dilation), or the padding is more than half the kernel (a window could lie on padding alone).
pub fn avg_pool2d(
    x: &Tensor,
    kernel: [usize; 2],
    sliding: Sliding,
    rounding: Rounding,
    divisor: Divisor,
) -> Result<Tensor> {
    check("avg_pool2d", &[("x", x)])?;
    let [_, _, height, width] = image_dims("avg_pool2d", x)?;
    let window = Window { kernel, sliding, rounding };
    let op = AvgPool2d::sliding(window, divisor, [height, width])?;
    apply(op, x)
}

/// The mean of each of `output` equal parts of the image, whatever its size: `x` (B, C, H, W) gives (B, C, OH, OW).
/// Part `i` of OH goes from row `⌊i·H/OH⌋` to row `⌈(i+1)·H/OH⌉`; parts may overlap.
///
/// # Errors
/// If `x` is not a batch of images with at least one pixel, `output` has a side of 0, or `x` is not f32 or f64.
pub fn adaptive_avg_pool2d(x: &Tensor, output: [usize; 2]) -> Result<Tensor> {
    check("adaptive_avg_pool2d", &[("x", x)])?;
    let [_, _, height, width] = image_dims("adaptive_avg_pool2d", x)?;
    let op = AvgPool2d::adaptive(output, [height, width])?;
    apply(op, x)
}

fn apply(op: AvgPool2d, x: &Tensor) -> Result<Tensor> {
    if composed::computes(x)? {
        return Ok(composed::avg_pool2d(&op, x)?);
    }
    apply1(op, x)
}

/// A stretch of rows or columns that go into one output, and what its side of the window counts.
#[derive(Debug, Clone)]
pub(super) struct Side {
    pub(super) pixels: Range<usize>,
    pub(super) counted: usize,
}

/// Means over rectangles, whose sides are the same for all planes.
pub(crate) struct AvgPool2d {
    pub(super) name: &'static str,
    pub(super) rows: Vec<Side>,
    pub(super) columns: Vec<Side>,
    pub(super) input: [usize; 2],
}

impl AvgPool2d {
    pub(crate) fn sliding(window: Window, divisor: Divisor, input: [usize; 2]) -> Result<AvgPool2d> {
        let name = "avg_pool2d";
        if window.sliding.dilation != [1, 1] {
            return Err(shape_error(name, "a window without gaps", &window.sliding.dilation, ""));
        }
        window.check_padding(name)?;
        let output = window.output_size(name, input)?;
        let sides = |axis: usize| -> Vec<Side> {
            let [before, after] = window.sliding.padding.sides()[axis];
            let side = |position: usize| {
                // In padded pixels.
                let start = position * window.sliding.stride[axis];
                let end = (start + window.kernel[axis]).min(before + input[axis] + after);
                let pixels = start.max(before) - before..end.min(before + input[axis]).saturating_sub(before);
                let counted = match divisor {
                    Divisor::WithPadding => end - start,
                    Divisor::PixelsOnly => pixels.len(),
                };
                Side { pixels, counted }
            };
            (0..output[axis]).map(side).collect()
        };
        Ok(AvgPool2d { name, rows: sides(0), columns: sides(1), input })
    }

    pub(crate) fn adaptive(output: [usize; 2], input: [usize; 2]) -> Result<AvgPool2d> {
        let name = "adaptive_avg_pool2d";
        if output.contains(&0) {
            return Err(shape_error(name, "an output of at least one pixel", &output, ""));
        }
        if input.contains(&0) {
            return Err(shape_error(name, "images with at least one pixel", &input, ""));
        }
        let sides = |axis: usize| -> Vec<Side> {
            let (input, output) = (input[axis], output[axis]);
            let side = |position: usize| {
                let pixels = position * input / output..((position + 1) * input).div_ceil(output);
                Side { counted: pixels.len(), pixels }
            };
            (0..output).map(side).collect()
        };
        Ok(AvgPool2d { name, rows: sides(0), columns: sides(1), input })
    }

    pub(crate) fn output(&self) -> [usize; 2] {
        [self.rows.len(), self.columns.len()]
    }

    fn pixels(&self) -> usize {
        (self.input[0] * self.input[1]).max(1)
    }

    fn positions(&self) -> usize {
        (self.rows.len() * self.columns.len()).max(1)
    }

    fn share<T: Real>(row: &Side, column: &Side) -> T {
        T::from_f64(1.0 / (row.counted * column.counted) as f64)
    }

    fn forward<T: Real>(&self, x: &[T]) -> Vec<T> {
        let width = self.input[1];
        let mut y = vec![T::zero(); x.len() / self.pixels() * self.positions()];
        let planes = y.par_chunks_mut(self.positions()).zip(x.par_chunks(self.pixels()));
        planes.with_min_len(16).for_each_init(
            || vec![T::zero(); width],
            |line, (y, x)| {
                for (row, y) in self.rows.iter().zip(y.chunks_mut(self.columns.len())) {
                    // The rows first, side by side; then the columns.
                    line.fill(T::zero());
                    for x in x.chunks(width).skip(row.pixels.start).take(row.pixels.len()) {
                        line.iter_mut().zip(x).for_each(|(sum, &x)| *sum += x);
                    }
                    for (column, y) in self.columns.iter().zip(y) {
                        let sum =
                            line[column.pixels.clone()].iter().fold(T::zero(), |sum, &value| sum + value);
                        *y = sum * Self::share(row, column);
                    }
                }
            },
        );
        y
    }

    fn backward<T: Real>(&self, len: usize, dy: &[T]) -> Vec<T> {
        let width = self.input[1];
        let mut dx = vec![T::zero(); len];
        let planes = dx.par_chunks_mut(self.pixels()).zip(dy.par_chunks(self.positions()));
        planes.with_min_len(16).for_each_init(
            || vec![T::zero(); width],
            |line, (dx, dy)| {
                for (row, dy) in self.rows.iter().zip(dy.chunks(self.columns.len())) {
                    line.fill(T::zero());
                    for (column, &dy) in self.columns.iter().zip(dy) {
                        let share = dy * Self::share(row, column);
                        line[column.pixels.clone()].iter_mut().for_each(|value| *value += share);
                    }
                    for dx in dx.chunks_mut(width).skip(row.pixels.start).take(row.pixels.len()) {
                        dx.iter_mut().zip(line.iter()).for_each(|(dx, &value)| *dx += value);
                    }
                }
            },
        );
        dx
    }
}

impl CustomOp1 for AvgPool2d {
    fn name(&self) -> &'static str {
        self.name
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        let [height, width] = self.output();
        let shape = [layout.dims()[0], layout.dims()[1], height, width];
        with_real!(dtype(x), self.name, T => output(self.forward::<T>(values(x, layout)?), shape))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, dy: &Tensor) -> candle_core::Result<Option<Tensor>> {
        let dy = dy.contiguous()?;
        with_real!(x.dtype(), self.name, T => {
            let dx = read([&dy], |[dy]: [&[T]; 1]| self.backward(x.elem_count(), dy))?;
            Tensor::from_vec(dx, x.shape(), x.device()).map(Some)
        })
    }
}
