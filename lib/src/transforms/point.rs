//! Changes of single colours: grey, gamma, posterize, solarize, equalize, autocontrast, invert.

use super::adjust::grey_or_rgb;
use super::levels;
use super::refused::refused;
use super::span::{POSITIVE, Span};
use super::tone::change;
use super::value::on_pixels;
use crate::data::{Image, Pixels, Sample, Transform, grey_byte, grey_fraction};
use crate::{Result, Rng};

/// Makes images grey, by ITU-R BT.601's shares of red, green and blue. An alpha channel goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grayscale {
    /// Channels of the result: 1, or 3 that are all the same.
    pub channels: usize,
}

impl Default for Grayscale {
    /// One channel.
    fn default() -> Grayscale {
        Grayscale { channels: 1 }
    }
}

impl Transform for Grayscale {
    fn apply(&self, sample: Sample, _: &mut Rng) -> Result<Sample> {
        const OP: &str = "Grayscale";
        if !matches!(self.channels, 1 | 3) {
            let hint = "3 keeps the input of an RGB model.";
            return Err(refused(OP, "1 or 3 channels", self.channels.to_string(), hint));
        }
        let image = &sample.image;
        let [height, width, channels] = image.shape();
        let shape = [height, width, self.channels];
        let colours = grey_or_rgb(OP, image)?;
        let image = match image.pixels() {
            Pixels::U8(values) => {
                let grey = greys(values, channels, colours, grey_byte);
                Image::new(shape, Pixels::U8(repeated(grey, self.channels)))
            }
            Pixels::F32(values) => {
                let grey = greys(values, channels, colours, grey_fraction);
                Image::new(shape, Pixels::F32(repeated(grey, self.channels)))
            }
        }?;
        Ok(Sample { image, ..sample })
    }

    fn is_random(&self) -> bool {
        false
    }
}

/// The grey of each pixel; of a grey image its first number.
fn greys<T: Copy>(values: &[T], channels: usize, colours: usize, of: impl Fn([T; 3]) -> T) -> Vec<T> {
    let pixels = values.chunks_exact(channels);
    match colours {
        3 => pixels.filter_map(|pixel| pixel.first_chunk::<3>().map(|rgb| of(*rgb))).collect(),
        _ => pixels.filter_map(|pixel| pixel.first().copied()).collect(),
    }
}

fn repeated<T: Copy>(greys: Vec<T>, channels: usize) -> Vec<T> {
    match channels {
        1 => greys,
        _ => greys.into_iter().flat_map(|grey| std::iter::repeat_n(grey, channels)).collect(),
    }
}

/// Makes images RGB: grey in all three channels, and without alpha.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rgb;

impl Transform for Rgb {
    fn apply(&self, sample: Sample, _: &mut Rng) -> Result<Sample> {
        let [height, width, channels] = sample.image.shape();
        if channels == 3 {
            return Ok(sample);
        }
        let colours = grey_or_rgb("Rgb", &sample.image)?;
        let image = on_pixels!(sample.image, [height, width, 3], |values| {
            let pixels = values.chunks_exact(channels);
            pixels.flat_map(|pixel| pixel[..colours].iter().copied().cycle().take(3)).collect()
        })?;
        Ok(Sample { image, ..sample })
    }

    fn is_random(&self) -> bool {
        false
    }
}

/// Changes brightness by a power of it: below 1 lightens shadows, above 1 darkens them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gamma {
    gamma: Span,
}

impl Gamma {
    /// To this power, or to one that is drawn from a range for each image.
    #[must_use]
    pub fn new(gamma: impl Into<Span>) -> Gamma {
        Gamma { gamma: gamma.into() }
    }
}

impl Transform for Gamma {
    fn apply(&self, mut sample: Sample, rng: &mut Rng) -> Result<Sample> {
        self.gamma.check("Gamma", "gamma", POSITIVE)?;
        let gamma = self.gamma.draw(rng);
        change(
            &mut sample.image,
            // PIL-backed torchvision reaches a little beyond 255 and cuts to whole numbers.
            |byte| ((256.0 - 1e-3) * (f64::from(byte) / 255.0).powf(gamma)) as u8,
            |value| value.max(0.0).powf(gamma as f32).min(1.0),
        );
        Ok(sample)
    }
}

/// Keeps only the highest bits of each byte. Fractions are rounded to bytes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Posterize {
    bits: u32,
}

impl Posterize {
    /// Keeps so many bits, 0 to 8.
    #[must_use]
    pub fn new(bits: u32) -> Posterize {
        Posterize { bits }
    }
}

impl Transform for Posterize {
    fn apply(&self, mut sample: Sample, _: &mut Rng) -> Result<Sample> {
        if self.bits > 8 {
            let hint = "8 bits leave an image as it is.";
            return Err(refused("Posterize", "0 to 8 bits", self.bits.to_string(), hint));
        }
        levels::posterize(&mut sample.image, self.bits);
        Ok(sample)
    }
}

/// Inverts the colours that are at least as bright as a threshold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Solarize {
    threshold: f32,
}

impl Solarize {
    /// From this brightness on, a fraction: 0.5 inverts bytes from 128 on.
    #[must_use]
    pub fn new(threshold: f32) -> Solarize {
        Solarize { threshold }
    }
}

impl Transform for Solarize {
    fn apply(&self, mut sample: Sample, _: &mut Rng) -> Result<Sample> {
        if !(0.0..=1.0).contains(&self.threshold) {
            return Err(refused(
                "Solarize",
                "a threshold from 0 to 1",
                self.threshold.to_string(),
                "It is a fraction, for bytes too: 128 of 255 is 0.5.",
            ));
        }
        levels::solarize(&mut sample.image, self.threshold);
        Ok(sample)
    }
}

/// Spreads the values of each channel so that all are about as frequent, as PIL's `ImageOps.equalize`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Equalize;

impl Transform for Equalize {
    fn apply(&self, mut sample: Sample, _: &mut Rng) -> Result<Sample> {
        levels::equalize(&mut sample.image);
        Ok(sample)
    }
}

/// Stretches each channel from black to white, as PIL's `ImageOps.autocontrast`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AutoContrast;

impl Transform for AutoContrast {
    fn apply(&self, mut sample: Sample, _: &mut Rng) -> Result<Sample> {
        levels::autocontrast(&mut sample.image);
        Ok(sample)
    }
}

/// Black becomes white.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Invert;

impl Transform for Invert {
    fn apply(&self, mut sample: Sample, _: &mut Rng) -> Result<Sample> {
        levels::invert(&mut sample.image);
        Ok(sample)
    }
}
