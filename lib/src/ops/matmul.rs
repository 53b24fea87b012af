use candle_core::Tensor;
use rayon::prelude::*;

use super::composed;
use super::gemm::{Matrix, Threads, Update, multiply};
use super::host::{Real, filled};
use super::operands::{check, shape_error, shape_text};
use super::panel_product::RightPanels;
use super::precision::check_precision;
use super::sums::Channels;
use super::weighted::{Weighted, apply};
use crate::Result;

/// `a · b`, the product of matrices: `a` (…, M, K) and `b` (K, N) give (…, M, N). For a layer's weight (O, I) there is
/// [`linear`](super::linear).
///
/// # Errors
/// If the shapes do not fit each other or the tensors are not all f32 or all f64 on one device.
pub fn matmul(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    check("matmul", &[("a", a), ("b", b)])?;
    let &[inner, columns] = b.dims() else {
        return Err(shape_error("matmul", "b (K, N)", b.dims(), "Candle's `matmul` takes batches of both."));
    };
    if a.rank() < 2 || a.dims().last() != Some(&inner) {
        let expected = format!("a (…, M, {inner}) for b {}", shape_text(b.dims()));
        return Err(shape_error("matmul", expected, a.dims(), ""));
    }
    if composed::computes(a)? {
        return Ok(composed::linear(a, &b.t()?, None)?);
    }
    check_precision("matmul", a)?;
    let mut output = a.dims().to_vec();
    output.pop();
    let rows = output.iter().product();
    output.push(columns); // (…, M, N)
    apply(Matmul { sizes: [rows, inner, columns], output }, a, b, None)
}

struct Matmul {
    /// M of all matrices together, K and N.
    sizes: [usize; 3],
    output: Vec<usize>,
}

/// Rows that a thread is worth.
const ROWS: usize = 128;

/// `left · right` in memory of its own. Each thread multiplies rows of its own, if there are enough of them: that takes
/// less than to let the threads share what each of them prepares.
fn product<T: Real>(left: Matrix<T>, right: Matrix<T>) -> Vec<T> {
    let (rows, width) = (left.rows, right.columns);
    let threads = rayon::current_num_threads();
    // Asked before the number of threads, which must not choose between them: their sums are cut differently.
    let panels = RightPanels::of(right, rows);
    if width == 0 || (panels.is_none() && rows < ROWS * threads) {
        let mut product = vec![T::zero(); rows * width];
        multiply(&mut product, width, Update::Replace, left, right, Threads::All);
        return product;
    }
    let step = rows.div_ceil(threads);
    let part = |index: usize, out: &mut [T]| {
        let first = index * step;
        let left = left.rows(first..first + out.len() / width);
        match &panels {
            Some(panels) => panels.multiply(left, out, Update::Replace),
            None => multiply(out, width, Update::Replace, left, right, Threads::One),
        }
    };
    filled(rows * width, step * width, part).0
}

impl Weighted for Matmul {
    const NAME: &'static str = "matmul";

    fn output_dims(&self) -> Vec<usize> {
        self.output.clone()
    }

    fn output_channels(&self) -> Channels {
        Channels { count: self.sizes[2], plane: 1 }
    }

    fn forward<T: Real>(&self, a: &[T], b: &[T], bias: Option<&[T]>) -> Vec<T> {
        let [rows, inner, columns] = self.sizes;
        let mut y = product(Matrix::packed(a, rows, inner), Matrix::packed(b, inner, columns));
        if let Some(bias) = bias {
            y.par_chunks_exact_mut(columns.max(1)).for_each(|row| {
                row.iter_mut().zip(bias).for_each(|(value, &bias)| *value += bias);
            });
        }
        y
    }

    fn input_gradient<T: Real>(&self, b: &[T], dy: &[T]) -> Vec<T> {
        let [rows, inner, columns] = self.sizes;
        product(Matrix::packed(dy, rows, columns), Matrix::packed(b, inner, columns).transposed())
    }

    fn weight_gradient<T: Real>(&self, a: &[T], dy: &[T]) -> Vec<T> {
        let [rows, inner, columns] = self.sizes;
        product(Matrix::packed(a, rows, inner).transposed(), Matrix::packed(dy, rows, columns))
    }
}
