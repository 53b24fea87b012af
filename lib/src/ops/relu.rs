use candle_core::{CpuStorage, CustomOp1, Layout, Shape, Tensor};

use super::elementwise::{map, zip_map};
use super::host::{dtype, output, read, values, with_real};
use super::operands::check;
use crate::Result;

/// The larger of `x` and 0, element by element; NaN stays NaN. The gradient at 0 is 0.
///
/// # Errors
/// If `x` is not f32 or f64 on the CPU.
pub fn relu(x: &Tensor) -> Result<Tensor> {
    check("relu", &[("x", x)])?;
    Ok(x.contiguous()?.apply_op1(Relu)?)
}

struct Relu;

impl CustomOp1 for Relu {
    fn name(&self) -> &'static str {
        "relu"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        with_real!(dtype(storage), "relu", T => {
            let y = map::<T>(values(storage, layout)?, |x| if x <= 0.0 { 0.0 } else { x });
            output(y, layout.dims())
        })
    }

    fn bwd(&self, _: &Tensor, y: &Tensor, dy: &Tensor) -> candle_core::Result<Option<Tensor>> {
        with_real!(y.dtype(), "relu", T => {
            let dx = read([y, &dy.contiguous()?], |[y, dy]: [&[T]; 2]| {
                zip_map(y, dy, |y, dy| if y <= 0.0 { 0.0 } else { dy })
            })?;
            Tensor::from_vec(dx, y.shape(), y.device()).map(Some)
        })
    }
}
