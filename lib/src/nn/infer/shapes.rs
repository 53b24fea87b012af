use std::ops::Range;

use super::{mismatch, pair};
use crate::ops::{check_mean_dims, check_range, concat_dims, shape_text};
use crate::{Error, Result};

pub(super) fn reshape(op: &str, shape: &[usize], dims: &[usize]) -> Result<Vec<usize>> {
    let values: usize = shape.iter().product();
    let wanted = dims.iter().try_fold(1_usize, |wanted, &dim| wanted.checked_mul(dim));
    if wanted != Some(values) {
        let expected = format!("{} values for the new shape {}", product(dims), shape_text(dims));
        return Err(mismatch(op, expected, shape, "The batch is not among the dimensions."));
    }
    Ok(dims.to_vec())
}

/// A product as text, whatever its size.
fn product(dims: &[usize]) -> String {
    let product = dims.iter().try_fold(1_usize, |product, &dim| product.checked_mul(dim));
    product.map_or_else(|| "more".into(), |product| product.to_string())
}

pub(super) fn permute(op: &str, shape: &[usize], order: &[usize]) -> Result<Vec<usize>> {
    let mut sorted = order.to_vec();
    sorted.sort_unstable();
    if !sorted.into_iter().eq(0..shape.len()) {
        return Err(Error::Argument {
            op: op.into(),
            expected: format!("each dimension of {} once, counted from 0", shape_text(shape)),
            got: format!("{order:?}"),
            hint: "The batch is not counted and stays first.".into(),
        });
    }
    Ok(order.iter().map(|&dim| shape[dim]).collect())
}

pub(super) fn slice(op: &str, shape: &[usize], dim: usize, range: &Range<usize>) -> Result<Vec<usize>> {
    check_dim(op, shape, dim)?;
    check_range(op, shape, dim, range)?;
    let mut shape = shape.to_vec();
    shape[dim] = range.len();
    Ok(shape)
}

pub(super) fn concat(op: &str, inputs: &[&[usize]], dim: usize) -> Result<Vec<usize>> {
    check_dim(op, inputs.first().copied().unwrap_or_default(), dim)?;
    concat_dims(op, inputs, dim)
}

pub(super) fn mean(op: &str, shape: &[usize], dims: &[usize]) -> Result<Vec<usize>> {
    check_mean_dims(op, shape, dims)?;
    Ok(shape.iter().enumerate().filter(|(dim, _)| !dims.contains(dim)).map(|(_, &length)| length).collect())
}

/// Two shapes of one rank in which a 1 fits any length.
pub(super) fn multiply(op: &str, one: &[usize], other: &[usize]) -> Result<Vec<usize>> {
    let fits = |(&a, &b): (&usize, &usize)| a == b || a == 1 || b == 1;
    if one.len() != other.len() || !one.iter().zip(other).all(fits) {
        let hint = "adaptive_avg_pool2d([1, 1]) makes a factor (C, 1, 1) for each channel.";
        return Err(pair(op, "two inputs of one shape, or with 1 where one repeats", one, other, hint));
    }
    Ok(one.iter().zip(other).map(|(&a, &b)| if a == 1 { b } else { a }).collect())
}

pub(super) fn layer_scale(op: &str, shape: &[usize], factors: &[usize]) -> Result<Vec<usize>> {
    let fits = match factors {
        [channels, 1, 1] => matches!(shape, [found, _, _] if found == channels),
        [features] => shape.len() < 3 && shape.last() == Some(features),
        _ => false,
    };
    if !fits || shape.contains(&0) {
        let expected = format!("values for factors {}", shape_text(factors));
        return Err(mismatch(op, expected, shape, "It takes (C, H, W), (N, D) and (D)."));
    }
    Ok(shape.to_vec())
}

/// Refuses a dimension that there is not.
pub(super) fn check_dim(op: &str, shape: &[usize], dim: usize) -> Result<()> {
    if dim < shape.len() {
        return Ok(());
    }
    Err(Error::Argument {
        op: op.into(),
        expected: format!("a dimension of {}, counted from 0", shape_text(shape)),
        got: dim.to_string(),
        hint: "The batch is not counted.".into(),
    })
}
