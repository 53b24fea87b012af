//! Colours changed number by number, each by itself: tables for bytes, functions for fractions.

use crate::data::{Image, PixelsMut};

/// How many of a pixel's numbers are colours: the second of two and the fourth of four are alpha, which no
/// change of colours touches.
pub(super) fn colours(channels: usize) -> usize {
    match channels {
        2 => 1,
        4 => 3,
        other => other,
    }
}

/// What becomes of each byte.
pub(super) type Tone = [u8; 256];

/// The table of a function.
pub(super) fn tone(of: impl Fn(u8) -> u8) -> Tone {
    let mut tone = [0; 256];
    for (byte, to) in (0..=255).zip(&mut tone) {
        *to = of(byte);
    }
    tone
}

/// Changes every colour by the same function: `byte` makes the table for bytes, `fraction` is for fractions.
pub(super) fn change(image: &mut Image, byte: impl Fn(u8) -> u8, fraction: impl Fn(f32) -> f32) {
    let channels = image.channels();
    match image.pixels_mut() {
        PixelsMut::U8(values) => look_up(values, channels, &[tone(byte)]),
        PixelsMut::F32(values) => {
            for pixel in values.chunks_exact_mut(channels) {
                pixel[..colours(channels)].iter_mut().for_each(|value| *value = fraction(*value));
            }
        }
    }
}

/// Looks every colour up: in the one table, or in that of its channel.
pub(super) fn look_up(values: &mut [u8], channels: usize, tones: &[Tone]) {
    let colours = colours(channels);
    match tones {
        [one] if colours == channels => {
            values.iter_mut().for_each(|value| *value = one[usize::from(*value)]);
        }
        [one] => {
            for pixel in values.chunks_exact_mut(channels) {
                pixel[..colours].iter_mut().for_each(|value| *value = one[usize::from(*value)]);
            }
        }
        each => {
            for pixel in values.chunks_exact_mut(channels) {
                for (value, tone) in pixel.iter_mut().zip(each) {
                    *value = tone[usize::from(*value)];
                }
            }
        }
    }
}

/// The byte of a fraction.
pub(super) fn byte(fraction: f32) -> u8 {
    (fraction * 255.0 + 0.5) as u8
}

/// The fraction of a byte.
pub(super) fn fraction(byte: u8) -> f32 {
    f32::from(byte) / 255.0
}

/// From `from` (`share` 0) to `to` (1) and beyond, cut off at 0 and 255; what is left over is cut, as PIL's
/// `Image.blend` does.
#[inline(always)]
pub(super) fn blend_bytes(from: u8, to: u8, share: f32) -> u8 {
    (f32::from(from) + share * (f32::from(to) - f32::from(from))) as u8
}

/// The same for fractions, cut off at 0 and 1.
#[inline(always)]
pub(super) fn blend_fractions(from: f32, to: f32, share: f32) -> f32 {
    (from + share * (to - from)).clamp(0.0, 1.0)
}
