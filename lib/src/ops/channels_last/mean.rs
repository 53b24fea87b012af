//! The mean of every channel of an image.

use rayon::prelude::*;

use crate::ops::simd::vectorized;

/// Of `x` (B, pixels, C) into `y` (B, C).
pub(crate) fn means(x: &[f32], channels: usize, y: &mut [f32]) {
    let batch = y.len() / channels.max(1);
    let image = (x.len() / batch.max(1)).max(1);
    y.par_chunks_mut(channels.max(1)).zip(x.par_chunks(image)).for_each(|(y, x)| {
        vectorized(|| {
            let mut sums = vec![0.0_f64; channels];
            for pixel in x.chunks_exact(channels) {
                sums.iter_mut().zip(pixel).for_each(|(sum, &x)| *sum += f64::from(x));
            }
            let share = channels as f64 / image as f64;
            y.iter_mut().zip(sums).for_each(|(y, sum)| *y = (sum * share) as f32);
        });
    });
}

/// Adds to the gradient of the images that of their means.
pub(crate) fn add_mean_gradient(dy: &[f32], channels: usize, dx: &mut [f32]) {
    let batch = dy.len() / channels.max(1);
    let image = (dx.len() / batch.max(1)).max(1);
    let share = channels as f32 / image as f32;
    dx.par_chunks_mut(image).zip(dy.par_chunks(channels.max(1))).for_each(|(dx, dy)| {
        vectorized(|| {
            for pixel in dx.chunks_exact_mut(channels) {
                pixel.iter_mut().zip(dy).for_each(|(dx, &dy)| *dx += dy * share);
            }
        });
    });
}
