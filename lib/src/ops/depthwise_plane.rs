//! A plane and one window of weights that goes over it.

use std::mem::MaybeUninit;

use pulp::{Simd, WithSimd};

use super::host::Real;
use super::lines::Lines;

/// Rows of outputs that go together.
const ROWS: usize = 4;

/// Whether the window is turned by half.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    No,
    Half,
}

/// A plane that is cut into lines row by row, shortly before the rows are needed: the CPU fetches the next ones from
/// memory while it computes.
pub(super) struct Plane<'a, T> {
    pub(super) lines: &'a Lines,
    pub(super) x: &'a [T],
    /// The lines, with zeros around the pixels.
    pub(super) values: &'a mut [T],
    /// The first rows that are there already.
    pub(super) rows: usize,
}

impl<T: Real> Plane<'_, T> {
    /// The convolution with a window, `columns` wide, plus `bias`, into all of `y`.
    #[inline(always)]
    pub(super) fn convolve<'y, S: Simd>(
        mut self,
        simd: S,
        columns: usize,
        (weight, turn): (&[T], Turn),
        bias: T,
        y: &'y mut [MaybeUninit<T>],
    ) -> &'y mut [T] {
        let width = self.lines.output_width();
        // Of each element of the window in a row of outputs: where its pixels begin, and its weight.
        let mut taps: Vec<(usize, T)> = Vec::with_capacity(weight.len());
        let mut row = 0;
        while row * width < y.len() {
            if let Some(pixel_row) = self.lines.rows_inside(row, ROWS) {
                self.enter(row + ROWS - 1);
                let rows = &mut y[row * width..(row + ROWS) * width];
                let place = (self.lines, &*self.values, pixel_row);
                let done = match (weight.len() / columns, columns) {
                    (3, 3) => simd.vectorize(Rows::<T, 3> { place, weight, turn, bias, y: rows }),
                    (5, 5) => simd.vectorize(Rows::<T, 5> { place, weight, turn, bias, y: rows }),
                    (7, 7) => simd.vectorize(Rows::<T, 7> { place, weight, turn, bias, y: rows }),
                    _ => false,
                };
                if done {
                    row += ROWS;
                    continue;
                }
            }
            self.enter(row);
            taps.clear();
            for (tap_row, pixel_row) in self.lines.rows(row) {
                for tap in 0..columns {
                    let start = self.lines.start(pixel_row, tap);
                    taps.push((start, turn.of(weight, tap_row * columns + tap)));
                }
            }
            let y = &mut y[row * width..][..width];
            let mut first = 0;
            while first < width {
                let (at, end) = vector_at(first, T::lanes::<S>(), width);
                let mut sums = T::splat(simd, bias);
                for &(start, weight) in &taps {
                    let pixels = T::load(simd, &self.values[start + at..]);
                    sums = T::mul_add(simd, T::splat(simd, weight), pixels, sums);
                }
                T::put(simd, sums, &mut y[at..end]);
                first = end;
            }
            row += 1;
        }
        // SAFETY: row after row was written, each in vectors that go up to its end.
        unsafe { y.assume_init_mut() }
    }

    /// Cuts the rows that a row of outputs needs.
    #[inline(always)]
    fn enter(&mut self, row: usize) {
        let needed = self.lines.rows_above(row);
        if self.rows < needed {
            self.lines.enter_rows(self.x, self.rows..needed, self.values);
            self.rows = needed;
        }
    }
}

/// [`ROWS`] rows of outputs `y` whose windows, of `K` × `K` elements, lie on the image: a vector of pixels goes into all
/// of them that see it. A function of its own, whose numbers all stay in registers. Gives true.
struct Rows<'a, T, const K: usize> {
    /// The lines, their values, and the row of the image under the first row of the window.
    place: (&'a Lines, &'a [T], usize),
    weight: &'a [T],
    turn: Turn,
    bias: T,
    y: &'a mut [MaybeUninit<T>],
}

