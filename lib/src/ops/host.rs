use std::mem::MaybeUninit;

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, DType, Error, FloatDType, Layout, Result, Shape, Storage, Tensor};
use rayon::prelude::*;

use super::lanes::Lanes;
use super::math::Math;

/// A floating point type the operators compute in: f32 or f64.
pub(crate) trait Real: FloatDType + Math + Lanes {
    /// The values, if they are f32: what has kernels of its own.
    fn single(_: &[Self]) -> Option<&[f32]> {
        None
    }

    /// The same of values that are written.
    fn single_mut(_: &mut [Self]) -> Option<&mut [f32]> {
        None
    }

    /// f32 values as this type, which they are.
    fn from_single(_: Vec<f32>) -> Option<Vec<Self>> {
        None
    }

    fn neg_infinity() -> Self {
        Self::from_f64(f64::NEG_INFINITY)
    }
}

impl Real for f32 {
    fn single(values: &[f32]) -> Option<&[f32]> {
        Some(values)
    }

    fn single_mut(values: &mut [f32]) -> Option<&mut [f32]> {
        Some(values)
    }

    fn from_single(values: Vec<f32>) -> Option<Vec<f32>> {
        Some(values)
    }
}

impl Real for f64 {}

/// Runs `$body` with `$real` standing for the type that `$dtype` names.
macro_rules! with_real {
    ($dtype:expr, $op:expr, $real:ident => $body:expr) => {
        match $dtype {
            candle_core::DType::F32 => {
                type $real = f32;
                $body
            }
            candle_core::DType::F64 => {
                type $real = f64;
                $body
            }
            dtype => Err(candle_core::Error::UnsupportedDTypeForOp(dtype, $op).bt()),
        }
    };
}
pub(super) use with_real;

/// The values that `layout` picks from `storage`. The operators make their inputs contiguous first.
pub(super) fn values<'a, T: Real>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [T]> {
    let Some((start, end)) = layout.contiguous_offsets() else {
        return Err(Error::RequiresContiguous { op: "sconce operator" }.bt());
    };
    Ok(&T::cpu_storage_as_slice(storage)?[start..end])
}

/// The type of the values in `storage`.
pub(super) fn dtype(storage: &CpuStorage) -> DType {
    storage.dtype()
}

/// What a forward pass gives back.
pub(super) fn output<T: Real>(values: Vec<T>, shape: impl AsRef<[usize]>) -> Result<(CpuStorage, Shape)> {
    Ok((T::to_cpu_storage_owned(values), Shape::from(shape.as_ref())))
}

/// Hands the f32 values of contiguous CPU tensors to `compute`.
pub(crate) fn with_values<R>(
    tensors: &[impl std::borrow::Borrow<Tensor>],
    compute: impl FnOnce(&[&[f32]]) -> R,
) -> Result<R> {
    let held: Vec<_> = tensors.iter().map(|tensor| tensor.borrow().storage_and_layout()).collect();
    let slices = held.iter().map(|(storage, layout)| match &**storage {
        Storage::Cpu(storage) => values(storage, layout),
        _ => Err(Error::Msg("the tensor is not on the CPU".into()).bt()),
    });
    let slices = slices.collect::<Result<Vec<&[f32]>>>()?;
    Ok(compute(&slices))
}

/// Hands the values of contiguous CPU tensors to `compute`.
pub(super) fn read<T: Real, R, const N: usize>(
    tensors: [&Tensor; N],
    compute: impl FnOnce([&[T]; N]) -> R,
) -> Result<R> {
    let held = tensors.map(Tensor::storage_and_layout);
    let mut slices: [&[T]; N] = [&[]; N];
    for (slice, (storage, layout)) in slices.iter_mut().zip(&held) {
        *slice = match &**storage {
            Storage::Cpu(storage) => values(storage, layout)?,
            _ => return Err(Error::Msg("the gradient is not on the CPU".into()).bt()),
        };
    }
    Ok(compute(slices))
}

/// `len` values, made by `fill` in chunks of `chunk`, which begin as zeros, and what `fill` gave for each chunk. Memory
/// that is fresh is first touched by the thread that needs it, and the zeros are in its cache when it does.
pub(super) fn filled<T: Real, R: Send>(
    len: usize,
    chunk: usize,
    fill: impl Fn(usize, &mut [T]) -> R + Sync + Send,
) -> (Vec<T>, Vec<R>) {
    let mut values = Vec::with_capacity(len);
    let room = &mut values.spare_capacity_mut()[..len];
    let chunks = room.par_chunks_mut(chunk.max(1)).enumerate();
    let results = chunks.map(|(index, room)| fill(index, zeroed(room)));
    let results = results.collect();
    // SAFETY: the chunks are all of the first `len` values, and each of these was written.
    unsafe { values.set_len(len) };
    (values, results)
}

/// Memory where there are no values yet, set to zeros.
#[inline(always)]
pub(super) fn zeroed<T: Real>(room: &mut [MaybeUninit<T>]) -> &mut [T] {
    for value in &mut *room {
        value.write(T::zero());
    }
    // SAFETY: each was just written.
    unsafe { room.assume_init_mut() }
}

/// `len` values that `fill` writes into memory where there are none yet.
///
/// # Safety
/// `fill` writes each of them.
pub(super) unsafe fn made<T: Real>(len: usize, fill: impl FnOnce(&mut [MaybeUninit<T>])) -> Vec<T> {
    let mut values = Vec::with_capacity(len);
    fill(&mut values.spare_capacity_mut()[..len]);
    // SAFETY: the caller's.
    unsafe { values.set_len(len) };
    values
}

/// `len` zeros.
pub(super) fn zeros<T: Real>(len: usize) -> Vec<T> {
    vec![T::zero(); len]
}
