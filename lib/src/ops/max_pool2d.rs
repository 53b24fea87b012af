use std::sync::OnceLock;

use candle_core::{CpuStorage, CustomOp1, Layout, Shape, Tensor};
use rayon::prelude::*;

use super::composed;
use super::host::{Real, dtype, output, read, values, with_real};
use super::operands::{check, image_dims, shape_error};
use super::window::{Rounding, Sliding, Window};
use crate::Result;

/// The largest pixel under each position of a window: `x` (B, C, H, W) gives (B, C, OH, OW) with
/// `OH = (H + 2·padding - dilation·(KH - 1) - 1) / stride + 1`, rounded as `rounding` says, and OW
/// likewise. The gradient goes to the largest pixel, of equal ones to the first; a NaN is largest.
///
/// # Errors
/// If `x` is not a batch of images, not f32 or f64, the window is larger than the padded
/// image, or the padding is more than half the kernel (a window could lie on padding alone).
pub fn max_pool2d(x: &Tensor, kernel: [usize; 2], sliding: Sliding, rounding: Rounding) -> Result<Tensor> {
    check("max_pool2d", &[("x", x)])?;
    let [_, _, height, width] = image_dims("max_pool2d", x)?;
    let window = Window { kernel, sliding, rounding };
    let pool = MaxPool2d::new("max_pool2d", window, [height, width])?;
    if composed::computes(x)? {
        return Ok(composed::max_pool2d(&pool, x)?);
    }
    Ok(x.contiguous()?.apply_op1(pool)?)
}

/// Pooling of planes of one size.
pub(crate) struct MaxPool2d {
    pub(super) window: Window,
    pub(super) input: [usize; 2],
    pub(crate) output: [usize; 2],
    /// The largest pixel of each window in its plane, from the forward pass.
    largest: OnceLock<Vec<u32>>,
}

impl MaxPool2d {
    pub(crate) fn new(op: &str, window: Window, input: [usize; 2]) -> Result<MaxPool2d> {
        window.check_padding(op)?;
        let output = window.output_size(op, input)?;
        if input[0].saturating_mul(input[1]) >= NOTHING as usize {
            return Err(shape_error(
                op,
                "images of fewer than 2^32 - 1 pixels",
                &input,
                "Cut them into parts.",
            ));
        }
        Ok(MaxPool2d { window, input, output, largest: OnceLock::new() })
    }

    /// Calls `visit` with every output position of a plane and the largest pixel under it.
    fn for_each_largest<T: Real>(&self, plane: &[T], mut visit: impl FnMut(usize, usize)) {
        let sliding = self.window.sliding;
        // The window's first and last pixel that lie in the image, a dilation apart.
        let span = |axis: usize, position: usize| {
            let (dilation, [padding, _]) = (sliding.dilation[axis], sliding.padding.sides()[axis]);
            let start = position * sliding.stride[axis];
            let skipped = padding.saturating_sub(start).div_ceil(dilation);
            let end = start + dilation * (self.window.kernel[axis] - 1) + 1;
            let first = start + skipped * dilation - padding;
            (first..end.saturating_sub(padding).min(self.input[axis])).step_by(dilation)
        };
        let width = self.input[1];
        for row in 0..self.output[0] {
            for column in 0..self.output[1] {
                let mut largest: Option<usize> = None;
                for y in span(0, row) {
                    for x in span(1, column) {
                        let pixel = y * width + x;
                        let larger = largest.is_none_or(|largest| {
                            let (new, old) = (plane[pixel], plane[largest]);
                            new > old || (is_nan(new) && !is_nan(old))
                        });
                        if larger {
                            largest = Some(pixel);
                        }
                    }
                }
                if let Some(largest) = largest {
                    visit(row * self.output[1] + column, largest);
                }
            }
        }
    }

    fn forward<T: Real>(&self, x: &[T]) -> Vec<T> {
        let (input, output) = (self.input[0] * self.input[1], self.output[0] * self.output[1]);
        let mut y = vec![T::zero(); x.len() / input.max(1) * output];
        let mut largest = vec![NOTHING; y.len()];
        let planes = y.par_chunks_mut(output.max(1)).zip(largest.par_chunks_mut(output.max(1)));
        planes.zip(x.par_chunks(input.max(1))).with_min_len(16).for_each(|((y, largest), x)| {
            self.for_each_largest(x, |position, pixel| {
                y[position] = x[pixel];
                largest[position] = pixel as u32;
            });
        });
        // A second forward pass of the same operator, which candle does not do, would find the same.
        let _ = self.largest.set(largest);
        y
    }

    fn backward<T: Real>(&self, x: &[T], dy: &[T]) -> Vec<T> {
        let (input, output) = (self.input[0] * self.input[1], self.output[0] * self.output[1]);
        let mut dx = vec![T::zero(); x.len()];
        let Some(largest) = self.largest.get() else { return dx };
        let planes = dx.par_chunks_mut(input.max(1)).zip(largest.par_chunks(output.max(1)));
        planes.zip(dy.par_chunks(output.max(1))).with_min_len(16).for_each(|((dx, largest), dy)| {
            for (&pixel, &dy) in largest.iter().zip(dy) {
                if pixel != NOTHING {
                    dx[pixel as usize] += dy;
                }
            }
        });
        dx
    }
}

/// Of a window that lies on no pixel.
const NOTHING: u32 = u32::MAX;

fn is_nan<T: Real>(value: T) -> bool {
    value.partial_cmp(&value).is_none()
}

impl CustomOp1 for MaxPool2d {
    fn name(&self) -> &'static str {
        "max_pool2d"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        with_real!(dtype(x), "max_pool2d", T => {
            let (batch, channels) = (layout.dims()[0], layout.dims()[1]);
            let shape = [batch, channels, self.output[0], self.output[1]];
            output(self.forward::<T>(values(x, layout)?), shape)
        })
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, dy: &Tensor) -> candle_core::Result<Option<Tensor>> {
        let dy = dy.contiguous()?;
        with_real!(x.dtype(), "max_pool2d", T => {
            let dx = read([x, &dy], |[x, dy]: [&[T]; 2]| self.backward(x, dy))?;
            Tensor::from_vec(dx, x.shape(), x.device()).map(Some)
        })
    }
}