impl<T: Real, const K: usize> WithSimd for Rows<'_, T, K> {
    type Output = bool;

    #[allow(
        clippy::needless_range_loop,
        reason = "an iterator is not made of the vector instructions of its caller"
    )]
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> bool {
        let Rows { place: (lines, values, pixel_row), weight, turn, bias, y } = self;
        let bias = T::splat(simd, bias);
        let (width, lanes) = (lines.output_width(), T::lanes::<S>());
        let mut weights = [[T::zero(); K]; K];
        let mut starts = [0; K];
        for tap in 0..K {
            starts[tap] = lines.start(pixel_row, tap);
            for tap_row in 0..K {
                weights[tap_row][tap] = turn.of(weight, tap_row * K + tap);
            }
        }
        let step = lines.start(pixel_row + 1, 0) - lines.start(pixel_row, 0);
        let mut first = 0;
        while first < width {
            let (at, end) = vector_at(first, lanes, width);
            let mut sums = [bias; ROWS];
            if K == 3 {
                // The compiler writes all of it out.
                for line in 0..K + ROWS - 1 {
                    for tap in 0..K {
                        let start = starts[tap] + line * step + at;
                        let pixels = T::load(simd, &values[start..start + lanes]);
                        for row in 0..ROWS {
                            if line >= row && line - row < K {
                                let weight = T::splat(simd, weights[line - row][tap]);
                                sums[row] = T::mul_add(simd, weight, pixels, sums[row]);
                            }
                        }
                    }
                }
            } else {
                // Of larger windows it does not, and would ask for each product whether the row sees the line.
                let block = Block { values: &values[at..], starts, step, weights: &weights };
                block.add::<S, 0, 1>(simd, 0, &mut sums);
                block.add::<S, 0, 2>(simd, 1, &mut sums);
                block.add::<S, 0, 3>(simd, 2, &mut sums);
                for line in ROWS - 1..K {
                    block.add::<S, 0, 4>(simd, line, &mut sums);
                }
                block.add::<S, 1, 4>(simd, K, &mut sums);
                block.add::<S, 2, 4>(simd, K + 1, &mut sums);
                block.add::<S, 3, 4>(simd, K + 2, &mut sums);
            }
            for row in 0..ROWS {
                T::put(simd, sums[row], &mut y[row * width + at..row * width + end]);
            }
            first = end;
        }
        true
    }
}

/// What lies under the windows of a vector of outputs in each of [`ROWS`] rows, and the window, of at least three rows.
struct Block<'a, T, const K: usize> {
    values: &'a [T],
    /// Where the pixels begin in the first line, for each column of the window.
    starts: [usize; K],
    /// From line to line.
    step: usize,
    weights: &'a [[T; K]; K],
}

impl<T: Real, const K: usize> Block<'_, T, K> {
    /// Adds the products of one line to the sums of the rows that see it.
    #[allow(
        clippy::needless_range_loop,
        reason = "an iterator is not made of the vector instructions of its caller"
    )]
    #[inline(always)]
    fn add<S: Simd, const FROM: usize, const TO: usize>(
        &self,
        simd: S,
        line: usize,
        sums: &mut [T::Vector<S>; ROWS],
    ) {
        for tap in 0..K {
            let start = self.starts[tap] + line * self.step;
            let pixels = T::load(simd, &self.values[start..start + T::lanes::<S>()]);
            for row in FROM..TO {
                let weight = T::splat(simd, self.weights[line - row][tap]);
                sums[row] = T::mul_add(simd, weight, pixels, sums[row]);
            }
        }
    }
}

impl Turn {
    /// The weight of an element of the window.
    #[inline(always)]
    fn of<T: Copy>(self, weight: &[T], element: usize) -> T {
        match self {
            Turn::No => weight[element],
            Turn::Half => weight[weight.len() - 1 - element],
        }
    }
}

/// Where the vector of outputs begins and ends that has the output `first`: the last one of a row lies over the one
/// before rather than beyond the end, and what both have is computed twice. A part of a vector takes long to write.
#[inline(always)]
fn vector_at(first: usize, lanes: usize, width: usize) -> (usize, usize) {
    let at = first.min(width.saturating_sub(lanes));
    (at, (at + lanes).min(width))
}
