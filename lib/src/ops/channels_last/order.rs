//! Images from channels one after the other to channels beside each other, and back.

use rayon::prelude::*;

/// Pixels and channels at a time: both sides of the copy stay in the first cache.
const BLOCK: usize = 16;

/// (B, C, pixels) to (B, pixels, C).
pub(crate) fn to_channels_last(from: &[f32], to: &mut [f32], channels: usize, pixels: usize) {
    transpose(from, to, channels, pixels);
}

/// (B, pixels, C) to (B, C, pixels).
pub(crate) fn to_channels_first(from: &[f32], to: &mut [f32], channels: usize, pixels: usize) {
    transpose(from, to, pixels, channels);
}

/// (B, rows, columns) to (B, columns, rows).
fn transpose(from: &[f32], to: &mut [f32], rows: usize, columns: usize) {
    let len = (rows * columns).max(1);
    // Parts of an image, so that a single large one is shared between threads as well.
    to.par_chunks_mut(len).zip(from.par_chunks(len)).for_each(|(to, from)| {
        to.par_chunks_mut(BLOCK * rows).enumerate().with_min_len(4).for_each(|(block, to)| {
            let first = block * BLOCK;
            for start in (0..rows).step_by(BLOCK) {
                let end = (start + BLOCK).min(rows);
                for (column, to) in to.chunks_exact_mut(rows).enumerate() {
                    let values = from[start * columns + first + column..].iter().step_by(columns);
                    to[start..end].iter_mut().zip(values).for_each(|(to, from)| *to = *from);
                }
            }
        });
    });
}
