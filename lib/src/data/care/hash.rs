//! A fingerprint of how an image looks.

use std::sync::LazyLock;

use super::grey::Grey;

/// Images are looked at in this size, both sides.
const SIDE: usize = 32;
/// So many frequencies in each direction count, from the lowest above 0.
const FREQUENCIES: usize = 8;
/// An image whose strongest frequency is weaker than this, as a share of full brightness, shows nothing that
/// could be told apart: a plain area and the noise of its compression.
const FAINT: f32 = 0.004;

/// A fingerprint of how an image looks, of 64 bits: copies that were resized, compressed again or brightened
/// differ in few bits, other images in about half of them. Mirrored, turned and strongly cropped copies are
/// other images.
///
/// The image is brought to 32 x 32 grey pixels; each bit tells whether one of the 8 x 8 lowest frequencies of
/// its cosine transform, that of the mean brightness left out, is above their median. Source: Zauner,
/// *Implementation and Benchmarking of Perceptual Image Hash Functions*, 2010, section 3.2.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PerceptualHash(pub u64);

impl PerceptualHash {
    /// In how many of the 64 bits two differ.
    #[must_use]
    pub fn distance(self, other: PerceptualHash) -> u32 {
        (self.0 ^ other.0).count_ones()
    }

    /// `None` for an image that shows nothing.
    pub(super) fn of(grey: &Grey) -> Option<PerceptualHash> {
        let small = grey.at_size([SIDE, SIDE]);
        let frequencies = lowest(small.values());
        let strongest = frequencies.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
        // Also where a number is not finite.
        if strongest.is_nan() || strongest < FAINT {
            return None;
        }
        let mut sorted = frequencies;
        sorted.sort_by(f32::total_cmp);
        let middle = sorted.len() / 2;
        let median = (sorted[middle - 1] + sorted[middle]) / 2.0;
        let bits = frequencies.iter().enumerate();
        Some(PerceptualHash(bits.fold(0, |bits, (at, value)| bits | u64::from(*value > median) << at)))
    }
}

/// Cosines of the frequencies 1 to 8 at the 32 places, scaled so that a pure wave of amplitude a has the
/// coefficient a in one direction.
static WAVES: LazyLock<[[f32; SIDE]; FREQUENCIES]> = LazyLock::new(|| {
    std::array::from_fn(|frequency| {
        std::array::from_fn(|at| {
            let angle = std::f64::consts::PI * (frequency + 1) as f64 * (at as f64 + 0.5) / SIDE as f64;
            (libm::cos(angle) * 2.0 / SIDE as f64) as f32
        })
    })
});

/// The coefficients of the lowest frequencies, but for 0 in either direction.
fn lowest(values: &[f32]) -> [f32; FREQUENCIES * FREQUENCIES] {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    // Along each row first: one column of rows for each frequency.
    let across: [[f32; SIDE]; FREQUENCIES] = std::array::from_fn(|frequency| {
        let mut column = [0.0; SIDE];
        for (to, row) in column.iter_mut().zip(values.chunks_exact(SIDE)) {
            *to = dot(&WAVES[frequency], row);
        }
        column
    });
    std::array::from_fn(|at| dot(&WAVES[at / FREQUENCIES], &across[at % FREQUENCIES]))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::Seed;
    use crate::data::{Image, Pixels};

    fn grey(value: impl Fn(f32, f32) -> f32) -> Grey {
        let pixel = |at: usize| value((at / SIDE) as f32 + 0.5, (at % SIDE) as f32 + 0.5);
        let image = Image::new([SIDE, SIDE, 1], Pixels::F32((0..SIDE * SIDE).map(pixel).collect()));
        Grey::of(&image.unwrap(), SIDE).unwrap()
    }

    #[test]
    fn a_wave_has_its_amplitude_at_its_frequency_alone() {
        let wave = |frequency: f32, at: f32| (std::f32::consts::PI * frequency * at / SIDE as f32).cos();
        let image = grey(|y, x| 0.5 + 0.25 * wave(3.0, y) * wave(5.0, x));
        for (at, value) in lowest(image.values()).into_iter().enumerate() {
            let expected = if at == 2 * FREQUENCIES + 4 { 0.25 } else { 0.0 };
            assert!((value - expected).abs() < 1e-5, "{at}: {value}");
        }
    }

    #[test]
    fn brightness_and_contrast_change_no_bit_and_a_plain_area_has_no_fingerprint() {
        let mut rng = Seed(3).rng();
        let noise: Vec<f32> = (0..SIDE * SIDE).map(|_| rng.uniform_f32()).collect();
        let at = |y: f32, x: f32| noise[y as usize * SIDE + x as usize];
        let hash = PerceptualHash::of(&grey(at)).unwrap();
        assert_eq!(hash.0.count_ones(), 32, "half of the bits are above the median");
        assert_eq!(PerceptualHash::of(&grey(|y, x| 0.4 + 0.5 * at(y, x))).unwrap().distance(hash), 0);
        assert_eq!(PerceptualHash::of(&grey(|y, x| 1.0 - at(y, x))).unwrap().distance(hash), 64);
        assert_eq!(PerceptualHash::of(&grey(|_, _| 0.7)), None);
        assert_eq!(PerceptualHash::of(&grey(|_, _| f32::NAN)), None);
    }
}
