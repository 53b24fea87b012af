use candle_core::{DType, Tensor};

use super::simd;
use crate::{Error, Result, threads};

/// An input of an operator and what to call it in an error.
pub(super) type Operand<'a> = (&'static str, &'a Tensor);

/// Refuses what the operators cannot compute on: another type than f32 and f64, types or devices that
/// differ between the operands.
pub(super) fn check(op: &'static str, operands: &[Operand]) -> Result<()> {
    check_environment()?;
    let mut first: Option<&Operand> = None;
    for operand in operands {
        let (name, tensor) = operand;
        let dtype = tensor.dtype();
        if !matches!(dtype, DType::F32 | DType::F64) {
            return Err(Error::Argument {
                op: op.into(),
                expected: format!("{name} of dtype f32 or f64"),
                got: dtype.as_str().into(),
                hint: "Convert it with `to_dtype(DType::F32)?`.".into(),
            });
        }
        match first {
            None => first = Some(operand),
            Some((first_name, first)) if first.dtype() != dtype => {
                return Err(Error::Argument {
                    op: op.into(),
                    expected: format!("{name} of the dtype of {first_name}, {}", first.dtype().as_str()),
                    got: dtype.as_str().into(),
                    hint: "Convert one of them with `to_dtype`.".into(),
                });
            }
            Some((first_name, first)) if !first.device().same_device(tensor.device()) => {
                let location = first.device().location();
                return Err(Error::Argument {
                    op: op.into(),
                    expected: format!("{name} on the device of {first_name}, {location:?}"),
                    got: format!("{:?}", tensor.device().location()),
                    hint: "Move one of them with `to_device`.".into(),
                });
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// Sets up what the environment says about threads and vectors, and refuses what it cannot say. Everything
/// that computes does this first; it costs no more than a look after the first time.
pub(crate) fn check_environment() -> Result<()> {
    simd::check_choice()?;
    threads::init()
}

/// Refuses a tensor whose shape is not `expected`.
pub(super) fn check_shape(op: &'static str, (name, tensor): Operand, expected: &[usize]) -> Result<()> {
    if tensor.dims() == expected {
        return Ok(());
    }
    Err(shape_error(op, format!("{name} {}", shape_text(expected)), tensor.dims(), ""))
}

/// Refuses a dimension that a tensor does not have.
pub(super) fn check_dim(op: &str, x: &Tensor, dim: usize) -> Result<()> {
    if dim < x.rank() {
        return Ok(());
    }
    Err(Error::Argument {
        op: op.into(),
        expected: format!("a dimension of {}, counted from 0", shape_text(x.dims())),
        got: dim.to_string(),
        hint: String::new(),
    })
}

/// The four sizes of a batch of images.
pub(super) fn image_dims(op: &'static str, x: &Tensor) -> Result<[usize; 4]> {
    match *x.dims() {
        [b, c, h, w] => Ok([b, c, h, w]),
        ref dims => Err(shape_error(op, "images (B, C, H, W)", dims, batch_hint(dims))),
    }
}

/// What to do about a tensor whose batch dimension is missing.
pub(super) fn batch_hint(dims: &[usize]) -> &'static str {
    if dims.len() == 3 { "For a single image add the batch dimension with `unsqueeze(0)?`." } else { "" }
}

/// An [`Error::Shape`] of an operator.
pub(super) fn shape_error(op: &str, expected: impl Into<String>, got: &[usize], hint: &str) -> Error {
    Error::Shape { op: op.into(), expected: expected.into(), got: shape_text(got), hint: hint.into() }
}

/// A shape as the errors and tables write it: `(2, 3, 32, 32)`.
pub(crate) fn shape_text(dims: &[usize]) -> String {
    let dims: Vec<String> = dims.iter().map(ToString::to_string).collect();
    format!("({})", dims.join(", "))
}
