//! A tensor's values where they lie, whatever their type.

use candle_core::{CpuStorage, Device, Layout, Storage, Tensor, WithDType};

use crate::{Error, Result};

/// Something to find out from the values of a tensor.
pub(super) trait Question {
    /// What is found out.
    type Answer;

    /// `storage` holds the values, `layout` says where each one is.
    fn ask<T: WithDType>(self, storage: &[T], layout: &Layout) -> Self::Answer;
}

/// Puts a question to a tensor without copying its values, except from another device and of 8-bit floats.
pub(super) fn ask<Q: Question>(tensor: &Tensor, question: Q) -> Result<Q::Answer> {
    let tensor = tensor.to_device(&Device::Cpu)?;
    let (storage, layout) = tensor.storage_and_layout();
    let Storage::Cpu(storage) = &*storage else {
        return Err(unreadable(&tensor));
    };
    Ok(match storage {
        CpuStorage::U8(values) => question.ask(values, layout),
        CpuStorage::U32(values) => question.ask(values, layout),
        CpuStorage::I16(values) => question.ask(values, layout),
        CpuStorage::I32(values) => question.ask(values, layout),
        CpuStorage::I64(values) => question.ask(values, layout),
        CpuStorage::BF16(values) => question.ask(values, layout),
        CpuStorage::F16(values) => question.ask(values, layout),
        CpuStorage::F32(values) => question.ask(values, layout),
        CpuStorage::F64(values) => question.ask(values, layout),
        CpuStorage::F8E4M3(values) => {
            // `WithDType::to_f64` of this type calls itself for ever in candle 0.11.1.
            let values: Vec<f32> = values.iter().map(|value| value.to_f32()).collect();
            question.ask(&values, layout)
        }
        CpuStorage::F6E2M3(_) | CpuStorage::F6E3M2(_) | CpuStorage::F4(_) | CpuStorage::F8E8M0(_) => {
            return Err(unreadable(&tensor));
        }
    })
}

fn unreadable(tensor: &Tensor) -> Error {
    Error::Argument {
        op: "reading a tensor".into(),
        expected: "a dtype whose values can be read one by one".into(),
        got: tensor.dtype().as_str().into(),
        hint: "Convert it with `to_dtype(DType::F32)`.".into(),
    }
}

/// Where the value with these indices lies in the storage.
pub(super) fn position(layout: &Layout, indices: &[usize]) -> usize {
    layout.start_offset()
        + indices.iter().zip(layout.stride()).map(|(index, stride)| index * stride).sum::<usize>()
}
