use candle_core::{DType, Tensor, Var};
use safetensors::Dtype;

use crate::ops::has_kernels;
use crate::tensor_file::{self, of_f32, of_f64};
use crate::{Error, Result};

/// What is kept for one parameter from step to step, in its own precision: for each number that the rule keeps
/// per element one vector, or one tensor on a device that has no kernels of ours. Zero until the first step.
#[derive(Debug, Clone)]
pub(super) enum State {
    F32(Vec<Vec<f32>>),
    F64(Vec<Vec<f64>>),
    Tensors(Vec<Tensor>),
}

impl State {
    /// The state before the first step, `kept` numbers for each element of an F32 or F64 variable.
    pub(super) fn zeros(var: &Var, kept: usize) -> Result<State> {
        let elements = var.elem_count();
        Ok(match (has_kernels(var.device()), var.dtype()) {
            (true, DType::F32) => State::F32(vec![vec![0.0; elements]; kept]),
            (true, _) => State::F64(vec![vec![0.0; elements]; kept]),
            (false, dtype) => {
                let zeros = || Tensor::zeros(var.shape(), dtype, var.device());
                State::Tensors((0..kept).map(|_| zeros()).collect::<candle_core::Result<_>>()?)
            }
        })
    }

    /// The values of each number that is kept, least significant byte first.
    pub(super) fn bytes(&self) -> Result<Vec<Vec<u8>>> {
        match self {
            State::F32(state) => Ok(state.iter().map(|values| of_f32(values)).collect()),
            State::F64(state) => Ok(state.iter().map(|values| of_f64(values)).collect()),
            State::Tensors(state) => state.iter().map(bytes_of).collect(),
        }
    }

    /// A state like this one with other values, as [`State::bytes`] gives them.
    pub(super) fn with_bytes<'a>(&self, bytes: impl Iterator<Item = &'a [u8]>) -> Result<State> {
        Ok(match self {
            State::F32(_) => State::F32(bytes.map(to_f32).collect()),
            State::F64(_) => State::F64(bytes.map(to_f64).collect()),
            State::Tensors(state) => {
                let tensors = state.iter().zip(bytes).map(|(old, bytes)| tensor_like(old, bytes));
                State::Tensors(tensors.collect::<Result<_>>()?)
            }
        })
    }
}

fn to_f32(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect()
}

fn to_f64(bytes: &[u8]) -> Vec<f64> {
    bytes.as_chunks().0.iter().map(|&bytes| f64::from_le_bytes(bytes)).collect()
}

/// The values of a tensor, least significant byte first.
pub(super) fn bytes_of(tensor: &Tensor) -> Result<Vec<u8>> {
    let values = tensor_file::values(tensor)?.ok_or_else(|| Error::Argument {
        op: "an optimizer's state".into(),
        expected: "F32 or F64 numbers".into(),
        got: tensor.dtype().as_str().to_uppercase(),
        hint: "Parameters are F32 or F64.".into(),
    })?;
    Ok(values.1)
}

/// A tensor of the shape, type and place of `old` with other values, as [`bytes_of`] gives them.
pub(super) fn tensor_like(old: &Tensor, bytes: &[u8]) -> Result<Tensor> {
    Ok(match old.dtype() {
        DType::F32 => Tensor::from_vec(to_f32(bytes), old.shape(), old.device())?,
        _ => Tensor::from_vec(to_f64(bytes), old.shape(), old.device())?,
    })
}

/// The type of the state's numbers in a file: that of the variable.
pub(super) fn dtype(var: &Var) -> Dtype {
    if var.dtype() == DType::F32 { Dtype::F32 } else { Dtype::F64 }
}
