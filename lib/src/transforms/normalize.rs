//! Numbers of mean 0 and deviation 1, and back.

use super::refused::{refused, unfit};
use crate::data::{Image, Pixels, Sample, Transform};
use crate::{Result, Rng};

/// Subtracts a mean from each channel and divides by a standard deviation; bytes become fractions first. The
/// result is always f32.
#[derive(Debug, Clone, PartialEq)]
pub struct Normalize {
    mean: Vec<f32>,
    std: Vec<f32>,
}

impl Normalize {
    /// With these means and standard deviations, one for each channel, in fractions.
    #[must_use]
    pub fn new(mean: &[f32], std: &[f32]) -> Normalize {
        Normalize { mean: mean.to_vec(), std: std.to_vec() }
    }

    /// With those of ImageNet's images, which most published weights want.
    #[must_use]
    pub fn imagenet() -> Normalize {
        Normalize::new(&[0.485, 0.456, 0.406], &[0.229, 0.224, 0.225])
    }

    /// What undoes this, up to rounding: for looking at images. The result stays f32.
    #[must_use]
    pub fn inverse(&self) -> Denormalize {
        Denormalize { mean: self.mean.clone(), std: self.std.clone() }
    }
}

impl Transform for Normalize {
    fn apply(&self, sample: Sample, _: &mut Rng) -> Result<Sample> {
        check("Normalize", &self.mean, &self.std, &sample.image)?;
        let [height, width, channels] = sample.image.shape();
        let image = match sample.image.into_pixels() {
            Pixels::U8(values) => bytes(&values, channels, &self.mean, &self.std),
            Pixels::F32(mut values) => {
                for pixel in values.chunks_exact_mut(channels) {
                    for ((value, mean), std) in pixel.iter_mut().zip(&self.mean).zip(&self.std) {
                        *value = (*value - mean) / std;
                    }
                }
                values
            }
        };
        Ok(Sample { image: Image::new([height, width, channels], Pixels::F32(image))?, ..sample })
    }

    fn is_random(&self) -> bool {
        false
    }
}

/// Of each channel's 256 bytes one table, as a byte may be met a thousand times.
fn bytes(values: &[u8], channels: usize, mean: &[f32], std: &[f32]) -> Vec<f32> {
    let tables: Vec<[f32; 256]> = mean
        .iter()
        .zip(std)
        .map(|(mean, std)| std::array::from_fn(|byte| (byte as f32 / 255.0 - mean) / std))
        .collect();
    if let [red, green, blue] = tables.as_slice() {
        let pixels = values.as_chunks::<3>().0.iter();
        let at = |byte: u8| usize::from(byte);
        return pixels.flat_map(|&[r, g, b]| [red[at(r)], green[at(g)], blue[at(b)]]).collect();
    }
    let mut fractions = Vec::with_capacity(values.len());
    for pixel in values.chunks_exact(channels) {
        fractions.extend(pixel.iter().zip(&tables).map(|(&byte, table)| table[usize::from(byte)]));
    }
    fractions
}

/// Multiplies each channel by a standard deviation and adds a mean: undoes [`Normalize`].
#[derive(Debug, Clone, PartialEq)]
pub struct Denormalize {
    mean: Vec<f32>,
    std: Vec<f32>,
}

impl Denormalize {
    /// Undoes a normalization by these means and standard deviations.
    #[must_use]
    pub fn new(mean: &[f32], std: &[f32]) -> Denormalize {
        Normalize::new(mean, std).inverse()
    }
}

impl Transform for Denormalize {
    fn apply(&self, mut sample: Sample, _: &mut Rng) -> Result<Sample> {
        const OP: &str = "Denormalize";
        check(OP, &self.mean, &self.std, &sample.image)?;
        let channels = sample.image.channels();
        let crate::data::PixelsMut::F32(values) = sample.image.pixels_mut() else {
            return Err(unfit(
                OP,
                "an image of f32",
                format!("bytes, in sample {:?}", sample.id),
                "Only a normalized image can be undone.",
            ));
        };
        for pixel in values.chunks_exact_mut(channels) {
            for ((value, mean), std) in pixel.iter_mut().zip(&self.mean).zip(&self.std) {
                *value = *value * std + mean;
            }
        }
        Ok(sample)
    }

    fn is_random(&self) -> bool {
        false
    }
}

fn check(op: &str, mean: &[f32], std: &[f32], image: &Image) -> Result<()> {
    let channels = image.channels();
    if mean.len() != channels || std.len() != channels {
        return Err(unfit(
            op,
            &format!("a mean and a standard deviation for each of {channels} channels"),
            format!("{} means and {} deviations", mean.len(), std.len()),
            "The numbers of ImageNet are for RGB; `Rgb` makes grey images RGB.",
        ));
    }
    let right =
        mean.iter().all(|mean| mean.is_finite()) && std.iter().all(|std| std.is_finite() && *std > 0.0);
    if right {
        return Ok(());
    }
    Err(refused(
        op,
        "finite means and deviations above 0",
        format!("means {mean:?}, deviations {std:?}"),
        "They are fractions: divide those of bytes by 255.",
    ))
}
