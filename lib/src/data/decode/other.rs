//! Every format but JPEG, by the decoders of the crate `image`.

use std::borrow::Cow;
use std::io::Cursor;

use ::image::metadata::Orientation;
use ::image::{ColorType, ImageDecoder, ImageFormat, ImageReader, Limits};

use super::error::{self, Bad, of_image};
use super::palette::{self, Palette};
use super::{DecodeConfig, allowed, orientation_of};
use crate::data::image::{Image, Pixels};

fn decoder<'a>(
    bytes: &'a [u8],
    format: ImageFormat,
    config: DecodeConfig,
) -> Result<impl ImageDecoder + 'a, Bad> {
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::no_limits();
    // What a decoder needs beside the image it gives.
    limits.max_alloc = Some(config.max_bytes.saturating_mul(2));
    reader.limits(limits);
    reader.into_decoder().map_err(|error| of_image(&error))
}

/// `[height, width]` as stored, and how it is to be turned.
pub(super) fn size(
    bytes: &[u8],
    format: ImageFormat,
    config: DecodeConfig,
) -> Result<([usize; 2], Orientation), Bad> {
    let (bytes, _) = without_palette(bytes, format)?;
    let mut decoder = decoder(&bytes, format, config)?;
    let (width, height) = decoder.dimensions();
    let orientation = orientation(&mut decoder, &bytes, format)?;
    Ok(([height as usize, width as usize], orientation))
}

/// The file as the decoder reads it: one whose pixels are places in a palette without it.
fn without_palette(bytes: &[u8], format: ImageFormat) -> Result<(Cow<'_, [u8]>, Option<Palette>), Bad> {
    let apart = if format == ImageFormat::Tiff { palette::taken_apart(bytes)? } else { None };
    Ok(match apart {
        Some((grey, palette)) => (Cow::Owned(grey), Some(palette)),
        None => (Cow::Borrowed(bytes), None),
    })
}

fn orientation(
    decoder: &mut impl ImageDecoder,
    bytes: &[u8],
    format: ImageFormat,
) -> Result<Orientation, Bad> {
    // EXIF data are a TIFF, so that a TIFF keeps the turn where they do.
    if format == ImageFormat::Tiff {
        return Ok(orientation_of(Some(bytes)));
    }
    decoder.orientation().map_err(|error| of_image(&error))
}

pub(super) fn decode(
    bytes: &[u8],
    format: ImageFormat,
    config: DecodeConfig,
) -> Result<(Image, Orientation), Bad> {
    let (bytes, palette) = without_palette(bytes, format)?;
    let mut decoder = decoder(&bytes, format, config)?;
    let (width, height) = decoder.dimensions();
    let size = [height as usize, width as usize];
    let color = decoder.color_type();
    let channels = usize::from(color.channel_count());
    let bytes_a_channel = match color {
        ColorType::L8 | ColorType::La8 | ColorType::Rgb8 | ColorType::Rgba8 => 1,
        _ => 4,
    };
    let channels = if palette.is_some() { 3 } else { channels };
    allowed(size, channels * bytes_a_channel, config)?;
    let orientation = orientation(&mut decoder, &bytes, format)?;
    let count = usize::try_from(decoder.total_bytes()).map_err(|error| error::damaged(error.to_string()))?;
    let mut raw = vec![0; count];
    decoder.read_image(&mut raw).map_err(|error| of_image(&error))?;
    let pixels = match color {
        ColorType::L8 | ColorType::La8 | ColorType::Rgb8 | ColorType::Rgba8 => Pixels::U8(raw),
        ColorType::L16 | ColorType::La16 | ColorType::Rgb16 | ColorType::Rgba16 => {
            let values = raw.as_chunks().0.iter().map(|&pair| f32::from(u16::from_ne_bytes(pair)) / 65535.0);
            Pixels::F32(values.collect())
        }
        ColorType::Rgb32F | ColorType::Rgba32F => {
            Pixels::F32(raw.as_chunks().0.iter().map(|&four| f32::from_ne_bytes(four)).collect())
        }
        other => return Err(error::unsupported(format!("pixels of the kind {other:?}"))),
    };
    let (channels, pixels) = match pixels {
        // The format has no alpha but one transparent colour, and the decoder always gives four channels.
        Pixels::U8(values) if format == ImageFormat::Gif => without_unused_alpha(channels, values),
        Pixels::U8(values) => match &palette {
            Some(palette) => (channels, Pixels::U8(palette.colored(&values))),
            None => (channels, Pixels::U8(values)),
        },
        pixels => (channels, pixels),
    };
    let [height, width] = size;
    let image =
        Image::new([height, width, channels], pixels).map_err(|error| error::damaged(error.to_string()))?;
    Ok((image, orientation))
}

/// RGB where every pixel is opaque.
fn without_unused_alpha(channels: usize, values: Vec<u8>) -> (usize, Pixels) {
    let (pixels, _) = values.as_chunks::<4>();
    if channels != 4 || pixels.iter().any(|&[_, _, _, alpha]| alpha != 255) {
        return (channels, Pixels::U8(values));
    }
    (3, Pixels::U8(pixels.iter().flat_map(|&[red, green, blue, _]| [red, green, blue]).collect()))
}
