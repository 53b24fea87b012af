//! How a transform says no.

use crate::Error;

/// An argument that a transform cannot work with.
pub(super) fn refused(op: &str, expected: &str, got: String, hint: &str) -> Error {
    Error::Argument { op: op.into(), expected: expected.into(), got, hint: hint.into() }
}

/// A sample that a transform cannot work with.
pub(super) fn unfit(op: &str, expected: &str, got: String, hint: &str) -> Error {
    Error::Shape { op: op.into(), expected: expected.into(), got, hint: hint.into() }
}
