//! Images from channels one after the other to channels beside each other, and back.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::ops::simd::dispatch;

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
            dispatch(Columns { from, to, rows, columns, first: block * BLOCK });
        });
    });
}

/// Some columns of an image, which become rows.
struct Columns<'a> {
    from: &'a [f32],
    to: &'a mut [f32],
    rows: usize,
    columns: usize,
    /// The first of them.
    first: usize,
}

impl WithSimd for Columns<'_> {
    type Output = ();

    #[allow(
        clippy::needless_range_loop,
        reason = "an iterator is not made of the vector instructions of its caller"
    )]
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Columns { from, to, rows, columns, first } = self;
        let count = to.len() / rows;
        for start in (0..rows).step_by(BLOCK) {
            // The rows often lie a power of two apart, where few of them find place in the cache: each is read once.
            let mut tile = [[0.0_f32; BLOCK]; BLOCK];
            let height = BLOCK.min(rows - start);
            for row in 0..height {
                let line = &from[(start + row) * columns + first..][..count];
                if let Ok(line) = <&[f32; BLOCK]>::try_from(line) {
                    tile[row] = *line;
                } else {
                    tile[row][..count].copy_from_slice(line);
                }
            }
            for column in 0..count {
                let line = &mut to[column * rows + start..][..height];
                for row in 0..height {
                    line[row] = tile[row][column];
                }
            }
        }
    }
}
