use rayon::prelude::*;

use super::host::Real;
use super::simd::vectorized;

/// Values a thread takes at a time: enough to outweigh handing them over.
pub(super) const BLOCK: usize = 16 * 1024;

/// `f` of every value.
pub(super) fn map<T: Real>(x: &[T], f: impl Fn(T) -> T + Sync) -> Vec<T> {
    let mut y = vec![T::zero(); x.len()];
    let blocks = y.par_chunks_mut(BLOCK).zip(x.par_chunks(BLOCK));
    blocks.for_each(|(y, x)| {
        vectorized(|| y.iter_mut().zip(x).for_each(|(y, &x)| *y = f(x)));
    });
    y
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
        vectorized(|| values.iter_mut().for_each(|value| *value = if *value <= 0.0 { 0.0 } else { *value }));
    });
}

/// `f` of the values of `a` and `b` at the same place.
pub(super) fn zip_map<T: Real>(a: &[T], b: &[T], f: impl Fn(T, T) -> T + Sync) -> Vec<T> {
    let mut y = vec![T::zero(); a.len()];
    let blocks = y.par_chunks_mut(BLOCK).zip(a.par_chunks(BLOCK)).zip(b.par_chunks(BLOCK));
    blocks.for_each(|((y, a), b)| {
        vectorized(|| y.iter_mut().zip(a.iter().zip(b)).for_each(|(y, (&a, &b))| *y = f(a, b)));
    });
    y
}
