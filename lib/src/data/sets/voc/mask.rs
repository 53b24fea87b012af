//! PASCAL VOC's masks: PNG files whose pixels are places in a palette.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use png::{BitDepth, ColorType, Decoder, Limits, Transformations};

use crate::{Error, Result};

/// `[height, width]` and one number a pixel: its place in the palette, not its colour.
///
/// # Errors
/// When the file is no such PNG of `size` `[height, width]`, or of more than `max_pixels`.
pub(super) fn read(path: &Path, size: [usize; 2], max_pixels: u64) -> Result<Vec<u8>> {
    let wrong = |expected: &str, got: String| Error::Format {
        path: path.to_owned(),
        expected: expected.into(),
        got,
        hint: "The masks of VOC are PNG files with a palette; an editor may have made colours of it.".into(),
    };
    let file = File::open(path).map_err(|source| Error::Io { op: "read", path: path.to_owned(), source })?;
    let mut decoder = Decoder::new_with_limits(BufReader::new(file), Limits { bytes: 256 << 20 });
    decoder.set_transformations(Transformations::IDENTITY);
    let damaged = |error: png::DecodingError| wrong("a whole PNG", error.to_string());
    let mut reader = decoder.read_info().map_err(damaged)?;
    let info = reader.info();
    let [height, width] = size;
    if [info.height as usize, info.width as usize] != size {
        let got = format!("{} x {}", info.height, info.width);
        return Err(wrong(&format!("a mask of {height} x {width} pixels, as its image has"), got));
    }
    if (height as u64).saturating_mul(width as u64) > max_pixels {
        let got = format!("{height} x {width} pixels");
        return Err(wrong(&format!("a mask of at most {max_pixels} pixels, as `DecodeConfig` says"), got));
    }
    if !matches!(info.color_type, ColorType::Indexed | ColorType::Grayscale)
        || info.bit_depth == BitDepth::Sixteen
    {
        return Err(wrong(
            "one number a pixel",
            format!("{:?} of {:?} bits", info.color_type, info.bit_depth),
        ));
    }
    let bits = info.bit_depth as usize;
    let row = reader.output_line_size(width as u32).ok_or_else(|| wrong("a whole PNG", "none".into()))?;
    let mut bytes = vec![0; row * height];
    reader.next_frame(&mut bytes).map_err(damaged)?;
    if bits == 8 {
        return Ok(bytes);
    }
    // Several pixels a byte, the first in the highest bits.
    let each = 8 / bits;
    let pixel = |row: &[u8], x: usize| row[x / each] >> (8 - bits - x % each * bits) & ((1 << bits) - 1);
    Ok(bytes.chunks_exact(row).flat_map(|row| (0..width).map(move |x| pixel(row, x))).collect())
}
