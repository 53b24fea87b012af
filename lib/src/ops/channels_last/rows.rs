//! Loops over pixels with a value for each channel, shared between threads in blocks that depend on sizes only.

use rayon::prelude::*;

use crate::ops::simd::vectorized;

/// Values of a block: a quarter of a core's second cache.
const BLOCK: usize = 64 * 1024;

/// Pixels of a block.
pub(super) fn block_rows(channels: usize) -> usize {
    (BLOCK / channels.max(1)).clamp(1, 1024)
}

/// Adds up what `sum` gives for each block of pixels, `N` values for each channel: block by block in order.
pub(super) fn sums<const N: usize>(
    rows: usize,
    channels: usize,
    sum: impl Fn(std::ops::Range<usize>, &mut [Vec<f32>; N]) + Sync,
) -> [Vec<f64>; N] {
    let step = block_rows(channels);
    let blocks: Vec<[Vec<f32>; N]> = (0..rows.div_ceil(step))
        .into_par_iter()
        .map(|block| {
            let mut part = std::array::from_fn(|_| vec![0.0; channels]);
            sum(block * step..((block + 1) * step).min(rows), &mut part);
            part
        })
        .collect();
    let mut totals = std::array::from_fn(|_| vec![0.0; channels]);
    for block in blocks {
        for (total, part) in totals.iter_mut().zip(&block) {
            total.iter_mut().zip(part).for_each(|(total, &part)| *total += f64::from(part));
        }
    }
    totals
}

/// The sums over all pixels (…, C).
pub(crate) fn channel_sums(pixels: &[f32], channels: usize) -> Vec<f32> {
    let [sum] = sums(pixels.len() / channels.max(1), channels, |rows, [sum]| {
        let pixels = &pixels[rows.start * channels..rows.end * channels];
        vectorized(|| {
            for pixel in pixels.chunks_exact(channels) {
                sum.iter_mut().zip(pixel).for_each(|(sum, &value)| *sum += value);
            }
        });
    });
    sum.into_iter().map(|sum| sum as f32).collect()
}
