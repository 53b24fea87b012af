use candle_core::{CpuStorage, CustomOp1, Layout, Shape, Tensor};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::composed;
use super::host::{Real, dtype, output, read, values, with_real};
use super::operands::{check, image_dims, shape_error};
use super::record::apply1;
use crate::Result;

/// How pixels between pixels are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Interpolation {
    /// The pixel whose cell it falls into: `⌊i · H / OH⌋`, as PyTorch's `nearest`.
    Nearest,
    /// The four pixels around, by their distance.
    Bilinear(Corners),
}

/// Which points of the two images lie on each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Corners {
    /// The corners of the corner pixels; PyTorch's `align_corners=False`.
    #[default]
    Edges,
    /// The centres of the corner pixels; `align_corners=True`.
    Centres,
}

/// Images of another size, `output` (OH, OW): `x` (B, C, H, W) gives (B, C, OH, OW). Making images smaller takes the
/// pixels at the new places and does not average over those left out.
///
/// # Errors
/// If `x` is not a batch of images with at least one pixel, `output` has a side of 0, or `x` is not f32 or f64.
pub fn interpolate(x: &Tensor, output: [usize; 2], interpolation: Interpolation) -> Result<Tensor> {
    let op = "interpolate";
    check(op, &[("x", x)])?;
    let [_, _, height, width] = image_dims(op, x)?;
    if height * width == 0 {
        return Err(shape_error(op, "images with at least one pixel", x.dims(), ""));
    }
    if output.contains(&0) {
        return Err(shape_error(op, "an output of at least one pixel", &output, ""));
    }
    let input = [height, width];
    let [rows, columns] = [0, 1].map(|axis| mixes(input[axis], output[axis], interpolation));
    let op = Interpolate { rows, columns, input };
    if composed::computes(x)? {
        return Ok(composed::interpolate(&op, x)?);
    }
    apply1(op, x)
}

/// What a row or column is made of: two of the input's, and the share of the second.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mix {
    pub(super) first: usize,
    pub(super) second: usize,
    pub(super) share: f64,
}

fn mixes(input: usize, output: usize, interpolation: Interpolation) -> Vec<Mix> {
    let ratio = input as f64 / output as f64;
    let mix = |position: usize| {
        let place = match interpolation {
            // In whole numbers, which do not fall short of a cell's edge.
            Interpolation::Nearest => (position * input / output) as f64,
            Interpolation::Bilinear(Corners::Edges) => ((position as f64 + 0.5) * ratio - 0.5).max(0.0),
            Interpolation::Bilinear(Corners::Centres) => {
                position as f64 * (input - 1) as f64 / (output.max(2) - 1) as f64
            }
        };
        let first = (place as usize).min(input - 1);
        Mix { first, second: (first + 1).min(input - 1), share: place - first as f64 }
    };
    (0..output).map(mix).collect()
}

pub(super) struct Interpolate {
    pub(super) rows: Vec<Mix>,
    pub(super) columns: Vec<Mix>,
    pub(super) input: [usize; 2],
}

impl Interpolate {
    fn forward<T: Real>(&self, x: &[T]) -> Vec<T> {
        let [height, width] = self.input;
        let positions = self.rows.len() * self.columns.len();
        let mut y = vec![T::zero(); x.len() / (height * width) * positions];
        let planes = y.par_chunks_mut(positions).zip(x.par_chunks(height * width)).with_min_len(4);
        planes.for_each_init(
            || vec![T::zero(); width],
            |line, (y, x)| {
                for (row, y) in self.rows.iter().zip(y.chunks_mut(self.columns.len())) {
                    let share = T::from_f64(row.share);
                    let (first, second) = (&x[row.first * width..], &x[row.second * width..]);
                    for (value, (&a, &b)) in line.iter_mut().zip(first.iter().zip(second)) {
                        *value = mixed(a, b, share);
                    }
                    for (column, y) in self.columns.iter().zip(y) {
                        *y = mixed(line[column.first], line[column.second], T::from_f64(column.share));
                    }
                }
            },
        );
        y
    }

    fn backward<T: Real>(&self, len: usize, dy: &[T]) -> Vec<T> {
        let [height, width] = self.input;
        let positions = self.rows.len() * self.columns.len();
        let mut dx = vec![T::zero(); len];
        let planes = dx.par_chunks_mut(height * width).zip(dy.par_chunks(positions)).with_min_len(4);
        planes.for_each_init(
            || vec![T::zero(); width],
            |line, (dx, dy)| {
                for (row, dy) in self.rows.iter().zip(dy.chunks(self.columns.len())) {
                    line.fill(T::zero());
                    for (column, &dy) in self.columns.iter().zip(dy) {
                        let second = dy * T::from_f64(column.share);
                        line[column.first] += dy - second;
                        line[column.second] += second;
                    }
                    let share = T::from_f64(row.share);
                    for (column, &value) in line.iter().enumerate() {
                        let second = value * share;
                        dx[row.first * width + column] += value - second;
                        dx[row.second * width + column] += second;
                    }
                }
            },
        );
        dx
    }
}

/// Exactly `a` where `b` has no share, even if it is not a number.
#[inline(always)]
fn mixed<T: Real>(a: T, b: T, share: T) -> T {
    if share == T::zero() { a } else { a + (b - a) * share }
}

impl CustomOp1 for Interpolate {
    fn name(&self) -> &'static str {
        "interpolate"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        let shape = [layout.dims()[0], layout.dims()[1], self.rows.len(), self.columns.len()];
        with_real!(dtype(x), "interpolate", T => output(self.forward::<T>(values(x, layout)?), shape))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, dy: &Tensor) -> candle_core::Result<Option<Tensor>> {
        let dy = dy.contiguous()?;
        with_real!(x.dtype(), "interpolate", T => {
            let dx = read([&dy], |[dy]: [&[T]; 1]| self.backward(x.elem_count(), dy))?;
            Tensor::from_vec(dx, x.shape(), x.device()).map(Some)
        })
    }
}
