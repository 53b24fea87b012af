use std::sync::OnceLock;

use candle_core::{CpuStorage, CustomOp1, Layout, Shape, Tensor};
use pulp::{Simd, WithSimd};

use super::composed;
use super::host::{Real, dtype, filled, output, read, values, with_real};
use super::lanes::Lanes;
use super::lines::Lines;
use super::operands::{check, image_dims, shape_error};
use super::record::apply1;
use super::simd::dispatch;
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
    apply1(pool, x)
}

/// Pooling of planes of one size.
pub(crate) struct MaxPool2d {
    pub(super) window: Window,
    pub(super) input: [usize; 2],
    pub(crate) output: [usize; 2],
    /// The largest pixel of each window in its plane, from the forward pass, for each group of planes.
    largest: OnceLock<Vec<Vec<u32>>>,
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

    /// Planes that a thread takes at a time.
    fn group(&self) -> usize {
        (PIXELS / (self.input[0] * self.input[1]).max(1)).max(1)
    }

    fn forward<T: Real>(&self, x: &[T]) -> Vec<T> {
        let (input, output) = (self.input[0] * self.input[1], self.output[0] * self.output[1]);
        let group = self.group();
        let len = x.len() / input.max(1) * output;
        let (y, largest) = filled(len, group * output, |index, y: &mut [T]| {
            let mut largest = vec![NOTHING; y.len()];
            let x = &x[index * group * input..][..y.len() / output * input];
            if let (Some(x), Some(y)) = (T::single(x), T::single_mut(y)) {
                dispatch(Planes { pool: self, x, y, largest: &mut largest });
                return largest;
            }
            let planes = y.chunks_mut(output).zip(largest.chunks_mut(output));
            planes.zip(x.chunks(input)).for_each(|((y, largest), x)| self.each_plane(x, y, largest));
            largest
        });
        // A second forward pass of the same operator, which candle does not do, would find the same.
        let _ = self.largest.set(largest);
        y
    }

    fn backward<T: Real>(&self, x: &[T], dy: &[T]) -> Vec<T> {
        let (input, output) = (self.input[0] * self.input[1], self.output[0] * self.output[1]);
        let group = self.group();
        let largest = self.largest.get();
        let (dx, _) = filled(x.len(), group * input, |index, dx: &mut [T]| {
            let Some(largest) = largest.and_then(|largest| largest.get(index)) else { return };
            let dy = &dy[index * group * output..][..largest.len()];
            let planes = largest.chunks(output).zip(dy.chunks(output));
            for (dx, (largest, dy)) in dx.chunks_mut(input).zip(planes) {
                for (&pixel, &dy) in largest.iter().zip(dy) {
                    if pixel != NOTHING {
                        dx[pixel as usize] += dy;
                    }
                }
            }
        });
        dx
    }
}

/// Pixels that a thread takes at a time, about.
const PIXELS: usize = 16 * 1024;

/// Some planes.
struct Planes<'a> {
    pool: &'a MaxPool2d,
    x: &'a [f32],
    y: &'a mut [f32],
    largest: &'a mut [u32],
}

impl WithSimd for Planes<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Planes { pool, x, y, largest } = self;
        let lines = Lines::of(&pool.window, pool.input, pool.output);
        let (input, output) = (pool.input[0] * pool.input[1], pool.output[0] * pool.output[1]);
        let mut values = vec![0.0; lines.len()];
        let planes = y.chunks_exact_mut(output).zip(largest.chunks_exact_mut(output));
        for ((y, largest), x) in planes.zip(x.chunks_exact(input)) {
            lines.enter(x, f32::NEG_INFINITY, &mut values);
            pool.plane(simd, (&lines, &values), y, largest);
            // A window of -∞ alone, of which the first pixel counts, or one on padding alone.
            if largest.contains(&NOTHING) {
                pool.each_plane(x, y, largest);
            }
        }
    }
}

impl MaxPool2d {
    /// One plane that was cut into lines. Where all values of a window are -∞, no pixel is found to be the largest.
    #[inline(always)]
    fn plane<S: Simd>(&self, simd: S, (lines, values): (&Lines, &[f32]), y: &mut [f32], largest: &mut [u32]) {
        const MOST_LANES: usize = 64;
        let ([_, width], stride) = (self.input, self.window.sliding.stride[1] as u32);
        let mut steps = [0; MOST_LANES];
        for (lane, step) in steps.iter_mut().enumerate() {
            *step = lane as u32 * stride;
        }
        let steps = simd.partial_load_u32s(&steps[..S::F32_LANES]);
        // Of each element of the window in a row of outputs: where its pixels begin, and the number of the first.
        let mut taps: Vec<(usize, u32)> = Vec::new();
        let rows = y.chunks_exact_mut(self.output[1]).zip(largest.chunks_exact_mut(self.output[1]));
        for (row, (y, largest)) in rows.enumerate() {
            taps.clear();
            for (_, pixel_row) in lines.rows(row) {
                for tap in 0..self.window.kernel[1] {
                    let pixel = (pixel_row * width).wrapping_add(lines.column(tap)) as u32;
                    taps.push((lines.start(pixel_row, tap), pixel));
                }
            }
            let blocks = y.chunks_mut(S::F32_LANES).zip(largest.chunks_mut(S::F32_LANES));
            for (index, (y, largest)) in blocks.enumerate() {
                let first = index * S::F32_LANES;
                let mut found = simd.splat_f32s(f32::NEG_INFINITY);
                let mut pixels = simd.splat_u32s(NOTHING);
                for &(start, pixel) in &taps {
                    let new = f32::load(simd, &values[start + first..]);
                    let pixel = simd.splat_u32s(pixel.wrapping_add(first as u32 * stride));
                    // A NaN is larger than any number, and the first one stays.
                    let (new_number, number) = (simd.equal_f32s(new, new), simd.equal_f32s(found, found));
                    let first_nan = simd.and_m32s(simd.xor_m32s(new_number, number), number);
                    let larger = simd.or_m32s(simd.greater_than_f32s(new, found), first_nan);
                    found = simd.select_f32s(larger, new, found);
                    pixels = simd.select_u32s(larger, simd.add_u32s(pixel, steps), pixels);
                }
                f32::store(simd, found, y);
                simd.partial_store_u32s(largest, pixels);
            }
        }
    }

    /// One plane, window by window.
    fn each_plane<T: Real>(&self, x: &[T], y: &mut [T], largest: &mut [u32]) {
        y.fill(T::zero());
        self.for_each_largest(x, |position, pixel| {
            y[position] = x[pixel];
            largest[position] = pixel as u32;
        });
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
