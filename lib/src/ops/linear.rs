use candle_core::Tensor;

use super::composed;
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
/// If the shapes do not fit each other or the tensors are not all f32 or all f64 on one device.
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
    if composed::computes(x)? {
        return Ok(composed::linear(x, weight, bias)?);
    }
    let mut output = x.dims().to_vec();
    output.pop();
    let rows = output.iter().product();
    output.push(out_features); // (…, O)
    let sizes = LinearSizes { rows, in_features, out_features };
    apply(Linear { sizes, output }, x, weight, bias)
}

/// The sizes of the products.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LinearSizes {
    pub(crate) rows: usize,
    pub(crate) in_features: usize,
    pub(crate) out_features: usize,
}

impl LinearSizes {
    pub(crate) fn forward_into<T: Real>(&self, x: &[T], weight: &[T], bias: Option<&[T]>, y: &mut [T]) {
        let update = match bias {
            Some(bias) => {
                y.chunks_exact_mut(self.out_features.max(1)).for_each(|row| row.copy_from_slice(bias));
                Update::Add
            }
            None => Update::Replace,
        };
        let x = Matrix::packed(x, self.rows, self.in_features);
        let weight = Matrix::packed(weight, self.out_features, self.in_features).transposed();
        multiply(y, self.out_features, update, x, weight, Threads::All);
    }

    pub(crate) fn input_gradient_into<T: Real>(&self, weight: &[T], dy: &[T], dx: &mut [T], update: Update) {
        let dy = Matrix::packed(dy, self.rows, self.out_features);
        let weight = Matrix::packed(weight, self.out_features, self.in_features);
        multiply(dx, self.in_features, update, dy, weight, Threads::All);
    }

    pub(crate) fn weight_gradient_into<T: Real>(&self, x: &[T], dy: &[T], dw: &mut [T]) {
        let dy = Matrix::packed(dy, self.rows, self.out_features);
        let x = Matrix::packed(x, self.rows, self.in_features);
        multiply(dw, self.in_features, Update::Replace, dy.transposed(), x, Threads::All);
    }
}

struct Linear {
    sizes: LinearSizes,
    output: Vec<usize>,
}

impl Weighted for Linear {
    const NAME: &'static str = "linear";

    fn output_dims(&self) -> Vec<usize> {
        self.output.clone()
    }

    fn output_channels(&self) -> Channels {
        Channels { count: self.sizes.out_features, plane: 1 }
    }

    fn forward<T: Real>(&self, x: &[T], weight: &[T], bias: Option<&[T]>) -> Vec<T> {
        let mut y = vec![T::zero(); self.sizes.rows * self.sizes.out_features];
        self.sizes.forward_into(x, weight, bias, &mut y);
        y
    }

    fn input_gradient<T: Real>(&self, weight: &[T], dy: &[T]) -> Vec<T> {
        let mut dx = vec![T::zero(); self.sizes.rows * self.sizes.in_features];
        self.sizes.input_gradient_into(weight, dy, &mut dx, Update::Replace);
        dx
    }

    fn weight_gradient<T: Real>(&self, x: &[T], dy: &[T]) -> Vec<T> {
        let mut dw = vec![T::zero(); self.sizes.out_features * self.sizes.in_features];
        self.sizes.weight_gradient_into(x, dy, &mut dw);
        dw
    }
}
