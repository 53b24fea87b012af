//! The errors of metrics.

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

/// An [`Error::MissingClass`].
pub(super) fn missing_class(
    op: &str,
    class: usize,
    expected: impl Into<String>,
    got: impl Into<String>,
    hint: &str,
) -> Error {
    let (expected, got) = (expected.into(), got.into());
    Error::MissingClass { op: op.into(), class, expected, got, hint: hint.into() }
}

/// A metric that was asked for its value before it was given anything.
pub(super) fn nothing_taken_in(op: &str) -> Error {
    argument(op, "at least one sample", "none", "Update it with a batch first.")
}

/// A tensor's dtype and shape in words: `F32 [4, 3]`.
pub(super) fn described(tensor: &Tensor) -> String {
    format!("{:?} {:?}", tensor.dtype(), tensor.dims())
}
