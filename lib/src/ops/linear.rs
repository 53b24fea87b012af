use candle_core::Tensor;

use super::gemm::{Matrix, Threads, Update, multiply};
use super::host::Real;
use super::operands::{check, check_shape, shape_error, shape_text};
use super::sums::Channels;
use super::weighted::{Weighted, apply};
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
    let mut output = x.dims().to_vec();
    output.pop();
    let rows = output.iter().product();
    output.push(out_features); // (…, O)
    apply(Linear { rows, in_features, out_features, output }, x, weight, bias)
}

struct Linear {
    rows: usize,
    in_features: usize,
    out_features: usize,
    output: Vec<usize>,
}

impl Weighted for Linear {
    const NAME: &'static str = "linear";

    fn output_dims(&self) -> Vec<usize> {
        self.output.clone()
    }

    fn output_channels(&self) -> Channels {
        Channels { count: self.out_features, plane: 1 }
    }

    fn forward<T: Real>(&self, x: &[T], weight: &[T], bias: Option<&[T]>) -> Vec<T> {
        let mut y = match bias {
            Some(bias) => bias.repeat(self.rows),
            None => vec![T::zero(); self.rows * self.out_features],
        };
        let x = Matrix::packed(x, self.rows, self.in_features);
        let weight = Matrix::packed(weight, self.out_features, self.in_features).transposed();
        multiply(&mut y, self.out_features, Update::Add, x, weight, Threads::All);
        y
    }

    fn input_gradient<T: Real>(&self, weight: &[T], dy: &[T]) -> Vec<T> {
        let mut dx = vec![T::zero(); self.rows * self.in_features];
        let dy = Matrix::packed(dy, self.rows, self.out_features);
        let weight = Matrix::packed(weight, self.out_features, self.in_features);
        multiply(&mut dx, self.in_features, Update::Replace, dy, weight, Threads::All);
        dx
    }

    fn weight_gradient<T: Real>(&self, x: &[T], dy: &[T]) -> Vec<T> {
        let mut dw = vec![T::zero(); self.out_features * self.in_features];
        let dy = Matrix::packed(dy, self.rows, self.out_features);
        let x = Matrix::packed(x, self.rows, self.in_features);
        multiply(&mut dw, self.in_features, Update::Replace, dy.transposed(), x, Threads::All);
        dw
    }
}
