//! Equalize and autocontrast: tables that follow from the image.

use super::tone::{Tone, byte, change, colours, fraction, look_up, tone};
use crate::data::{Image, PixelsMut};

/// Counts of each byte, for each colour channel.
fn histograms<T: Copy>(values: &[T], channels: usize, byte: impl Fn(T) -> u8) -> Vec<[usize; 256]> {
    let mut counts = vec![[0; 256]; colours(channels)];
    for pixel in values.chunks_exact(channels) {
        for (counts, &value) in counts.iter_mut().zip(pixel) {
            counts[usize::from(byte(value))] += 1;
        }
    }
    counts
}

/// Spreads the values of each channel so that all are about as frequent, as PIL's `ImageOps.equalize`.
/// Fractions are sorted into 256 bins.
pub(super) fn equalize(image: &mut Image) {
    let channels = image.channels();
    let tones = |counts: Vec<[usize; 256]>| counts.iter().map(equal_tone).collect::<Vec<_>>();
    match image.pixels_mut() {
        PixelsMut::U8(values) => {
            let tones = tones(histograms(values, channels, |byte| byte));
            look_up(values, channels, &tones);
        }
        PixelsMut::F32(values) => {
            let tones = tones(histograms(values, channels, byte));
            for pixel in values.chunks_exact_mut(channels) {
                for (value, tone) in pixel.iter_mut().zip(&tones) {
                    *value = fraction(tone[usize::from(byte(*value))]);
                }
            }
        }
    }
}

fn equal_tone(counts: &[usize; 256]) -> Tone {
    let last = counts.iter().rev().copied().find(|&count| count > 0).unwrap_or(0);
    let step = (counts.iter().sum::<usize>() - last) / 255;
    if step == 0 {
        return tone(|byte| byte);
    }
    let mut below = step / 2;
    let mut tone = [0; 256];
    for (to, count) in tone.iter_mut().zip(counts) {
        *to = (below / step).min(255) as u8;
        below += count;
    }
    tone
}

/// Stretches each channel so that its least value becomes black and its greatest white, as PIL's
/// `ImageOps.autocontrast`.
pub(super) fn autocontrast(image: &mut Image) {
    let channels = image.channels();
    match image.pixels_mut() {
        PixelsMut::U8(values) => {
            let tones: Vec<Tone> =
                histograms(values, channels, |byte| byte).iter().map(stretched_tone).collect();
            look_up(values, channels, &tones);
        }
        PixelsMut::F32(values) => {
            for channel in 0..colours(channels) {
                let (mut low, mut high) = (f32::INFINITY, f32::NEG_INFINITY);
                for &value in values[channel..].iter().step_by(channels) {
                    (low, high) = (low.min(value), high.max(value));
                }
                if high > low {
                    for value in values[channel..].iter_mut().step_by(channels) {
                        *value = (*value - low) / (high - low);
                    }
                }
            }
        }
    }
}

fn stretched_tone(counts: &[usize; 256]) -> Tone {
    let low = counts.iter().position(|&count| count > 0).unwrap_or(0);
    let high = counts.iter().rposition(|&count| count > 0).unwrap_or(0);
    if high <= low {
        return tone(|byte| byte);
    }
    let scale = 255.0 / (high - low) as f64;
    tone(|byte| (f64::from(byte) * scale - low as f64 * scale) as u8)
}

/// Keeps the highest `bits` of each byte; fractions are rounded to bytes first.
pub(super) fn posterize(image: &mut Image, bits: u32) {
    let mask = !(0xff_u32 >> bits) as u8;
    change(image, |byte| byte & mask, |value| fraction(byte(value) & mask));
}

/// Inverts what is at least the threshold, a fraction.
pub(super) fn solarize(image: &mut Image, threshold: f32) {
    change(
        image,
        |byte| if f32::from(byte) < threshold * 255.0 { byte } else { 255 - byte },
        |value| if value < threshold { value } else { 1.0 - value },
    );
}

/// Black becomes white.
pub(super) fn invert(image: &mut Image) {
    change(image, |byte| 255 - byte, |value| 1.0 - value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_of_one_value_stays() {
        let mut counts = [0; 256];
        counts[7] = 1000;
        assert_eq!(equal_tone(&counts)[7], 7);
        assert_eq!(stretched_tone(&counts)[7], 7);
    }

    #[test]
    fn stretched_tones_reach_from_black_to_white() {
        let mut counts = [0; 256];
        (counts[10], counts[60], counts[110]) = (1, 1, 1);
        let tone = stretched_tone(&counts);
        assert_eq!([tone[10], tone[60], tone[110]], [0, 127, 255]);
    }
}
