//! Brightness, contrast, saturation, hue and sharpness of one image by a factor, as PIL's `ImageEnhance`.

use super::hue::turn_hue;
use super::refused::unfit;
use super::tone::{blend_bytes, blend_fractions, change, colours};
use crate::Result;
use crate::data::{Image, PixelsMut, grey_byte, grey_fraction};
use crate::ops::vectorized;

/// Refuses images that are neither grey nor RGB, with or without alpha; else the number of colours, 1 or 3.
pub(super) fn grey_or_rgb(op: &str, image: &Image) -> Result<usize> {
    match colours(image.channels()) {
        channels @ (1 | 3) => Ok(channels),
        _ => Err(unfit(
            op,
            "a grey or RGB image, with or without alpha",
            format!("one of {} channels", image.channels()),
            "Other channels have no colour.",
        )),
    }
}

/// 0 is black, 1 the image as it is.
pub(super) fn brightness(image: &mut Image, factor: f32) {
    change(image, |byte| blend_bytes(0, byte, factor), |value| blend_fractions(0.0, value, factor));
}

/// 0 is one grey, 1 the image as it is.
pub(super) fn contrast(op: &str, image: &mut Image, factor: f32) -> Result<()> {
    let colours = grey_or_rgb(op, image)?;
    let channels = image.channels();
    let mean = match image.pixels_mut() {
        PixelsMut::U8(values) => {
            let sum: u64 =
                values.chunks_exact(channels).map(|pixel| u64::from(grey_of(pixel, colours))).sum();
            sum as f64 / (values.len() / channels) as f64
        }
        PixelsMut::F32(values) => {
            let grey = |pixel: &[f32]| match *pixel {
                [red, green, blue, ..] if colours == 3 => grey_fraction([red, green, blue]),
                [grey, ..] => grey,
                [] => 0.0,
            };
            let sum: f64 = values.chunks_exact(channels).map(|pixel| f64::from(grey(pixel))).sum();
            sum / (values.len() / channels) as f64
        }
    };
    change(
        image,
        |byte| blend_bytes((mean + 0.5) as u8, byte, factor),
        |value| blend_fractions(mean as f32, value, factor),
    );
    Ok(())
}

fn grey_of(pixel: &[u8], colours: usize) -> u8 {
    match *pixel {
        [red, green, blue, ..] if colours == 3 => grey_byte([red, green, blue]),
        [grey, ..] => grey,
        [] => 0,
    }
}

/// 0 is grey, 1 the image as it is. A grey image stays as it is.
pub(super) fn saturation(op: &str, image: &mut Image, factor: f32) -> Result<()> {
    if grey_or_rgb(op, image)? == 1 {
        return Ok(());
    }
    match (image.channels(), image.pixels_mut()) {
        (3, PixelsMut::U8(values)) => vectorized(|| saturate_bytes(values.as_chunks_mut::<3>().0, factor)),
        (_, PixelsMut::U8(values)) => saturate_bytes(values.as_chunks_mut::<4>().0, factor),
        (channels, PixelsMut::F32(values)) => {
            for pixel in values.chunks_exact_mut(channels) {
                if let Some((rgb, _)) = pixel.split_first_chunk_mut::<3>() {
                    let grey = grey_fraction(*rgb);
                    *rgb = rgb.map(|value| blend_fractions(grey, value, factor));
                }
            }
        }
    }
    Ok(())
}

#[inline(always)]
fn saturate_bytes<const N: usize>(pixels: &mut [[u8; N]], factor: f32) {
    for pixel in pixels {
        let grey = grey_byte([pixel[0], pixel[1], pixel[2]]);
        for value in &mut pixel[..3] {
            *value = blend_bytes(grey, *value, factor);
        }
    }
}

/// Turns the colours by a share of the circle, -0.5 to 0.5. A grey image stays as it is.
pub(super) fn hue(op: &str, image: &mut Image, turn: f32) -> Result<()> {
    if grey_or_rgb(op, image)? == 3 {
        turn_hue(image, turn);
    }
    Ok(())
}

/// 0 is smoothed by 3 x 3 pixels, 1 the image as it is, 2 sharpened as much as smoothing takes away. Pixels at
/// the edge stay as they are.
pub(super) fn sharpness(image: &mut Image, factor: f32) {
    let [height, width, channels] = image.shape();
    if height < 3 || width < 3 {
        return;
    }
    let shape = [width * channels, channels];
    let smooth = |sum: u32| ((2 * sum + 13) / 26) as u8;
    match image.pixels_mut() {
        PixelsMut::U8(values) => sharpen(values, shape, |around, value| {
            blend_bytes(
                smooth(around.iter().map(|&v| u32::from(v)).sum::<u32>() + 5 * u32::from(value)),
                value,
                factor,
            )
        }),
        PixelsMut::F32(values) => sharpen(values, shape, |around, value| {
            blend_fractions((around.iter().sum::<f32>() + 5.0 * value) / 13.0, value, factor)
        }),
    }
}

/// Changes every inner colour by its eight neighbours and itself.
fn sharpen<T: Copy>(values: &mut [T], [row, channels]: [usize; 2], change: impl Fn([T; 8], T) -> T) {
    let original = values.to_vec();
    let colours = colours(channels);
    for (y, to) in values.chunks_exact_mut(row).enumerate().skip(1) {
        let Some(lines) = original.get((y - 1) * row..(y + 2) * row) else { break };
        let (above, rest) = lines.split_at(row);
        let (here, below) = rest.split_at(row);
        for x in channels..row - channels {
            if x % channels >= colours {
                continue;
            }
            let (left, right) = (x - channels, x + channels);
            let around = [
                above[left],
                above[x],
                above[right],
                here[left],
                here[right],
                below[left],
                below[x],
                below[right],
            ];
            to[x] = change(around, here[x]);
        }
    }
}
