//! Max pooling: the largest pixel under each position of a window, channel by channel.

use rayon::prelude::*;

use crate::ops::simd::vectorized;
use crate::ops::window::Window;

/// Pooling of images of one size.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pool2d {
    pub(crate) window: Window,
    pub(crate) channels: usize,
    pub(crate) input: [usize; 2],
    pub(crate) output: [usize; 2],
}

/// The number of an element in the window: windows of up to 65,535 pixels.
pub(crate) type Tap = u16;

impl Pool2d {
    /// The elements of the window that lie on pixels at an output, each with its number and its pixel.
    #[inline(always)]
    fn taps(self, row: usize, column: usize) -> impl Iterator<Item = (Tap, usize)> {
        let sliding = self.window.sliding;
        let [[top, _], [left, _]] = sliding.padding.sides();
        let [kernel_height, kernel_width] = self.window.kernel;
        (0..kernel_height * kernel_width).filter_map(move |tap| {
            let y = (row * sliding.stride[0] + tap / kernel_width * sliding.dilation[0]).checked_sub(top)?;
            let x =
                (column * sliding.stride[1] + tap % kernel_width * sliding.dilation[1]).checked_sub(left)?;
            (y < self.input[0] && x < self.input[1]).then_some((tap as Tap, y * self.input[1] + x))
        })
    }

    /// Of `x` (B, H, W, C) into `y` (B, OH, OW, C); `largest` gets which element of the window it was, of equal ones
    /// the first; a NaN is largest.
    pub(crate) fn forward(self, x: &[f32], y: &mut [f32], largest: &mut [Tap]) {
        let channels = self.channels;
        let image = self.input[0] * self.input[1] * channels;
        let row_len = (self.output[1] * channels).max(1);
        let rows = y.par_chunks_mut(row_len).zip(largest.par_chunks_mut(row_len)).enumerate();
        rows.with_min_len(4).for_each(|(index, (y, largest))| {
            let (x, row) = (&x[index / self.output[0] * image..][..image], index % self.output[0]);
            vectorized(|| {
                let pixels = y.chunks_exact_mut(channels).zip(largest.chunks_exact_mut(channels));
                for (column, (y, largest)) in pixels.enumerate() {
                    let mut first = true;
                    for (tap, pixel) in self.taps(row, column) {
                        let x = &x[pixel * channels..][..channels];
                        if first {
                            y.copy_from_slice(x);
                            largest.fill(tap);
                            first = false;
                            continue;
                        }
                        for ((y, largest), &x) in y.iter_mut().zip(&mut *largest).zip(x) {
                            let larger = (x > *y) | (x.is_nan() & !y.is_nan());
                            *y = if larger { x } else { *y };
                            *largest = if larger { tap } else { *largest };
                        }
                    }
                    // A window with gaps can lie on padding alone.
                    if first {
                        y.fill(0.0);
                        largest.fill(Tap::MAX);
                    }
                }
            });
        });
    }

    /// Adds to the gradient of the input that of the output.
    pub(crate) fn add_gradient(self, dy: &[f32], largest: &[Tap], dx: &mut [f32]) {
        let channels = self.channels;
        let image = (self.input[0] * self.input[1] * channels).max(1);
        let out_len = (self.output[0] * self.output[1] * channels).max(1);
        let images = dx.par_chunks_mut(image).zip(dy.par_chunks(out_len).zip(largest.par_chunks(out_len)));
        images.for_each(|(dx, (dy, largest))| {
            vectorized(|| {
                let pixels = dy.chunks_exact(channels).zip(largest.chunks_exact(channels));
                for (index, (dy, largest)) in pixels.enumerate() {
                    for (tap, pixel) in self.taps(index / self.output[1], index % self.output[1]) {
                        let dx = &mut dx[pixel * channels..][..channels];
                        for ((dx, &dy), &largest) in dx.iter_mut().zip(dy).zip(largest) {
                            *dx += if largest == tap { dy } else { 0.0 };
                        }
                    }
                }
            });
        });
    }
}
