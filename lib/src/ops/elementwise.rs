use rayon::prelude::*;

use super::host::Real;
use super::simd::vectorized;

/// Values a thread takes at a time: enough to outweigh handing them over.
pub(super) const BLOCK: usize = 16 * 1024;

/// `f` of every value, into `y`.
pub(super) fn map_into<T: Real>(x: &[T], y: &mut [T], f: impl Fn(T) -> T + Sync) {
    let blocks = y.par_chunks_mut(BLOCK).zip(x.par_chunks(BLOCK));
    blocks.for_each(|(y, x)| {
        vectorized(|| y.iter_mut().zip(x).for_each(|(y, &x)| *y = f(x)));
    });
}

/// `f` of each value of `a` and the one of `b` at the same place, which it replaces.
pub(super) fn zip_assign<T: Real>(a: &[T], b: &mut [T], f: impl Fn(T, T) -> T + Sync) {
    let blocks = b.par_chunks_mut(BLOCK).zip(a.par_chunks(BLOCK));
    blocks.for_each(|(b, a)| {
        vectorized(|| b.iter_mut().zip(a).for_each(|(b, &a)| *b = f(a, *b)));
    });
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
