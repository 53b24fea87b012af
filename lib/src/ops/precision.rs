use std::cell::Cell;

use candle_core::{DType, Tensor};

use super::has_kernels;
use crate::{Error, Result};

/// In what numbers products are made: those of [`linear`](super::linear), [`matmul`](super::matmul),
/// [`conv2d`](super::conv2d), [`conv_transpose2d`](super::conv_transpose2d) and of attention, forward and backward.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Precision {
    /// In those of the operands.
    #[default]
    Full,
    /// Of f32 operands that are rounded to bf16, 8 bits of precision over the range of f32, with sums in f32 and a result that is
    /// rounded once more: what the tensor cores of NVIDIA GPUs are fastest at. All else, weights, norms, losses, sums of gradients and
    /// the optimizer, is computed and kept in f32, so that no loss has to be scaled, and no memory is saved. f64 stays as it is.
    BFloat16,
}

thread_local! {
    static CURRENT: Cell<Precision> = const { Cell::new(Precision::Full) };
}

/// Runs `compute` with its products in `precision`: mixed precision for a loop by hand. `Learner::precision` does it for a
/// [`Learner`](crate::train::Learner). What is computed backward keeps the precision that it had forward, wherever
/// [`backward`](super::backward()) is called. It counts in this thread, and within another one the inner counts.
///
/// ```
/// use sconce::{nn::backward, ops::{Precision, in_precision}, prelude::*};
///
/// # fn main() -> sconce::Result<()> {
/// let net = Model::build([1, 2, 2], |x| x.flatten().linear(2))?.init(Seed(1), &Device::Cpu)?;
/// let x = Tensor::ones((3, 1, 2, 2), DType::F32, &Device::Cpu)?;
/// let logits = in_precision(Precision::BFloat16, || net.forward(&x, Mode::Eval));
/// // The CPU has no such products, and says so.
/// assert!(logits.unwrap_err().to_string().contains("GPU"));
/// # Ok(()) }
/// ```
pub fn in_precision<T>(precision: Precision, compute: impl FnOnce() -> T) -> T {
    // Set back where `compute` panics, too.
    struct Back(Precision);
    impl Drop for Back {
        fn drop(&mut self) {
            CURRENT.set(self.0);
        }
    }
    let _back = Back(CURRENT.replace(precision));
    compute()
}

impl Precision {
    /// What counts in this thread now.
    pub(super) fn current() -> Precision {
        CURRENT.get()
    }

    /// `a · b`, of matrices or batches of them.
    pub(super) fn matmul(self, a: &Tensor, b: &Tensor) -> candle_core::Result<Tensor> {
        match (self, a.dtype()) {
            (Precision::BFloat16, DType::F32) => rounded(a)?.matmul(&rounded(b)?)?.to_dtype(DType::F32),
            _ => a.matmul(b),
        }
    }
}

/// In bf16, as it lies in memory: a transposed or repeated matrix stays one.
fn rounded(x: &Tensor) -> candle_core::Result<Tensor> {
    if x.is_contiguous() {
        return x.to_dtype(DType::BF16);
    }
    let transposed = x.t()?;
    if transposed.is_contiguous() {
        return transposed.to_dtype(DType::BF16)?.t();
    }
    if x.rank() == 3 && x.stride()[0] == 0 {
        return rounded(&x.narrow(0, 0, 1)?)?.broadcast_as(x.shape());
    }
    x.to_dtype(DType::BF16)
}

/// Refuses a precision that the kernels for `x` do not have.
pub(crate) fn check_precision(op: &str, x: &Tensor) -> Result<()> {
    let concerned = Precision::current() != Precision::Full && x.dtype() == DType::F32;
    if !concerned || !has_kernels(x.device()) {
        return Ok(());
    }
    Err(Error::Argument {
        op: op.into(),
        expected: "tensors on a GPU for products in bf16".into(),
        got: "tensors on the CPU, whose products are as fast in f32".into(),
        hint: "Leave the precision at Precision::Full, or bring model and data to a GPU.".into(),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn it_counts_within_the_innermost_and_no_longer_than_that() {
        use Precision::{BFloat16, Full};
        let seen = in_precision(BFloat16, || {
            let inner = in_precision(Full, Precision::current);
            let elsewhere = std::thread::spawn(Precision::current).join().unwrap();
            [Precision::current(), inner, elsewhere]
        });
        assert_eq!(seen, [BFloat16, Full, Full]);
        let panics = || in_precision(BFloat16, || panic!("on purpose"));
        assert!(std::panic::catch_unwind(panics).is_err());
        assert_eq!(Precision::current(), Full);
    }

    #[test]
    fn a_product_is_that_of_the_rounded_operands_however_they_lie() -> candle_core::Result<()> {
        let round = |x: &Tensor| x.contiguous()?.to_dtype(DType::BF16)?.to_dtype(DType::F32);
        let make = |dims: &[usize]| Tensor::randn(0f32, 1.0, dims, &Device::Cpu);
        let (a, b) = (make(&[3, 4, 5])?, make(&[3, 5, 6])?);
        let repeated = make(&[1, 4, 5])?.broadcast_as((3, 4, 5))?;
        let lying = |x: &Tensor| x.t()?.contiguous()?.t();
        let parts = make(&[3, 4, 9])?.narrow(2, 2, 5)?;
        for (a, b) in [(&a, &b), (&lying(&a)?, &b), (&a, &lying(&b)?), (&repeated, &b), (&parts, &b)] {
            let wanted = round(&round(a)?.matmul(&round(b)?)?)?;
            let got = Precision::BFloat16.matmul(a, b)?;
            assert_eq!(got.dtype(), DType::F32);
            // The order of the sums may move the last bit of eight.
            let far = ((got - &wanted)?.abs()? / (wanted.abs()? + 1e-3)?)?.flatten_all()?.max(0)?;
            assert!(far.to_scalar::<f32>()? <= 1.0 / 128.0, "{far}");
            let full = Precision::Full.matmul(a, b)?;
            assert!((full - wanted)?.abs()?.flatten_all()?.max(0)?.to_scalar::<f32>()? > 1e-4);
        }
        let double = a.to_dtype(DType::F64)?;
        let wanted = double.matmul(&b.to_dtype(DType::F64)?)?;
        let got = Precision::BFloat16.matmul(&double, &b.to_dtype(DType::F64)?)?;
        assert_eq!((got - wanted)?.abs()?.flatten_all()?.max(0)?.to_scalar::<f64>()?, 0.0);
        Ok(())
    }
}
