//! Max pooling: the largest pixel under each position of a window, channel by channel.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::ops::elementwise::kept;
use crate::ops::simd::dispatch;
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
    fn taps(&self, row: usize, column: usize) -> Taps {
        let sliding = self.window.sliding;
        let [[top, _], [left, _]] = sliding.padding.sides();
        Taps {
            kernel: self.window.kernel,
            dilation: sliding.dilation,
            input: self.input,
            first: [row * sliding.stride[0], column * sliding.stride[1]],
            before: [top, left],
            next: [0, 0],
        }
    }

    /// Of `x` (B, H, W, C) into `y` (B, OH, OW, C); `largest` gets which element of the window it was, of equal ones
    /// the first; a NaN is largest.
    pub(crate) fn forward(self, x: &[f32], y: &mut [f32], largest: &mut [Tap]) {
        let channels = self.channels;
        let image = self.input[0] * self.input[1] * channels;
        let row_len = (self.output[1] * channels).max(1);
        let rows = y.par_chunks_mut(row_len).zip(largest.par_chunks_mut(row_len)).enumerate();
        rows.with_min_len(4).for_each(|(index, (y, largest))| {
            let x = &x[index / self.output[0] * image..][..image];
            dispatch(Row { pool: self, x, row: index % self.output[0], y, largest });
        });
    }

    /// Adds to the gradient of the input that of the output.
    pub(crate) fn add_gradient(self, dy: &[f32], largest: &[Tap], dx: &mut [f32]) {
        let channels = self.channels;
        let image = (self.input[0] * self.input[1] * channels).max(1);
        let out_len = (self.output[0] * self.output[1] * channels).max(1);
        let images = dx.par_chunks_mut(image).zip(dy.par_chunks(out_len).zip(largest.par_chunks(out_len)));
        images.for_each(|(dx, (dy, largest))| dispatch(ImageGradient { pool: self, dy, largest, dx }));
    }
}

/// Goes through a window.
struct Taps {
    kernel: [usize; 2],
    dilation: [usize; 2],
    input: [usize; 2],
    /// The window's first pixel, counted from the padding's first.
    first: [usize; 2],
    before: [usize; 2],
    next: [usize; 2],
}

impl Iterator for Taps {
    type Item = (Tap, usize);

    #[inline(always)]
    fn next(&mut self) -> Option<(Tap, usize)> {
        while self.next[0] < self.kernel[0] {
            let [row, column] = self.next;
            self.next = if column + 1 < self.kernel[1] { [row, column + 1] } else { [row + 1, 0] };
            let y = self.first[0] + row * self.dilation[0];
            let x = self.first[1] + column * self.dilation[1];
            let inside = y >= self.before[0]
                && y - self.before[0] < self.input[0]
                && x >= self.before[1]
                && x - self.before[1] < self.input[1];
            if inside {
                let pixel = (y - self.before[0]) * self.input[1] + x - self.before[1];
                return Some(((row * self.kernel[1] + column) as Tap, pixel));
            }
        }
        None
    }
}

/// One row of outputs.
struct Row<'a> {
    pool: Pool2d,
    /// The image.
    x: &'a [f32],
    row: usize,
    y: &'a mut [f32],
    largest: &'a mut [Tap],
}

impl WithSimd for Row<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Row { pool, x, row, y, largest } = self;
        let channels = pool.channels;
        let pixels = y.chunks_exact_mut(channels).zip(largest.chunks_exact_mut(channels));
        for (column, (y, largest)) in pixels.enumerate() {
            let mut first = true;
            for (tap, pixel) in pool.taps(row, column) {
                let x = &x[pixel * channels..][..channels];
                if first {
                    y.copy_from_slice(x);
                    largest.fill(tap);
                    first = false;
                    continue;
                }
                for ((y, largest), &x) in y.iter_mut().zip(&mut *largest).zip(x) {
                    let larger = (x > *y) | (x.is_nan() & !y.is_nan());
                    *y = if larger { x } else { kept(*y) };
                    *largest = if larger { tap } else { *largest };
                }
            }
            // A window with gaps can lie on padding alone.
            if first {
                y.fill(0.0);
                largest.fill(Tap::MAX);
            }
        }
    }
}

/// The gradient of one image.
struct ImageGradient<'a> {
    pool: Pool2d,
    dy: &'a [f32],
    largest: &'a [Tap],
    dx: &'a mut [f32],
}

impl WithSimd for ImageGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let ImageGradient { pool, dy, largest, dx } = self;
        let channels = pool.channels;
        let pixels = dy.chunks_exact(channels).zip(largest.chunks_exact(channels));
        for (index, (dy, largest)) in pixels.enumerate() {
            for (tap, pixel) in pool.taps(index / pool.output[1], index % pool.output[1]) {
                let dx = &mut dx[pixel * channels..][..channels];
                for ((dx, &dy), &largest) in dx.iter_mut().zip(dy).zip(largest) {
                    *dx += if largest == tap { dy } else { 0.0 };
                }
            }
        }
    }
}
