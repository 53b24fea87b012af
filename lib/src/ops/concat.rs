use candle_core::Tensor;

use super::operands::{Operand, check, check_dim, shape_error, shape_text};
use crate::{Error, Result};

/// Tensors one after the other along dimension `dim`; all other dimensions must be the same.
///
/// # Errors
/// If there is no tensor, their shapes do not fit, or they are not all f32 or all f64.
pub fn concat(tensors: &[&Tensor], dim: usize) -> Result<Tensor> {
    let op = "concat";
    let Some(first) = tensors.first() else {
        return Err(Error::Argument {
            op: op.into(),
            expected: "at least one tensor".into(),
            got: "none".into(),
            hint: String::new(),
        });
    };
    let operands: Vec<Operand> = tensors.iter().map(|&tensor| ("every tensor", tensor)).collect();
    check(op, &operands)?;
    check_dim(op, first, dim)?;
    let dims: Vec<&[usize]> = tensors.iter().map(|tensor| tensor.dims()).collect();
    concat_dims(op, &dims, dim)?;
    Ok(Tensor::cat(tensors, dim)?)
}

/// The shape of tensors one after the other along `dim`, which the first one has.
pub(crate) fn concat_dims(op: &str, tensors: &[&[usize]], dim: usize) -> Result<Vec<usize>> {
    let mut dims = tensors.first().map(|first| first.to_vec()).unwrap_or_default();
    for other in tensors.iter().skip(1) {
        let mut fitting = dims.clone();
        if let (Some(fitting), Some(length)) = (fitting.get_mut(dim), other.get(dim)) {
            *fitting = *length;
        }
        if *other != fitting {
            let expected = format!("shapes like {} but for dimension {dim}", shape_text(tensors[0]));
            return Err(shape_error(op, expected, other, ""));
        }
        dims[dim] += other[dim];
    }
    Ok(dims)
}
