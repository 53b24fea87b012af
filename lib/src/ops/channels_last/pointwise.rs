//! Products of rows of features, each with what follows it: fully connected layers, and convolutions from pixel to pixel.

use pulp::{Simd, WithSimd};

use super::finish::Finish;
use crate::ops::gemm::Update;
use crate::ops::linear::LinearSizes;
use crate::ops::simd::dispatch;

impl LinearSizes {
    /// `x` (N, I) times `weight` (O, I) into `y` (N, O), and what follows.
    pub(crate) fn forward_then(
        &self,
        x: &[f32],
        weight: &[f32],
        y: &mut [f32],
        update: Update,
        finish: &impl Finish,
    ) {
        let first = self.step() * self.out_features;
        self.forward_finished(x, weight, y, update, |y, index| {
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
