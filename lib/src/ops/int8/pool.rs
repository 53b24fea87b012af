use rayon::prelude::*;

use super::activations::{Activations, Quantization};
use super::round::{Clamp, round_within};
use crate::Result;
use crate::ops::avg_pool2d::{AvgPool2d, Divisor, Side};
use crate::ops::operands::shape_error;
use crate::ops::simd::vectorized;
use crate::ops::window::{Rounding, Sliding, Window};

/// As many of the largest step as 32 bits hold the sum of.
const MOST_PIXELS: usize = i32::MAX as usize / 255;

/// The largest step under each position of a window, of each channel: `x` (B, H, W, C) gives (B, OH, OW, C), in the steps of
/// `x`. Padding never wins.
///
/// # Errors
/// If `x` is no batch of images, the window is larger than the padded image, or the padding is more than half the kernel.
pub fn max_pool2d(
    x: &Activations,
    kernel: [usize; 2],
    sliding: Sliding,
    rounding: Rounding,
) -> Result<Activations> {
    let op = "int8::max_pool2d";
    let [batch, height, width, channels] = x.image_dims(op)?;
    let window = Window { kernel, sliding, rounding };
    window.check_padding(op)?;
    let output = window.output_size(op, [height, width])?;
    let mut values = vec![0; batch * output[0] * output[1] * channels];
    let line = (output[1] * channels).max(1);
    values.par_chunks_mut(line).enumerate().for_each(|(index, y)| {
        let (image, row) = (index / output[0], index % output[0]);
        for tap_row in 0..kernel[0] {
            if !window.inside(0, tap_row, height, output[0]).contains(&row) {
                continue;
            }
            let start = (image * height + window.pixel(0, tap_row, row)) * width;
            for tap in 0..kernel[1] {
                for column in window.inside(1, tap, width, output[1]) {
                    let pixel = start + window.pixel(1, tap, column);
                    let x = &x.values[pixel * channels..][..channels];
                    let y = &mut y[column * channels..][..channels];
                    vectorized(
                        #[inline(always)]
                        || y.iter_mut().zip(x).for_each(|(y, &x)| *y = (*y).max(x)),
                    );
                }
            }
        }
    });
    let dims = vec![batch, output[0], output[1], channels];
    Ok(Activations { values, dims, quantization: x.quantization })
}

/// The mean under each position of a window, of each channel: `x` (B, H, W, C) gives (B, OH, OW, C) with
/// `clamp(round(Σ (x - x0) · (s_x/s/n)) + zero_point, 0, 255)`, n being what `divisor` says and s the scale of the output.
///
/// # Errors
/// If `x` is no batch of images, the window is larger than the padded image or has gaps, or the padding is more than
/// half the kernel.
pub fn avg_pool2d(
    x: &Activations,
    kernel: [usize; 2],
    sliding: Sliding,
    rounding: Rounding,
    divisor: Divisor,
    output: Quantization,
) -> Result<Activations> {
    let [_, height, width, _] = x.image_dims("int8::avg_pool2d")?;
    let window = Window { kernel, sliding, rounding };
    means(x, &AvgPool2d::sliding(window, divisor, [height, width])?, output)
}

/// The mean of each of `parts` equal parts of the image, whatever its size, as [`crate::ops::adaptive_avg_pool2d`] cuts
/// them; [1, 1] is the mean of the whole image.
///
/// # Errors
/// If `x` is no batch of images with at least one pixel, or a side of `parts` is 0.
pub fn adaptive_avg_pool2d(x: &Activations, parts: [usize; 2], output: Quantization) -> Result<Activations> {
    let [_, height, width, _] = x.image_dims("int8::adaptive_avg_pool2d")?;
    means(x, &AvgPool2d::adaptive(parts, [height, width])?, output)
}

fn means(x: &Activations, pool: &AvgPool2d, output: Quantization) -> Result<Activations> {
    let op = "int8::avg_pool2d";
    let [batch, height, width, channels] = x.image_dims(op)?;
    output.check(op)?;
    let [rows, columns] = pool.output();
    let longest = |sides: &[Side]| sides.iter().map(|side| side.pixels.len()).max().unwrap_or(0);
    let (height_of, width_of) = (longest(&pool.rows), longest(&pool.columns));
    if height_of.saturating_mul(width_of) > MOST_PIXELS {
        return Err(shape_error(
            op,
            format!("windows of at most {MOST_PIXELS} pixels, whose sums stay in 32 bits"),
            &[height_of, width_of],
            "Leave this layer in float, or make its images smaller.",
        ));
    }
    let clamp = Clamp::new(output.zero_point, 0, 255);
    let zero_point = i32::from(x.quantization.zero_point);
    let mut values = vec![0; batch * rows * columns * channels];
    let outputs = values.par_chunks_mut(channels.max(1)).with_min_len(4).enumerate();
    outputs.for_each_init(
        || vec![0_i32; channels],
        |sums, (index, y)| {
            let (image, row, column) = (
                index / (rows * columns),
                &pool.rows[index / columns % rows],
                &pool.columns[index % columns],
            );
            sums.fill(0);
            for line in row.pixels.clone() {
                for pixel in column.pixels.clone() {
                    let x = &x.values[((image * height + line) * width + pixel) * channels..][..channels];
                    vectorized(
                        #[inline(always)]
                        || sums.iter_mut().zip(x).for_each(|(sum, &x)| *sum += i32::from(x)),
                    );
                }
            }
            let taken = (row.pixels.len() * column.pixels.len()) as i32 * zero_point;
            let counted = (row.counted * column.counted) as f32;
            let multiplier = x.quantization.scale / output.scale / counted;
            vectorized(
                #[inline(always)]
                || {
                    for (y, &sum) in y.iter_mut().zip(sums.iter()) {
                        *y = round_within((sum - taken) as f32 * multiplier, clamp);
                    }
                },
            );
        },
    );
    Ok(Activations { values, dims: vec![batch, rows, columns, channels], quantization: output })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_images_beyond_32_bits_are_refused() {
        let quantization = Quantization { scale: 1.0, zero_point: 0 };
        let mean = |width: usize| {
            let x = Activations { values: vec![255; width], dims: vec![1, 1, width, 1], quantization };
            adaptive_avg_pool2d(&x, [1, 1], quantization)
        };
        assert_eq!(mean(300).unwrap().values, [255]);
        let error = mean(MOST_PIXELS + 1).unwrap_err().to_string();
        assert!(error.contains("8421504 pixels") && error.contains("(1, 8421505)"), "{error}");
    }
}
