use candle_core::{CpuStorage, CustomOp1, Layout, Shape, Tensor, WithDType};

use super::composed;
use super::host::{dtype, output, read, values, with_real};
use super::operands::{check, image_dims, shape_error};
use super::record::apply1;
use super::sums::row_sums;
use crate::Result;

/// The mean of every channel's pixels: `x` (B, C, H, W) gives (B, C).
///
/// # Errors
/// If `x` is not a batch of images with at least one pixel, or not f32 or f64.
pub fn global_avg_pool(x: &Tensor) -> Result<Tensor> {
    check("global_avg_pool", &[("x", x)])?;
    let [_, _, height, width] = image_dims("global_avg_pool", x)?;
    if height * width == 0 {
        return Err(shape_error("global_avg_pool", "images with at least one pixel", x.dims(), ""));
    }
    if composed::computes(x)? {
        return Ok(composed::global_avg_pool(x)?);
    }
    apply1(GlobalAvgPool { pixels: height * width }, x)
}

struct GlobalAvgPool {
    pixels: usize,
}

impl CustomOp1 for GlobalAvgPool {
    fn name(&self) -> &'static str {
        "global_avg_pool"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        with_real!(dtype(x), "global_avg_pool", T => {
            let sums = row_sums::<T>(values(x, layout)?, self.pixels);
            let means: Vec<T> = sums.into_iter().map(|sum| T::from_f64(sum / self.pixels as f64)).collect();
            output(means, &layout.dims()[..2]) // (B, C)
        })
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, dy: &Tensor) -> candle_core::Result<Option<Tensor>> {
        let dy = dy.contiguous()?;
        with_real!(x.dtype(), "global_avg_pool", T => {
            let share = T::from_f64(1.0 / self.pixels as f64);
            let dx: Vec<T> = read([&dy], |[dy]: [&[T]; 1]| {
                dy.iter().flat_map(|&dy| std::iter::repeat_n(dy * share, self.pixels)).collect()
            })?;
            Tensor::from_vec(dx, x.shape(), x.device()).map(Some) // (B, C, H, W)
        })
    }
}
