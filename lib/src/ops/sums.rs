use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::host::Real;
use super::simd::dispatch;

/// Values summed in their own precision before the sum goes to f64.
const RUN: usize = 1024;
/// Vectors that are summed side by side: an addition takes as long as several of them can begin.
const VECTORS: usize = 4;

/// The sum over the values of slices of one length of `$scalar`, of which `$vector` adds a vector to `$sum`; the slices
/// stand for their values in both.
macro_rules! total {
    ($simd:ident, $real:ty, [$first:ident $(, $other:ident)*], |$sum:ident| $vector:expr, $scalar:expr) => {{
        let (lanes, len) = (<$real>::lanes::<S>(), $first.len());
        $(let $other = &$other[..len];)*
        let mut total = 0.0;
        let mut place = 0;
        while place < len {
            let end = (place + RUN).min(len);
            let mut sums = [<$real>::splat($simd, <$real>::zero()); VECTORS];
            while place + VECTORS * lanes <= end {
                let $first = &$first[place..place + VECTORS * lanes];
                $(let $other = &$other[place..place + VECTORS * lanes];)*
                for vector in 0..VECTORS {
                    let $first = <$real>::load($simd, &$first[vector * lanes..]);
                    $(let $other = <$real>::load($simd, &$other[vector * lanes..]);)*
                    let $sum = sums[vector];
                    sums[vector] = $vector;
                }
                place += VECTORS * lanes;
            }
            while place + lanes <= end {
                let $first = <$real>::load($simd, &$first[place..]);
                $(let $other = <$real>::load($simd, &$other[place..]);)*
                let $sum = sums[0];
                sums[0] = $vector;
                place += lanes;
            }
            for vector in 0..VECTORS {
                total += <$real>::reduce($simd, sums[vector]).to_f64();
            }
            while place < end {
                let $first = $first[place];
                $(let $other = $other[place];)*
                total += ($scalar).to_f64();
                place += 1;
            }
        }
        total
    }};
}

/// The sum of `values`.
#[inline(always)]
pub(super) fn sum<S: Simd, T: Real>(simd: S, values: &[T]) -> f64 {
    total!(simd, T, [values], |sum| T::add_vectors(simd, sum, values), values)
}

/// The sum of the squares of `values` less `centre`.
#[inline(always)]
#[allow(
    clippy::needless_range_loop,
    reason = "an iterator is not made of the vector instructions of its caller"
)]
pub(super) fn squares<S: Simd, T: Real>(simd: S, values: &[T], centre: T) -> f64 {
    let centres = T::splat(simd, centre);
    total!(
        simd,
        T,
        [values],
        |sum| {
            let values = T::sub_vectors(simd, values, centres);
            T::mul_add(simd, values, values, sum)
        },
        (values - centre) * (values - centre)
    )
}

/// The sum of `a · b`.
#[inline(always)]
pub(super) fn products<S: Simd, T: Real>(simd: S, a: &[T], b: &[T]) -> f64 {
    total!(simd, T, [a, b], |sum| T::mul_add(simd, a, b, sum), a * b)
}

/// The sum of `a · (b - centre)`.
#[inline(always)]
pub(super) fn centred_products<S: Simd, T: Real>(simd: S, a: &[T], b: &[T], centre: T) -> f64 {
    let centres = T::splat(simd, centre);
    total!(
        simd,
        T,
        [a, b],
        |sum| T::mul_add(simd, a, T::sub_vectors(simd, b, centres), sum),
        a * (b - centre)
    )
}

/// The sum of every row of `row` values.
pub(super) fn row_sums<T: Real>(x: &[T], row: usize) -> Vec<f64> {
    x.par_chunks(row.max(1)).with_min_len(64).map(|values| dispatch(Sum { values })).collect()
}

struct Sum<'a, T> {
    values: &'a [T],
}

impl<T: Real> WithSimd for Sum<'_, T> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        sum(simd, self.values)
    }
}

/// Where the values of one channel lie in a tensor (B, C, …): a row of `plane` values in each image.
/// The sums over a channel go through the images in order, so they do not depend on the threads.
#[derive(Debug, Clone, Copy)]
pub(super) struct Channels {
    pub(super) count: usize,
    pub(super) plane: usize,
}

impl Channels {
    /// The rows of a channel.
    #[inline(always)]
    pub(super) fn rows<T>(self, x: &[T], channel: usize) -> impl Iterator<Item = &[T]> {
        x.chunks(self.plane.max(1)).skip(channel).step_by(self.count)
    }

    /// Per channel: the sum of its values.
    pub(super) fn sums<T: Real>(self, x: &[T]) -> Vec<f64> {
        let channel_sum = |channel| dispatch(ChannelSum { channels: self, channel, x });
        (0..self.count).into_par_iter().map(channel_sum).collect()
    }
}

struct ChannelSum<'a, T> {
    channels: Channels,
    channel: usize,
    x: &'a [T],
}

impl<T: Real> WithSimd for ChannelSum<'_, T> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        let mut total = 0.0;
        for row in self.channels.rows(self.x, self.channel) {
            total += sum(simd, row);
        }
        total
    }
}
