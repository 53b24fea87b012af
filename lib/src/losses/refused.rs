//! The errors of losses.

use candle_core::Tensor;

use crate::Error;

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
