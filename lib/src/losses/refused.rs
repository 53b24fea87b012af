//! The errors of losses.

use candle_core::Tensor;

use crate::{Error, Result};

/// An [`Error::Shape`].
pub(super) fn shape(op: &str, expected: impl Into<String>, got: impl Into<String>, hint: &str) -> Error {
    Error::Shape { op: op.into(), expected: expected.into(), got: got.into(), hint: hint.into() }
}

/// An [`Error::Argument`].
pub(super) fn argument(op: &str, expected: impl Into<String>, got: impl Into<String>, hint: &str) -> Error {
    Error::Argument { op: op.into(), expected: expected.into(), got: got.into(), hint: hint.into() }
}

/// A tensor's dtype and shape in words: `F32 [4, 3]`.
pub(super) fn described(tensor: &Tensor) -> String {
    format!("{:?} {:?}", tensor.dtype(), tensor.dims())
}

/// Refuses an output and targets of different shapes or dtypes, and empty ones.
pub(super) fn same_shape(op: &str, output: &Tensor, targets: &Tensor) -> Result<()> {
    let fits = output.dims() == targets.dims() && output.dtype() == targets.dtype();
    if fits && output.dtype().is_float() && output.elem_count() > 0 {
        return Ok(());
    }
    Err(shape(
        op,
        "output and targets of one shape and one dtype, F32 or F64, not empty",
        format!("output {} and targets {}", described(output), described(targets)),
        "Bring them together with reshape and to_dtype.",
    ))
}

/// Refuses a number that is not finite and at least 0.
pub(super) fn at_least_zero(op: &str, what: &str, value: f64, hint: &str) -> Result<()> {
    if value.is_finite() && value >= 0.0 {
        return Ok(());
    }
    Err(argument(op, format!("{what} of at least 0"), format!("{value}"), hint))
}
