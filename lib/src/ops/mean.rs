use candle_core::Tensor;

use super::operands::{check, shape_text};
use crate::{Error, Result};

/// The mean over the dimensions `dims`, which the result does not have any more.
///
/// # Errors
/// If `dims` is empty, names a dimension twice or one that `x` does not have or that is empty, or `x` is not f32 or f64.
pub fn mean(x: &Tensor, dims: &[usize]) -> Result<Tensor> {
    check("mean", &[("x", x)])?;
    check_mean_dims("mean", x.dims(), dims)?;
    Ok(x.mean(dims)?)
}

/// Refuses dimensions over which a tensor of shape `shape` has no mean.
pub(crate) fn check_mean_dims(op: &str, shape: &[usize], dims: &[usize]) -> Result<()> {
    let fits = |(index, dim): (usize, &usize)| {
        shape.get(*dim).is_some_and(|&length| length > 0) && !dims[..index].contains(dim)
    };
    if !dims.is_empty() && dims.iter().enumerate().all(fits) {
        return Ok(());
    }
    Err(Error::Argument {
        op: op.into(),
        expected: format!("dimensions of {}, counted from 0, each once and not empty", shape_text(shape)),
        got: format!("{dims:?}"),
        hint: String::new(),
    })
}
