use std::ops::Range;

use candle_core::Tensor;
use rayon::prelude::*;

use super::composed;
use super::gemm::{Matrix, Threads, Update, multiply};
use super::host::Real;
use super::operands::{check, check_shape, shape_error, shape_text};
use super::panel_product::RightPanels;
use super::precision::check_precision;
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
    check_precision("linear", x)?;
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

/// From so many rows on, a thread takes some of them and multiplies them by itself: then it needs no other one, and what
/// follows finds them in its cache. Fewer rows would read the weight too often.
const ROWS: usize = 1024;
/// From so many rows on, the gradient of the weight is taken over some of them at a time.
const SHARED_ROWS: usize = 4096;
const SHARES: usize = 8;
/// Otherwise each thread takes some outputs, at least so many.
const OUTPUTS: usize = 48;

impl LinearSizes {
    /// Rows that are finished together. It depends on sizes only, never on the threads there are.
    pub(super) fn step(&self) -> usize {
        self.rows.div_ceil((self.rows / ROWS).max(4)).max(1)
    }

    /// `left` (N, K) times `right` (K, M) into `out` (N, M). Each [`step`](Self::step) of rows is handed to `finish` with
    /// its number.
    fn product<T: Real>(
        &self,
        left: &[T],
        right: Matrix<T>,
        out: &mut [T],
        update: Update,
        finish: impl Fn(&mut [T], usize) + Sync,
    ) {
        let (inner, width) = (right.rows, right.columns);
        let apart = self.rows >= ROWS;
        let panels = RightPanels::of(right, self.rows);
        if !apart {
            multiply(out, width, update, Matrix::packed(left, self.rows, inner), right, Threads::All);
        }
        let step = self.step();
        out.par_chunks_mut((step * width).max(1)).enumerate().for_each(|(index, out)| {
            if apart {
                let left = Matrix::packed(&left[index * step * inner..], out.len() / width, inner);
                match &panels {
                    Some(panels) => panels.multiply(left, out, update),
                    None => multiply(out, width, update, left, right, Threads::One),
                }
            }
            finish(out, index);
        });
    }

    /// `x` (N, I) times `weight` (O, I) into `y` (N, O). Each [`step`](Self::step) of rows is handed to `finish` with its
    /// number.
    pub(super) fn forward_finished<T: Real>(
        &self,
        x: &[T],
        weight: &[T],
        y: &mut [T],
        finish: impl Fn(&mut [T], usize) + Sync,
    ) {
        let weight = Matrix::packed(weight, self.out_features, self.in_features).transposed();
        self.product(x, weight, y, Update::Replace, finish);
    }

    /// `x` (N, I) times `weight` (O, I), and `bias` (O), into `y` (N, O).
    pub(crate) fn forward_into<T: Real>(&self, x: &[T], weight: &[T], bias: Option<&[T]>, y: &mut [T]) {
        self.forward_finished(x, weight, y, |y, _| {
            for row in y.chunks_exact_mut(self.out_features.max(1)) {
                for (value, &bias) in row.iter_mut().zip(bias.unwrap_or_default()) {
                    *value += bias;
                }
            }
        });
    }

    /// `dy` (N, O) times `weight` (O, I) into `dx` (N, I).
    pub(crate) fn input_gradient_into<T: Real>(&self, weight: &[T], dy: &[T], dx: &mut [T], update: Update) {
        let weight = Matrix::packed(weight, self.out_features, self.in_features);
        self.product(dy, weight, dx, update, |_, _| ());
    }

    /// The gradient of the weight, `dyᵀ` (O, N) times `x` (N, I), into `dw` (O, I).
    pub(crate) fn weight_gradient_into<T: Real>(&self, x: &[T], dy: &[T], dw: &mut [T]) {
        let [inputs, outputs] = [self.in_features, self.out_features];
        let len = inputs * outputs;
        let product = |dw: &mut [T], rows: Range<usize>, columns: Range<usize>| {
            let dy = Matrix {
                values: &dy[rows.start * outputs + columns.start..],
                rows: rows.len(),
                columns: columns.len(),
                strides: [outputs, 1],
            };
            let x = Matrix::packed(&x[rows.start * inputs..], rows.len(), inputs);
            multiply(dw, inputs, Update::Replace, dy.transposed(), x, Threads::One);
        };
        if self.rows < SHARED_ROWS || len == 0 {
            let step = outputs.div_ceil((outputs / OUTPUTS).clamp(1, 4));
            dw.par_chunks_mut((step * inputs).max(1)).enumerate().for_each(|(index, dw)| {
                product(dw, 0..self.rows, index * step..index * step + dw.len() / inputs);
            });
            return;
        }
        let share = self.rows.div_ceil(SHARES);
        let mut sums = vec![T::zero(); SHARES * len];
        sums.par_chunks_exact_mut(len).enumerate().for_each(|(index, sums)| {
            let end = ((index + 1) * share).min(self.rows);
            product(sums, (index * share).min(end)..end, 0..outputs);
        });
        dw.par_chunks_mut(inputs).enumerate().for_each(|(output, dw)| {
            dw.copy_from_slice(&sums[output * inputs..][..inputs]);
            for sums in sums.chunks_exact(len).skip(1) {
                let sums = &sums[output * inputs..][..inputs];
                dw.iter_mut().zip(sums).for_each(|(to, &sum)| *to += sum);
            }
        });
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
