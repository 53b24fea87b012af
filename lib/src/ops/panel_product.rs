//! Products of f32 matrices with many rows, where the CPU's vectors have eight lanes (AVX2).
//!
//! The right matrix is brought into panels of two vectors, once for all rows and all threads; the left one is read where
//! it lies. For wider vectors the gemm crate's blocks are faster.

use std::ops::Range;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::gemm::{Matrix, Update};
use super::host::Real;
use super::micro::{Left, Out, Right, Sizes, product};
#[cfg(target_arch = "x86_64")]
use super::simd::arch;

/// Columns of a panel.
const PANEL: usize = 16;
/// Rows that take a panel in turn while it is in the first cache.
const ROWS: usize = 48;
/// How deep a product goes at once: so deep, these rows stay in the second cache.
const DEPTH: usize = 768;
/// Fewer rows do not pay for the panels.
const LEAST_ROWS: usize = 1024;

/// A right matrix (K, N) in panels of columns, zeros after the last.
#[derive(Debug)]
pub(super) struct RightPanels {
    values: Vec<f32>,
    depth: usize,
    width: usize,
}

impl RightPanels {
    /// Of a matrix that is multiplied with so many rows; none where that would not be faster than without.
    pub(super) fn of<T: Real>(right: Matrix<T>, rows: usize) -> Option<RightPanels> {
        let pays = rows >= LEAST_ROWS && right.rows >= PANEL && right.columns >= PANEL;
        single(right).filter(|_| pays && has_eight_lanes()).map(RightPanels::packed)
    }

    fn packed(right: Matrix<f32>) -> RightPanels {
        let [depth, width] = [right.rows, right.columns];
        let mut values = vec![0.0; depth * width.next_multiple_of(PANEL)];
        let panels = values.par_chunks_mut(depth * PANEL).enumerate();
        panels.for_each(|(index, panel)| pack(right, index * PANEL, panel));
        RightPanels { values, depth, width }
    }

    /// `left` (M, K) times this into `out` (M, N).
    ///
    /// # Panics
    /// If the sizes do not fit each other, a matrix reaches over its values, or they are not f32, of which alone panels
    /// are made: a fault of the caller's.
    pub(super) fn multiply<T: Real>(&self, left: Matrix<T>, out: &mut [T], update: Update) {
        assert_eq!(left.columns, self.depth, "the inner sizes of a matrix product differ");
        let (Some(left), Some(out)) = (single(left), T::single_mut(out)) else {
            unreachable!("panels are made of f32 alone")
        };
        let mut memory = Memory::default();
        for (first, out) in (0..left.rows).step_by(ROWS).zip(out.chunks_mut(ROWS * self.width)) {
            let rows = left.rows(first..(first + ROWS).min(left.rows));
            let step = self.depth.div_ceil(self.depth.div_ceil(DEPTH));
            for depth in (0..self.depth).step_by(step) {
                let update = if depth == 0 { update } else { Update::Add };
                let depths = depth..(depth + step).min(self.depth);
                run(Rows { panels: self, left: rows, depths, out: &mut *out, update, memory: &mut memory });
            }
        }
    }
}

/// Columns from `first` on, as a panel (K, [`PANEL`]).
fn pack(right: Matrix<f32>, first: usize, panel: &mut [f32]) {
    let [row, column] = right.strides;
    let count = PANEL.min(right.columns - first);
    let values = &right.values[first * column..];
    if column == 1 {
        for (k, line) in panel.chunks_exact_mut(PANEL).enumerate() {
            line[..count].copy_from_slice(&values[k * row..][..count]);
        }
        return;
    }
    // A tile at a time, so that both its sides are in the cache.
    for (tile, lines) in panel.chunks_mut(PANEL * PANEL).enumerate() {
        for at in 0..count {
            let from = values[at * column + tile * PANEL * row..].iter().step_by(row);
            lines[at..].iter_mut().step_by(PANEL).zip(from).for_each(|(to, from)| *to = *from);
        }
    }
}

/// Memory that one block of rows leaves to the next.
#[derive(Default)]
struct Memory {
    left: Vec<f32>,
    edge: Vec<f32>,
}

/// Some rows times all panels, from one depth to another.
struct Rows<'a> {
    panels: &'a RightPanels,
    left: Matrix<'a, f32>,
    depths: Range<usize>,
    out: &'a mut [f32],
    update: Update,
    memory: &'a mut Memory,
}

