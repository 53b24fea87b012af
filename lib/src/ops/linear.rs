use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Shape, Tensor};

use super::gemm::{Matrix, Threads, Update, multiply};
use super::host::{Real, dtype, output, read, values, with_real};
use super::operands::{check, check_shape, shape_error, shape_text};
use super::sums::Channels;
use crate::Result;

/// `x · weightᵀ + bias` over the last dimension: `x` (…, I), `weight` (O, I) and, where there is one,
/// `bias` (O) give (…, O).
///
/// # Errors
/// If the shapes do not fit each other or the tensors are not all f32 or all f64 on the CPU.
pub fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let mut operands = vec![("x", x), ("weight", weight)];
    operands.extend(bias.map(|bias| ("bias", bias)));
    check("linear", &operands)?;
    let &[out_features, in_features] = weight.dims() else {
        return Err(shape_error("linear", "a weight (O, I)", weight.dims(), ""));
    };
    if x.dims().last() != Some(&in_features) {
        let expected = format!("x (…, {in_features}) for a weight {}", shape_text(weight.dims()));
        return Err(shape_error("linear", expected, x.dims(), ""));
    }
    if let Some(bias) = bias {
        check_shape("linear", ("bias", bias), &[out_features])?;
    }
    let op = Linear { in_features, out_features };
    let (x, weight) = (x.contiguous()?, weight.contiguous()?);
    Ok(match bias {
        Some(bias) => x.apply_op3(&weight, &bias.contiguous()?, op)?,
        None => x.apply_op2(&weight, op)?,
    })
}

struct Linear {
    in_features: usize,
    out_features: usize,
}

impl Linear {
    fn forward<T: Real>(&self, x: &[T], rows: usize, weight: &[T], bias: Option<&[T]>) -> Vec<T> {
        let mut y = match bias {
            Some(bias) => bias.repeat(rows),
            None => vec![T::zero(); rows * self.out_features],
        };
        let x = Matrix::packed(x, rows, self.in_features);
        let weight = Matrix::packed(weight, self.out_features, self.in_features).transposed();
        multiply(&mut y, self.out_features, Update::Add, x, weight, Threads::All);
        y
    }

    fn output_dims(&self, x: &Layout) -> (usize, Vec<usize>) {
        let mut dims = x.dims().to_vec();
        dims.pop();
        let rows = dims.iter().product();
        dims.push(self.out_features);
        (rows, dims)
    }

    /// The gradients of `x` and `weight`, each only if something asks for it.
    fn gradients(
        &self,
        x: &Tensor,
        weight: &Tensor,
        dy: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        let (rows, _) = self.output_dims(x.layout());
        let (inputs, outputs) = (self.in_features, self.out_features);
        with_real!(dy.dtype(), "linear", T => {
            let mut gradients = (None, None);
            if x.track_op() {
                let mut dx: Vec<T> = vec![0.0; rows * inputs];
                read([weight, dy], |[weight, dy]: [&[T]; 2]| {
                    let (dy, weight) = (Matrix::packed(dy, rows, outputs), Matrix::packed(weight, outputs, inputs));
                    multiply(&mut dx, inputs, Update::Replace, dy, weight, Threads::All);
                })?;
                gradients.0 = Some(Tensor::from_vec(dx, x.shape(), x.device())?);
            }
            if weight.track_op() {
                let mut dw: Vec<T> = vec![0.0; outputs * inputs];
                read([x, dy], |[x, dy]: [&[T]; 2]| {
                    let (dy, x) = (Matrix::packed(dy, rows, outputs), Matrix::packed(x, rows, inputs));
                    multiply(&mut dw, inputs, Update::Replace, dy.transposed(), x, Threads::All);
                })?;
                gradients.1 = Some(Tensor::from_vec(dw, weight.shape(), weight.device())?);
            }
            Ok(gradients)
        })
    }
}

impl CustomOp2 for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let (rows, dims) = self.output_dims(x_layout);
        with_real!(dtype(x), "linear", T => {
            let weight = values(weight, weight_layout)?;
            output(self.forward::<T>(values(x, x_layout)?, rows, weight, None), dims)
        })
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _: &Tensor,
        dy: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        self.gradients(x, weight, &dy.contiguous()?)
    }
}

impl CustomOp3 for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let (rows, dims) = self.output_dims(x_layout);
        with_real!(dtype(x), "linear", T => {
            let (weight, bias) = (values(weight, weight_layout)?, values(bias, bias_layout)?);
            output(self.forward::<T>(values(x, x_layout)?, rows, weight, Some(bias)), dims)
        })
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _: &Tensor,
        dy: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let dy = dy.contiguous()?;
        let (dx, dw) = self.gradients(x, weight, &dy)?;
        let db = with_real!(dy.dtype(), "linear", T => {
            let features = Channels { count: self.out_features, plane: 1 };
            let db = read([&dy], |[dy]: [&[T]; 1]| features.sums(dy, |_, dy| dy))?;
            let db: Vec<T> = db.into_iter().map(candle_core::WithDType::from_f64).collect();
            Tensor::from_vec(db, bias.shape(), bias.device())
        })?;
        Ok((dx, dw, Some(db)))
    }
}
