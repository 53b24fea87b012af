use rayon::prelude::*;

use super::host::Real;
use super::simd::vectorized;

const LANES: usize = 16;
/// Values summed in their own precision before the sum goes to f64.
const RUN: usize = 1024;

/// The sum of `term(value)`, in lanes that the compiler can put side by side, each at most
/// `RUN / LANES` long so that f32 loses little.
#[inline(always)]
pub(super) fn sum<T: Real>(values: &[T], term: impl Fn(T) -> T) -> f64 {
    let mut total = 0.0;
    for run in values.chunks(RUN) {
        let mut lanes = [T::zero(); LANES];
        let (whole, rest) = run.as_chunks::<LANES>();
        for chunk in whole {
            lanes.iter_mut().zip(chunk).for_each(|(lane, &value)| *lane += term(value));
        }
        lanes.iter_mut().zip(rest).for_each(|(lane, &value)| *lane += term(value));
        total += lanes.iter().map(|lane| lane.to_f64()).sum::<f64>();
    }
    total
}

/// The sum of `term(a, b)` over two slices of one length, as [`sum`] does it.
#[inline(always)]
pub(super) fn pair_sum<T: Real>(a: &[T], b: &[T], term: impl Fn(T, T) -> T) -> f64 {
    let mut total = 0.0;
    for (a, b) in a.chunks(RUN).zip(b.chunks(RUN)) {
        let mut lanes = [T::zero(); LANES];
        let ((whole_a, rest_a), (whole_b, rest_b)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
        for (a, b) in whole_a.iter().zip(whole_b) {
            lanes.iter_mut().zip(a.iter().zip(b)).for_each(|(lane, (&a, &b))| *lane += term(a, b));
        }
        lanes.iter_mut().zip(rest_a.iter().zip(rest_b)).for_each(|(lane, (&a, &b))| *lane += term(a, b));
        total += lanes.iter().map(|lane| lane.to_f64()).sum::<f64>();
    }
    total
}

/// The sum of every row of `row` values.
pub(super) fn row_sums<T: Real>(x: &[T], row: usize) -> Vec<f64> {
    x.par_chunks(row.max(1)).with_min_len(64).map(|row| sum(row, |value| value)).collect()
}

/// Where the values of one channel lie in a tensor (B, C, …): a row of `plane` values in each image.
/// The sums over a channel go through the images in order, so they do not depend on the threads.
#[derive(Debug, Clone, Copy)]
pub(super) struct Channels {
    pub(super) count: usize,
    pub(super) plane: usize,
}

impl Channels {
    /// Per channel: the sum of `term(channel, value)`.
    pub(super) fn sums<T: Real>(self, x: &[T], term: impl Fn(usize, T) -> T + Sync) -> Vec<f64> {
        let channel_sum = |channel| {
            let rows = x.chunks(self.plane.max(1)).skip(channel).step_by(self.count);
            vectorized(|| rows.map(|row| sum(row, |value| term(channel, value))).sum())
        };
        (0..self.count).into_par_iter().map(channel_sum).collect()
    }

    /// Per channel: the sum of `term(channel, a, b)` over two tensors of one shape.
    pub(super) fn pair_sums<T: Real>(
        self,
        a: &[T],
        b: &[T],
        term: impl Fn(usize, T, T) -> T + Sync,
    ) -> Vec<f64> {
        let channel_sum = |channel| {
            let rows = a.chunks(self.plane.max(1)).zip(b.chunks(self.plane.max(1)));
            let rows = rows.skip(channel).step_by(self.count);
            vectorized(|| rows.map(|(a, b)| pair_sum(a, b, |a, b| term(channel, a, b))).sum())
        };
        (0..self.count).into_par_iter().map(channel_sum).collect()
    }
}