impl WithSimd for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Rows { panels: RightPanels { values, depth, width }, left, depths, out, update, memory } = self;
        let rows = left.rows;
        let left = brought_together(left, depths.clone(), &mut memory.left);
        let right = |panel: usize| Right {
            values: &values[(panel * depth + depths.start) * PANEL..],
            strides: [PANEL, depth * PANEL],
        };
        let (full, rest) = (width / PANEL, width % PANEL);
        let sizes = Sizes { rows, depth: depths.len(), panels: full, panel: PANEL };
        product(simd, sizes, left, right(0), Out { values: &mut *out, stride: *width }, update);
        if rest == 0 {
            return;
        }
        // Whole panels are written, so the last one goes into memory of its own.
        memory.edge.resize(ROWS * PANEL, 0.0);
        let edge = Out { values: &mut memory.edge, stride: PANEL };
        product(simd, Sizes { panels: 1, ..sizes }, left, right(full), edge, Update::Replace);
        for (out, edge) in out.chunks_exact_mut(*width).zip(memory.edge.chunks_exact(PANEL)) {
            let values = out[full * PANEL..].iter_mut().zip(edge);
            match update {
                Update::Replace => values.for_each(|(to, from)| *to = *from),
                Update::Add => values.for_each(|(to, from)| *to += *from),
            }
        }
    }
}

/// Rows as the product reads them: where they lie, or, where the values of a row lie apart, a copy depth by depth.
fn brought_together<'a>(rows: Matrix<'a, f32>, depths: Range<usize>, copy: &'a mut Vec<f32>) -> Left<'a> {
    let [row, column] = rows.strides;
    if row != 1 || column == 1 {
        return Left { values: &rows.values[depths.start * column..], strides: [row, column] };
    }
    copy.clear();
    depths.for_each(|depth| copy.extend_from_slice(&rows.values[depth * column..][..rows.rows]));
    Left { values: copy, strides: [1, rows.rows] }
}

/// A matrix of f32, if it is one.
fn single<T: Real>(matrix: Matrix<T>) -> Option<Matrix<f32>> {
    let Matrix { values, rows, columns, strides } = matrix;
    Some(Matrix { values: T::single(values)?, rows, columns, strides })
}

#[cfg(target_arch = "x86_64")]
fn has_eight_lanes() -> bool {
    matches!(arch(), pulp::Arch::V3(_))
}

#[cfg(target_arch = "x86_64")]
fn run(rows: Rows<'_>) {
    // Panels are made only where the CPU has these vectors: they are the ones chosen, or a test has looked.
    if let Some(simd) = pulp::x86::V3::try_new() {
        Simd::vectorize(simd, rows);
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn has_eight_lanes() -> bool {
    false
}

#[cfg(not(target_arch = "x86_64"))]
fn run(_: Rows<'_>) {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Products of whole numbers are exact in any order.
    fn numbers(count: usize, seed: usize) -> Vec<f32> {
        (0..count).map(|at| ((at * 7 + seed) % 9) as f32 - 4.0).collect()
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn products_by_panels_are_those_of_the_definition() {
        // Also where wider vectors are chosen.
        if pulp::x86::V3::try_new().is_none() {
            return;
        }
        for [m, k, n] in [[1, 16, 16], [48, 800, 17], [49, 1, 5], [101, 33, 40], [7, 1600, 31]] {
            let (a, b) = (numbers(m * k, 1), numbers(k * n, 2));
            for turned in [[false, false], [false, true], [true, false], [true, true]] {
                let of = |values, [rows, columns]: [usize; 2], turned| match turned {
                    false => Matrix::packed(values, rows, columns),
                    true => Matrix::packed(values, columns, rows).transposed(),
                };
                let (left, right) = (of(&a[..], [m, k], turned[0]), of(&b[..], [k, n], turned[1]));
                let at = |matrix: Matrix<f32>, row: usize, column: usize| {
                    matrix.values[row * matrix.strides[0] + column * matrix.strides[1]]
                };
                let mut expected: Vec<f32> = (0..m * n)
                    .map(|place| (0..k).map(|i| at(left, place / n, i) * at(right, i, place % n)).sum())
                    .collect();
                let panels = RightPanels::packed(right);
                let mut y = vec![f32::NAN; m * n];
                panels.multiply(left, &mut y, Update::Replace);
                assert_eq!(y, expected, "{m} x {k} x {n} {turned:?}");
                panels.multiply(left, &mut y, Update::Add);
                expected.iter_mut().for_each(|value| *value *= 2.0);
                assert_eq!(y, expected, "{m} x {k} x {n} {turned:?}, added");
            }
        }
    }
}
