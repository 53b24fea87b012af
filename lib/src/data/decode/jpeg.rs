//! JPEG, by the decoder that `image` uses too, asked to tell of damage instead of painting over it.

use ::image::metadata::Orientation;
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;

use super::error::{self, Bad};
use super::{DecodeConfig, allowed, orientation_of};
use crate::data::image::{Image, Pixels};

/// The decoder's own words for bytes between two segments, which others skip.
const EXTRA: &str = "Extra bytes between headers";

/// What happens to bytes that belong to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extra {
    Refuse,
    Skip,
}

fn decoder(bytes: &[u8], extra: Extra) -> JpegDecoder<ZCursor<&[u8]>> {
    let options = DecoderOptions::default()
        .set_strict_mode(extra == Extra::Refuse)
        .set_max_width(usize::MAX)
        .set_max_height(usize::MAX)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    JpegDecoder::new_with_options(ZCursor::new(bytes), options)
}

/// `[height, width]` as stored, and how it is to be turned.
pub(super) fn size(bytes: &[u8]) -> Result<([usize; 2], Orientation), Bad> {
    let mut decoder = decoder(bytes, Extra::Skip);
    decoder.decode_headers().map_err(|error| bad(bytes, &error))?;
    let (width, height) = decoder.dimensions().ok_or_else(no_size)?;
    Ok(([height, width], orientation_of(decoder.exif().map(Vec::as_slice))))
}

pub(super) fn decode(bytes: &[u8], config: DecodeConfig) -> Result<(Image, Orientation), Bad> {
    match run(bytes, config, Extra::Refuse) {
        // Bytes between segments harm nothing; the rest of the checks is then the end of the image alone.
        Err(Failure::Decoder(DecodeErrors::FormatStatic(words))) if words.contains(EXTRA) => {
            run(bytes, config, Extra::Skip)
        }
        result => result,
    }
    .map_err(|failure| match failure {
        Failure::Decoder(error) => bad(bytes, &error),
        Failure::Ours(bad) => bad,
    })
}

enum Failure {
    Decoder(DecodeErrors),
    Ours(Bad),
}

fn run(bytes: &[u8], config: DecodeConfig, extra: Extra) -> Result<(Image, Orientation), Failure> {
    let mut decoder = decoder(bytes, extra);
    decoder.decode_headers().map_err(Failure::Decoder)?;
    let (width, height) = decoder.dimensions().ok_or_else(|| Failure::Ours(no_size()))?;
    let grey = decoder.input_colorspace() == Some(ColorSpace::Luma);
    let channels = if grey { 1 } else { 3 };
    let count = allowed([height, width], channels, config).map_err(Failure::Ours)?;
    if !ends(bytes) {
        return Err(Failure::Ours(error::truncated("no end of image (FF D9) after its data".into())));
    }
    let orientation = orientation_of(decoder.exif().map(Vec::as_slice));
    if grey {
        decoder.set_options(decoder.options().jpeg_set_out_colorspace(ColorSpace::Luma));
    }
    let mut pixels = vec![0; count];
    decoder.decode_into(&mut pixels).map_err(Failure::Decoder)?;
    let image = Image::new([height, width, channels], Pixels::U8(pixels))
        .map_err(|error| Failure::Ours(error::damaged(error.to_string())))?;
    Ok((image, orientation))
}

/// Whether an end of image follows the start of its first scan. Thumbnails lie before that.
fn ends(bytes: &[u8]) -> bool {
    let mut at = 2;
    while let Some(&byte) = bytes.get(at) {
        let Some(&marker) = bytes.get(at + 1).filter(|_| byte == 0xff) else {
            at += 1;
            continue;
        };
        match marker {
            0xda => return bytes[at..].windows(2).rev().any(|pair| pair == [0xff, 0xd9]),
            // Fill bytes, and markers that stand alone.
            0xff => at += 1,
            0x00 | 0x01 | 0xd0..=0xd8 => at += 2,
            _ => {
                let Some(&[high, low]) = bytes.get(at + 2..).and_then(|rest| rest.first_chunk()) else {
                    return false;
                };
                at += 2 + usize::from(u16::from_be_bytes([high, low]));
            }
        }
    }
    false
}

fn no_size() -> Bad {
    error::damaged("a JPEG without a size".into())
}

fn bad(bytes: &[u8], error: &DecodeErrors) -> Bad {
    let words = error.to_string();
    match error {
        DecodeErrors::Unsupported(_) => error::unsupported(format!("JPEG. {words}")),
        DecodeErrors::ExhaustedData | DecodeErrors::IoErrors(_) => error::truncated(words),
        _ if !ends(bytes) => error::truncated(words),
        _ => error::damaged(words),
    }
}
