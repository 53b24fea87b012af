//! Products of rows of features, each with what follows it: fully connected layers, and convolutions from pixel to pixel.

use pulp::{Simd, WithSimd};

use super::finish::Finish;
use crate::ops::columns::Convolution;
use crate::ops::linear::LinearSizes;
use crate::ops::simd::dispatch;

impl LinearSizes {
    /// Of a convolution that goes from pixel to pixel.
    pub(super) fn of(convolution: &Convolution) -> Option<LinearSizes> {
        (convolution.is_pointwise() && convolution.groups == 1).then(|| LinearSizes {
            rows: convolution.all_positions(),
            in_features: convolution.in_channels,
            out_features: convolution.out_channels,
        })
    }

    /// `x` (N, I) times `weight` (O, I) into `y` (N, O), and what follows.
    pub(crate) fn forward_then(&self, x: &[f32], weight: &[f32], y: &mut [f32], finish: &impl Finish) {
        let first = self.step() * self.out_features;
        self.forward_finished(x, weight, y, |y, index| {
            dispatch(Finished { finish, y, index, first: index * first });
        });
    }
}

/// Some rows.
struct Finished<'a, F> {
    finish: &'a F,
    y: &'a mut [f32],
    index: usize,
    first: usize,
}

impl<F: Finish> WithSimd for Finished<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        self.finish.finish(simd, self.y, self.index, self.first);
    }
}
