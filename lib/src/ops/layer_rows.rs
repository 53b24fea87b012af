//! The gradient of layer norm, some rows at a time: two passes over them, both from the first cache.

use pulp::{Simd, WithSimd};

use super::host::Real;

/// Rows that go together: the sums for the weight and bias are loaded and stored once for all of them.
const ROWS: usize = 4;
/// Values of a row summed in their own precision before the sum goes to f64.
const RUN: usize = 1024;

/// Some rows as long as the weight.
pub(super) struct LayerRows<'a, T> {
    pub(super) x: &'a [T],
    pub(super) weight: &'a [T],
    pub(super) dy: &'a [T],
    /// Mean and inverse standard deviation of each row.
    pub(super) statistics: &'a [[f64; 2]],
    /// The gradient of `x`, written once.
    pub(super) dx: &'a mut [T],
}

impl<T: Real> WithSimd for LayerRows<'_, T> {
    /// What the rows give to the gradients of the weight and bias.
    type Output = [Vec<T>; 2];

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> [Vec<T>; 2] {
        let LayerRows { x, weight, dy, statistics, dx } = self;
        let row = weight.len();
        let mut sums = [vec![T::zero(); row], vec![T::zero(); row]];
        let mut first = 0;
        while first < dx.len() / row {
            let left = dx.len() / row - first;
            let count = if left < ROWS { 1 } else { ROWS };
            let values = first * row..(first + count) * row;
            let (x, dy, dx) = (&x[values.clone()], &dy[values.clone()], &mut dx[values]);
            let statistics = &statistics[first..];
            if count == ROWS {
                rows::<S, T, ROWS>(simd, x, weight, dy, statistics, dx, &mut sums);
            } else {
                rows::<S, T, 1>(simd, x, weight, dy, statistics, dx, &mut sums);
            }
            first += count;
        }
        sums
    }
}

/// `N` rows. With x̂ the normalized values and g = dy · weight: `dx = (g - mean(g) - x̂ · mean(g · x̂)) · inverse`.
#[inline(always)]
fn rows<S: Simd, T: Real, const N: usize>(
    simd: S,
    x: &[T],
    weight: &[T],
    dy: &[T],
    statistics: &[[f64; 2]],
    dx: &mut [T],
    sums: &mut [Vec<T>; 2],
) {
    let (row, lanes) = (weight.len(), T::lanes::<S>());
    let zero = T::splat(simd, T::zero());
    let (mut means, mut inverses) = ([zero; N], [zero; N]);
    for r in 0..N {
        let [mean, inverse] = statistics[r];
        means[r] = T::splat(simd, T::from_f64(mean));
        inverses[r] = T::splat(simd, T::from_f64(inverse));
    }
    let [dw, db] = sums;
    // Of each row the sums of g and of g · (x - mean).
    let mut totals = [[0.0; 2]; N];
    for start in (0..row).step_by(RUN) {
        let end = (start + RUN).min(row);
        let mut run = [[zero; 2]; N];
        macro_rules! columns {
            ($from:expr, $to:expr) => {
                let (from, to) = ($from, $to);
                let weight = T::load(simd, &weight[from..to]);
                let mut of_weight = T::load(simd, &dw[from..to]);
                let mut of_bias = T::load(simd, &db[from..to]);
                for r in 0..N {
                    let dy = T::load(simd, &dy[r * row + from..r * row + to]);
                    let x = T::load(simd, &x[r * row + from..r * row + to]);
                    let centred = T::sub_vectors(simd, x, means[r]);
                    let g = T::mul_vectors(simd, dy, weight);
                    run[r][0] = T::add_vectors(simd, run[r][0], g);
                    run[r][1] = T::mul_add(simd, g, centred, run[r][1]);
                    let normalized = T::mul_vectors(simd, centred, inverses[r]);
                    of_weight = T::mul_add(simd, dy, normalized, of_weight);
                    of_bias = T::add_vectors(simd, of_bias, dy);
                }
                T::store(simd, of_weight, &mut dw[from..to]);
                T::store(simd, of_bias, &mut db[from..to]);
            };
        }
        let mut at = start;
        while at + lanes <= end {
            columns!(at, at + lanes);
            at += lanes;
        }
        if at < end {
            // Where there are no values, dy is 0 and adds nothing.
            columns!(at, end);
        }
        for r in 0..N {
            for which in 0..2 {
                totals[r][which] += T::reduce(simd, run[r][which]).to_f64();
            }
        }
    }
    for r in 0..N {
        let [shift, slope] = totals[r].map(|total| total / row as f64);
        let [_, inverse] = statistics[r];
        let shift = T::splat(simd, T::from_f64(-shift * inverse));
        let slope = T::splat(simd, T::from_f64(-slope * inverse * inverse * inverse));
        let (x, dy, dx) = (&x[r * row..][..row], &dy[r * row..][..row], &mut dx[r * row..][..row]);
        macro_rules! columns {
            ($from:expr, $to:expr) => {
                let (from, to) = ($from, $to);
                let g = T::mul_vectors(simd, T::load(simd, &dy[from..to]), T::load(simd, &weight[from..to]));
                let centred = T::sub_vectors(simd, T::load(simd, &x[from..to]), means[r]);
                let rest = T::mul_add(simd, centred, slope, shift);
                T::store(simd, T::mul_add(simd, g, inverses[r], rest), &mut dx[from..to]);
            };
        }
        let mut at = 0;
        while at + lanes <= row {
            columns!(at, at + lanes);
            at += lanes;
        }
        if at < row {
            columns!(at, row);
        }
    }
}
