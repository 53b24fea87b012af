//! A plane of a tensor, made small enough to be drawn.

use std::ops::Range;

use candle_core::{Layout, Tensor, WithDType};
use rayon::prelude::*;

use super::values::{Question, ask, position};
use crate::Result;

/// Of a cell's values at most so many a side are looked at, spread evenly: the time to draw is bounded
/// whatever the tensor's size.
const LOOKS: usize = 64;

/// The last two dimensions of a tensor at fixed leading indices, averaged in cells.
#[derive(Debug, Clone)]
pub(super) struct Plane {
    /// The indices of all dimensions but the last two.
    pub leading: Vec<usize>,
    /// Rows and columns of cells, each at least 1 and at most those of the tensor.
    pub cells: [usize; 2],
    /// These values become 0 and 1.
    pub span: (f64, f64),
}

impl Plane {
    /// The means of the cells, row by row, as positions in `span`, cut off at 0 and 1. A cell in which a value
    /// that was looked at is not finite is NaN: a mean would hide it. Where the span is one value, all are 0.5.
    pub(super) fn of(self, tensor: &Tensor) -> Result<Vec<f32>> {
        ask(tensor, self)
    }
}

impl Question for Plane {
    type Answer = Vec<f32>;

    fn ask<T: WithDType>(self, storage: &[T], layout: &Layout) -> Vec<f32> {
        let (Some(dims), Some(strides)) =
            (layout.dims().last_chunk::<2>(), layout.stride().last_chunk::<2>())
        else {
            return Vec::new();
        };
        let start = position(layout, &self.leading);
        let (low, high) = self.span;
        // Halved, because the difference of two huge values could overflow.
        let width = high / 2.0 - low / 2.0;
        let [rows, columns] = [0, 1].map(|axis| looks(dims[axis], self.cells[axis]));
        let row = |rows: &Vec<usize>| {
            let cell = |columns: &Vec<usize>| {
                // Weighed before they are added up: the sum of huge values could overflow.
                let weight = 0.5 / (rows.len() * columns.len()) as f64;
                let mut half_mean = 0.0;
                for row in rows {
                    for column in columns {
                        let value = storage[start + row * strides[0] + column * strides[1]].to_f64();
                        // NaN and infinity spread to the sum.
                        half_mean += value * weight;
                    }
                }
                let mean = (half_mean - low / 2.0) / width;
                match (width > 0.0, mean.is_finite()) {
                    (true, true) => mean.clamp(0.0, 1.0) as f32,
                    (true, false) => f32::NAN,
                    (false, _) => constant(rows, columns, |row, column| {
                        storage[start + row * strides[0] + column * strides[1]].to_f64()
                    }),
                }
            };
            columns.iter().map(cell).collect::<Vec<f32>>()
        };
        rows.par_iter().flat_map_iter(row).collect()
    }
}

/// The cell of a plane whose finite values are all the same.
fn constant(rows: &[usize], columns: &[usize], value: impl Fn(usize, usize) -> f64) -> f32 {
    let finite = rows.iter().all(|&row| columns.iter().all(|&column| value(row, column).is_finite()));
    if finite { 0.5 } else { f32::NAN }
}

/// `0..length` in so many parts.
fn parts(length: usize, cells: usize) -> impl Iterator<Item = Range<usize>> {
    // In 128 bits, because both may be large.
    let border = move |cell: usize| (cell as u128 * length as u128 / cells as u128) as usize;
    (0..cells).map(move |cell| border(cell)..border(cell + 1))
}

/// For each of `cells` parts of `0..length`, the indices that are looked at. They are an odd number apart, so that stripes do not hide
/// between them.
fn looks(length: usize, cells: usize) -> Vec<Vec<usize>> {
    let chosen = |part: Range<usize>| {
        let step = part.len().div_ceil(LOOKS).max(1);
        part.step_by(if step > 1 { step | 1 } else { 1 }).collect()
    };
    parts(length, cells).map(chosen).collect()
}

/// Up to 60 means over equal stretches of a 1-d tensor, all of its values, for a sparkline. A stretch with a value that is
/// not finite is NaN or infinite.
pub(super) struct Stretches;

impl Question for Stretches {
    type Answer = Vec<f64>;

    fn ask<T: WithDType>(self, storage: &[T], layout: &Layout) -> Vec<f64> {
        let (&[length], &[stride]) = (layout.dims(), layout.stride()) else {
            return Vec::new();
        };
        let start = layout.start_offset();
        let mean = |stretch: Range<usize>| {
            let count = stretch.len() as f64;
            // Divided before the sum, which could overflow.
            stretch.map(|at| storage[start + at * stride].to_f64() / count).sum()
        };
        parts(length, length.min(60)).map(mean).collect()
    }
}
