//! Convolutions whose output channels each see one input channel: no matrix is worth building, each row of the
//! output is the sum of shifted rows of the input.

use std::ops::Range;

use rayon::prelude::*;

use super::columns::Convolution;
use super::host::Real;
use super::simd::vectorized;
use super::sums::pair_sum;

/// One row of an output plane under one element of the window.
struct TapRow {
    /// The element's number in the window.
    tap: usize,
    /// The outputs of the plane that it falls on pixels for.
    outputs: Range<usize>,
    /// The pixel of the plane for the first of them.
    pixel: usize,
}

/// Planes that a thread takes at a time.
const PLANES: usize = 4;

impl Convolution {
    pub(super) fn is_depthwise(&self) -> bool {
        self.in_channels == self.groups
    }

    fn taps(&self) -> usize {
        self.window.kernel[0] * self.window.kernel[1]
    }

    /// The pixels of an input plane.
    fn pixels(&self) -> usize {
        self.input[0] * self.input[1]
    }

    #[inline(always)]
    fn for_each_tap_row(&self, mut visit: impl FnMut(TapRow)) {
        for tap_row in 0..self.window.kernel[0] {
            for row in self.window.inside(0, tap_row, self.input[0], self.output[0]) {
                let first = self.window.pixel(0, tap_row, row) * self.input[1];
                for tap_column in 0..self.window.kernel[1] {
                    let columns = self.window.inside(1, tap_column, self.input[1], self.output[1]);
                    if columns.is_empty() {
                        continue;
                    }
                    let pixel = first + self.window.pixel(1, tap_column, columns.start);
                    let start = row * self.output[1];
                    visit(TapRow {
                        tap: tap_row * self.window.kernel[1] + tap_column,
                        outputs: start + columns.start..start + columns.end,
                        pixel,
                    });
                }
            }
        }
    }

    /// The input plane that an output plane sees.
    fn seen(&self, output_plane: usize) -> usize {
        let (image, channel) = (output_plane / self.out_channels, output_plane % self.out_channels);
        image * self.in_channels + channel / self.group_outputs()
    }

    /// Adds to `y`, which holds the bias.
    pub(super) fn depthwise_forward<T: Real>(&self, x: &[T], weight: &[T], y: &mut [T]) {
        let (pixels, taps, stride) = (self.pixels(), self.taps(), self.window.sliding.stride[1]);
        let planes = y.par_chunks_mut(self.positions().max(1)).enumerate().with_min_len(PLANES);
        planes.for_each(|(plane, y)| {
            let x = &x[self.seen(plane) * pixels..][..pixels];
            let weight = &weight[plane % self.out_channels * taps..][..taps];
            vectorized(|| {
                self.for_each_tap_row(|TapRow { tap, outputs, pixel }| {
                    let (weight, x, y) = (weight[tap], &x[pixel..], &mut y[outputs]);
                    if stride == 1 {
                        y.iter_mut().zip(x).for_each(|(y, &x)| *y += weight * x);
                    } else {
                        y.iter_mut().zip(x.iter().step_by(stride)).for_each(|(y, &x)| *y += weight * x);
                    }
                });
            });
        });
    }

    pub(super) fn depthwise_input_gradient<T: Real>(&self, weight: &[T], dy: &[T], dx: &mut [T]) {
        let (positions, taps, stride) = (self.positions(), self.taps(), self.window.sliding.stride[1]);
        let outputs_each = self.group_outputs();
        let planes = dx.par_chunks_mut(self.pixels().max(1)).enumerate().with_min_len(PLANES);
        planes.for_each(|(plane, dx)| {
            let (image, channel) = (plane / self.in_channels, plane % self.in_channels);
            for out in channel * outputs_each..(channel + 1) * outputs_each {
                let dy = &dy[(image * self.out_channels + out) * positions..][..positions];
                let weight = &weight[out * taps..][..taps];
                vectorized(|| {
                    self.for_each_tap_row(|TapRow { tap, outputs, pixel }| {
                        let (weight, dy, dx) = (weight[tap], &dy[outputs], &mut dx[pixel..]);
                        if stride == 1 {
                            dx.iter_mut().zip(dy).for_each(|(dx, &dy)| *dx += weight * dy);
                        } else {
                            dx.iter_mut().step_by(stride).zip(dy).for_each(|(dx, &dy)| *dx += weight * dy);
                        }
                    });
                });
            }
        });
    }

    /// Each channel goes through the images in order, so that the sums do not depend on the threads.
    pub(super) fn depthwise_weight_gradient<T: Real>(&self, x: &[T], dy: &[T]) -> Vec<T> {
        let (positions, pixels, stride) = (self.positions(), self.pixels(), self.window.sliding.stride[1]);
        let mut dw = vec![T::zero(); self.out_channels * self.taps()];
        dw.par_chunks_mut(self.taps().max(1)).enumerate().for_each(|(channel, dw)| {
            let mut sums = vec![0.0; dw.len()];
            let mut line = Vec::new();
            for image in 0..self.batch {
                let plane = image * self.out_channels + channel;
                let x = &x[self.seen(plane) * pixels..][..pixels];
                let dy = &dy[plane * positions..][..positions];
                vectorized(|| {
                    self.for_each_tap_row(|TapRow { tap, outputs, pixel }| {
                        let dy = &dy[outputs];
                        let x = if stride == 1 {
                            &x[pixel..][..dy.len()]
                        } else {
                            line.clear();
                            line.extend(x[pixel..].iter().step_by(stride).take(dy.len()));
                            &line
                        };
                        sums[tap] += pair_sum(x, dy, |x, dy| x * dy);
                    });
                });
            }
            dw.iter_mut().zip(sums).for_each(|(dw, sum)| *dw = T::from_f64(sum));
        });
        dw
    }
}
