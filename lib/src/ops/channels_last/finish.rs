//! What follows a convolution while its output is still in the cache.

use pulp::Simd;

use super::gather::add;
use crate::ops::elementwise::kept;

/// What is done to some output pixels.
pub(crate) trait Finish: Sync {
    /// To `pixels` (…, O), the block with number `block`, the first of whose values has number `first`.
    fn finish<S: Simd>(&self, simd: S, pixels: &mut [f32], block: usize, first: usize);
}

impl Finish for () {
    #[inline(always)]
    fn finish<S: Simd>(&self, _: S, _: &mut [f32], _: usize, _: usize) {}
}

/// Multiplies with a scale and adds a bias, both for each channel, adds another value, then negative values become 0
/// with `relu`.
#[derive(Default)]
pub(crate) struct Epilogue<'a> {
    /// Only together with a bias.
    pub(crate) scale: Option<&'a [f32]>,
    pub(crate) bias: Option<&'a [f32]>,
    /// All pixels of the output's shape.
    pub(crate) residual: Option<&'a [f32]>,
    pub(crate) relu: bool,
}

impl Finish for Epilogue<'_> {
    #[inline(always)]
    fn finish<S: Simd>(&self, simd: S, pixels: &mut [f32], _: usize, first: usize) {
        match (self.scale, self.bias) {
            (Some(scale), Some(bias)) => {
                for pixel in pixels.chunks_exact_mut(bias.len()) {
                    for ((value, scale), bias) in pixel.iter_mut().zip(scale).zip(bias) {
                        *value = *value * scale + bias;
                    }
                }
            }
            (None, Some(bias)) => {
                for pixel in pixels.chunks_exact_mut(bias.len()) {
                    add(simd, pixel, bias);
                }
            }
            _ => {}
        }
        if let Some(residual) = self.residual {
            let len = pixels.len();
            add(simd, pixels, &residual[first..first + len]);
        }
        if self.relu {
            for value in pixels {
                *value = if *value < 0.0 { 0.0 } else { kept(*value) };
            }
        }
    }
}

impl<A: Finish, B: Finish> Finish for (A, B) {
    #[inline(always)]
    fn finish<S: Simd>(&self, simd: S, pixels: &mut [f32], block: usize, first: usize) {
        self.0.finish(simd, pixels, block, first);
        self.1.finish(simd, pixels, block, first);
    }
}
