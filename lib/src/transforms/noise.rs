//! Noise, and what compression leaves of an image.

use image::ImageReader;
use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageFormat};

use super::refused::unfit;
use super::span::Span;
use super::tone::{byte, colours, fraction};
use crate::data::{Image, Pixels, PixelsMut, Sample, Transform};
use crate::{Error, Result, Rng};

/// Adds normal noise to every colour; the result is cut off at black and white, except that of images whose
/// numbers were outside before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GaussianNoise {
    /// The noise's mean, a fraction.
    pub mean: f64,
    /// The noise's standard deviation, a fraction; 0.1 is 25 of 255.
    pub sigma: f64,
}

impl Default for GaussianNoise {
    /// Mean 0, standard deviation 0.1.
    fn default() -> GaussianNoise {
        GaussianNoise { mean: 0.0, sigma: 0.1 }
    }
}

impl Transform for GaussianNoise {
    fn apply(&self, mut sample: Sample, rng: &mut Rng) -> Result<Sample> {
        const OP: &str = "GaussianNoise";
        Span::from(self.mean).check(OP, "mean", Span { low: -1e3, high: 1e3 })?;
        Span::from(self.sigma).check(OP, "sigma", Span { low: 0.0, high: 1e3 })?;
        let channels = sample.image.channels();
        let colours = colours(channels);
        let mut noise = || (self.mean + self.sigma * rng.normal()) as f32;
        match sample.image.pixels_mut() {
            PixelsMut::U8(values) => {
                for pixel in values.chunks_exact_mut(channels) {
                    for value in &mut pixel[..colours] {
                        *value = byte(fraction(*value) + noise());
                    }
                }
            }
            PixelsMut::F32(values) => {
                for pixel in values.chunks_exact_mut(channels) {
                    for value in &mut pixel[..colours] {
                        let noisy = *value + noise();
                        *value = if (0.0..=1.0).contains(value) { noisy.clamp(0.0, 1.0) } else { noisy };
                    }
                }
            }
        }
        Ok(sample)
    }
}

/// Leaves of an image what JPEG leaves: it is written and read again at a quality of 5 to 50 of 100 unless
/// told. Fractions become bytes on the way and are fractions again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Jpeg {
    quality: Span,
}

impl Default for Jpeg {
    fn default() -> Jpeg {
        Jpeg::new(5.0..=50.0)
    }
}

impl Jpeg {
    /// Of this quality, 1 to 100, or of one that is drawn from a range for each image.
    #[must_use]
    pub fn new(quality: impl Into<Span>) -> Jpeg {
        Jpeg { quality: quality.into() }
    }
}

impl Transform for Jpeg {
    fn apply(&self, sample: Sample, rng: &mut Rng) -> Result<Sample> {
        const OP: &str = "Jpeg";
        self.quality.check(OP, "quality", Span { low: 1.0, high: 100.0 })?;
        let quality = self.quality.draw(rng).round() as u8;
        let shape = sample.image.shape();
        let [height, width, channels] = shape;
        let kind = match channels {
            1 => ExtendedColorType::L8,
            3 => ExtendedColorType::Rgb8,
            _ => {
                return Err(unfit(
                    OP,
                    "a grey or RGB image",
                    format!("one of {channels} channels"),
                    "JPEG has no alpha; `Rgb` takes it away.",
                ));
            }
        };
        let [Ok(wide), Ok(high)] = [width, height].map(u16::try_from) else {
            let hint = "JPEG counts no further.";
            return Err(unfit(OP, "at most 65535 pixels a side", format!("{height} x {width}"), hint));
        };
        let failed = |error: image::ImageError| Error::Drawing {
            what: "an image as JPEG",
            message: format!("sample {:?}: {error}", sample.id),
        };
        let (bytes, were_fractions) = match sample.image.pixels() {
            Pixels::U8(values) => (values.clone(), false),
            Pixels::F32(values) => (values.iter().map(|&value| byte(value)).collect(), true),
        };
        let mut file = Vec::new();
        JpegEncoder::new_with_quality(&mut file, quality)
            .encode(&bytes, u32::from(wide), u32::from(high), kind)
            .map_err(failed)?;
        let read = ImageReader::with_format(std::io::Cursor::new(file), ImageFormat::Jpeg)
            .decode()
            .map_err(failed)?;
        let bytes = if channels == 1 { read.into_luma8().into_raw() } else { read.into_rgb8().into_raw() };
        let pixels = if were_fractions {
            Pixels::F32(bytes.into_iter().map(fraction).collect())
        } else {
            Pixels::U8(bytes)
        };
        Ok(Sample { image: Image::new(shape, pixels)?, ..sample })
    }
}
