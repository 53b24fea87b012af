use rayon::prelude::*;

use super::channels_last::copy;
use super::host::Real;
use super::simd::vectorized;

/// Values a thread takes at a time: enough to outweigh handing them over.
pub(super) const BLOCK: usize = 16 * 1024;

/// `value`, where a loop sets some values of a slice and leaves others as they are. Of these a plain value would be
/// written by a masked store, which on AMD's processors without AVX-512 takes as long as many whole ones; a sum, even
/// with 0, is written with what is beside it.
#[inline(always)]
pub(super) fn kept<T: Real>(value: T) -> T {
    value + T::zero()
}

/// `to = from`, by all threads. A single copy of so many values is one thread's, and the C library leaves it to an
/// instruction that takes long on some processors of AMD's.
pub(crate) fn copy_assign(to: &mut [f32], from: &[f32]) {
    to.par_chunks_mut(BLOCK).zip(from.par_chunks(BLOCK)).for_each(|(to, from)| vectorized(|| copy(to, from)));
}

/// `to += from`.
pub(crate) fn add_assign(to: &mut [f32], from: &[f32]) {
    to.par_chunks_mut(BLOCK).zip(from.par_chunks(BLOCK)).for_each(|(to, from)| {
        vectorized(|| to.iter_mut().zip(from).for_each(|(to, &from)| *to += from));
    });
}

/// Negative values become 0.
pub(crate) fn relu_assign(values: &mut [f32]) {
    values.par_chunks_mut(BLOCK).for_each(|values| {
        vectorized(|| {
            values.iter_mut().for_each(|value| *value = if *value < 0.0 { 0.0 } else { kept(*value) })
        });
    });
}
