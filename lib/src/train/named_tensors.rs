//! Tensors by their names, on their way into a file and out of it.

use std::path::Path;

use candle_core::{DType, Device, Tensor};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use super::checkpoint::{DAMAGED, wrong};
use crate::nn::Parameter;
use crate::{Error, Result, tensor_file};

/// Tensors by their names.
pub(super) type Named = Vec<(String, Tensor)>;

/// The tensors whose names begin with `prefix`, without it.
pub(super) fn with_prefix<'a>(
    file: &SafeTensors<'a>,
    prefix: &'static str,
) -> impl Iterator<Item = (String, TensorView<'a>)> {
    let all = file.tensors().into_iter();
    all.filter_map(move |(name, view)| Some((name.strip_prefix(prefix)?.to_owned(), view)))
}

pub(super) fn tensors(path: &Path, file: &SafeTensors, prefix: &'static str) -> Result<Named> {
    with_prefix(file, prefix)
        .map(|(name, view)| {
            let dtype = DType::try_from(view.dtype())
                .map_err(|_| wrong(path, format!("{name} of type {}", view.dtype()), DAMAGED))?;
            let tensor = Tensor::from_raw_buffer(view.data(), dtype, view.shape(), &Device::Cpu)?;
            Ok((name, tensor))
        })
        .collect()
}

/// The tensors of these parameters, each where it is.
pub(super) fn in_order(
    path: &Path,
    parameters: &[Parameter],
    tensors: &[(String, Tensor)],
) -> Result<Vec<Tensor>> {
    let found = parameters.iter().map(|Parameter { name, var, .. }| {
        let tensor = tensors.iter().find(|(known, _)| known == name).map(|(_, tensor)| tensor);
        match tensor.filter(|tensor| tensor.shape() == var.shape() && tensor.dtype() == var.dtype()) {
            Some(tensor) => Ok(tensor.to_device(var.device())?),
            None => {
                let hint = "It must come from a model of the same layers, names and sizes.";
                Err(wrong(path, format!("nothing that fits the parameter {name:?}"), hint))
            }
        }
    });
    found.collect()
}

/// The values of a tensor, least significant byte first.
pub(super) fn bytes(name: &str, tensor: &Tensor) -> Result<(Dtype, Vec<u8>)> {
    tensor_file::values(tensor)?.ok_or_else(|| Error::Argument {
        op: "Learner::save".into(),
        expected: "a state of F32, F64, U32, I64 or U8 tensors".into(),
        got: format!("{name} of type {}", tensor.dtype().as_str().to_uppercase()),
        hint: "Let Net::state give it in one of these types.".into(),
    })
}
