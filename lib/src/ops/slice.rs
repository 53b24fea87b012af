use std::ops::Range;

use candle_core::Tensor;

use super::operands::{check, check_dim, shape_text};
use crate::{Error, Result};

/// The entries `range` of dimension `dim`, as a view without a copy.
///
/// # Errors
/// If `x` has no dimension `dim` or `range` does not lie in it, or `x` is not f32 or f64.
pub fn slice(x: &Tensor, dim: usize, range: Range<usize>) -> Result<Tensor> {
    check("slice", &[("x", x)])?;
    check_dim("slice", x, dim)?;
    check_range("slice", x.dims(), dim, &range)?;
    Ok(x.narrow(dim, range.start, range.len())?)
}

/// Refuses a range that is empty or not inside dimension `dim`, which there must be.
pub(crate) fn check_range(op: &str, dims: &[usize], dim: usize, range: &Range<usize>) -> Result<()> {
    if range.start < range.end && range.end <= dims[dim] {
        return Ok(());
    }
    Err(Error::Argument {
        op: op.into(),
        expected: format!("a range within 0..{}, dimension {dim} of {}", dims[dim], shape_text(dims)),
        got: format!("{range:?}"),
        hint: "It begins with the first entry taken and ends before the first one left.".into(),
    })
}
