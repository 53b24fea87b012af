//! Images become files.

use std::io::Cursor;
use std::path::Path;

use ::image::codecs::jpeg::JpegEncoder;
use ::image::{ExtendedColorType, ImageFormat, write_buffer_with_format};

use super::image::{Image, Pixels};
use crate::{Error, Result, atomic_file};

/// Of 100. Hardly to be told from the original, at a third of the size of 100.
const JPEG_QUALITY: u8 = 95;

impl Image {
    /// Writes the image to a file of the format that its name ends with: `.png`, `.jpg`, `.webp` (without
    /// loss), `.bmp`, `.gif` or `.tiff`. Bytes are written as they are, fractions as 16 bits a channel, which
    /// PNG and TIFF can hold.
    ///
    /// # Errors
    /// For another ending, for channels or numbers that the format cannot hold, for fractions outside 0 to 1,
    /// and when the file cannot be written. A file that was there before is then unchanged.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let bytes = self.encode(path)?;
        atomic_file::write(path, &bytes)
    }

    fn encode(&self, path: &Path) -> Result<Vec<u8>> {
        let refused = |expected: &str, got: String, hint: &str| Error::Argument {
            op: "Image::save".into(),
            expected: expected.into(),
            got,
            hint: hint.into(),
        };
        let format = ImageFormat::from_path(path).ok().filter(ImageFormat::writing_enabled);
        let Some(format) = format.filter(|format| *format != ImageFormat::Pnm) else {
            return Err(refused(
                "a file name that ends with .png, .jpg, .webp, .bmp, .gif or .tiff",
                path.display().to_string(),
                "PNG keeps everything.",
            ));
        };
        let [height, width, channels] = self.shape();
        let (color, bytes) = match self.pixels() {
            Pixels::U8(values) => {
                use ExtendedColorType::{L8, La8, Rgb8, Rgba8};
                ([L8, La8, Rgb8, Rgba8].get(channels - 1), values.clone())
            }
            Pixels::F32(values) => {
                use ExtendedColorType::{L16, La16, Rgb16, Rgba16};
                if let Some(value) = values.iter().find(|value| !(0.0..=1.0).contains(*value)) {
                    return Err(refused(
                        "fractions from 0 to 1",
                        format!("{value}"),
                        "Undo the normalization, or cut the values off.",
                    ));
                }
                let bytes = values.iter().flat_map(|value| ((value * 65535.0).round() as u16).to_ne_bytes());
                ([L16, La16, Rgb16, Rgba16].get(channels - 1), bytes.collect())
            }
        };
        let Some(&color) = color else {
            return Err(refused(
                "an image of 1 to 4 channels",
                format!("{channels} channels"),
                "Save them as tensors, or as several images.",
            ));
        };
        let side = |length: usize| {
            u32::try_from(length).map_err(|_| {
                refused("sides below 2^32", format!("{height} x {width}"), "Save parts of the image.")
            })
        };
        let (height, width) = (side(height)?, side(width)?);
        let mut file = Cursor::new(Vec::new());
        let written = if format == ImageFormat::Jpeg {
            JpegEncoder::new_with_quality(&mut file, JPEG_QUALITY).encode(&bytes, width, height, color)
        } else {
            write_buffer_with_format(&mut file, &bytes, width, height, color, format)
        };
        written.map_err(|error| {
            refused(
                "an image that the format can hold",
                format!("{channels} channels for {}: {error}", path.display()),
                "PNG holds grey, RGB, alpha and 16 bits; `to_rgb` leaves alpha out.",
            )
        })?;
        Ok(file.into_inner())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_a_format_cannot_hold_is_refused_and_the_old_file_stays() {
        let folder = tempfile::tempdir().unwrap();
        let bytes = |channels| Image::new([2, 2, channels], Pixels::U8(vec![7; 4 * channels])).unwrap();
        let fractions = |value| Image::new([1, 1, 1], Pixels::F32(vec![value])).unwrap();
        for (image, name, complaint) in [
            (bytes(4), "a.jpg", "to_rgb"),
            (bytes(5), "a.png", "5 channels"),
            (bytes(3), "a.xyz", "ends with .png"),
            (bytes(3), "a", "ends with .png"),
            (fractions(1.5), "a.png", "1.5"),
            (fractions(f32::NAN), "a.png", "NaN"),
            (fractions(0.5), "a.jpg", "16 bits"),
        ] {
            let path = folder.path().join(name);
            std::fs::write(&path, "old").unwrap();
            let error = image.save(&path).unwrap_err().to_string();
            assert!(error.contains(complaint), "{error}");
            assert_eq!(std::fs::read(&path).unwrap(), b"old");
        }
        assert!(bytes(3).save(folder.path().join("no/such/a.png")).is_err());
    }
}
