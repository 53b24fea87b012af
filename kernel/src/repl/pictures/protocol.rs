//! The ways in which terminals take pictures.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use icy_sixel::SixelImage;

use super::PictureError;
use super::raster::Raster;

/// How a terminal takes pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Kitty's graphics protocol: <https://sw.kovidgoyal.net/kitty/graphics-protocol/>
    Kitty,
    /// iTerm2's inline images: <https://iterm2.com/documentation-images.html>
    Iterm,
    /// Sixels, of the terminal VT340.
    Sixel,
}

/// Kitty takes data in pieces of so many bytes.
const PIECE: usize = 4096;

impl Protocol {
    /// What to write so that a picture stands at the cursor, which must be in the first column. The cursor ends in the
    /// first column of the row below it.
    pub fn write(self, raster: &Raster, number: u32) -> Result<String, PictureError> {
        let picture = match self {
            Protocol::Kitty => kitty(raster, number)?,
            Protocol::Iterm => iterm(raster)?,
            Protocol::Sixel => sixel(raster)?,
        };
        // Terminals do not agree on where a picture leaves the cursor, and on whether it scrolls. So the rows are made
        // first, and the cursor goes back to where it was before it goes on.
        let rows = raster.rows;
        Ok(format!("{}\u{1b}[{rows}A\u{1b}7{picture}\u{1b}8\u{1b}[{rows}B\r", "\n".repeat(rows as usize)))
    }

    /// What takes a picture away; nothing where text that is written over it does.
    pub fn removal(self, number: u32) -> String {
        match self {
            Protocol::Kitty => format!("\u{1b}_Ga=d,d=I,i={number},q=2\u{1b}\\"),
            Protocol::Iterm | Protocol::Sixel => String::new(),
        }
    }
}

fn kitty(raster: &Raster, number: u32) -> Result<String, PictureError> {
    let encoded = png(raster)?;
    let Raster { columns, rows, .. } = raster;
    let mut sequence = String::with_capacity(encoded.len() + encoded.len() / 100 + 100);
    let mut start = 0;
    while start < encoded.len() {
        let end = encoded.len().min(start + PIECE);
        let more = u8::from(end < encoded.len());
        sequence.push_str("\u{1b}_G");
        if start == 0 {
            // a=T: show at once. f=100: PNG. C=1: leave the cursor. q=2: no answer, nobody reads it.
            sequence.push_str(&format!("a=T,f=100,i={number},c={columns},r={rows},C=1,q=2,"));
        }
        sequence.push_str(&format!("m={more};{}\u{1b}\\", &encoded[start..end]));
        start = end;
    }
    Ok(sequence)
}

fn iterm(raster: &Raster) -> Result<String, PictureError> {
    let Raster { columns, rows, .. } = raster;
    Ok(format!(
        "\u{1b}]1337;File=inline=1;width={columns};height={rows};preserveAspectRatio=0:{}\u{7}",
        png(raster)?
    ))
}

fn sixel(raster: &Raster) -> Result<String, PictureError> {
    let (width, height) = (raster.pixels.width() as usize, raster.pixels.height() as usize);
    SixelImage::try_from_rgba(raster.pixels.clone().take_demultiplied(), width, height)
        .and_then(|image| image.encode())
        .map_err(PictureError::new)
}

fn png(raster: &Raster) -> Result<String, PictureError> {
    raster.pixels.encode_png().map(|png| STANDARD.encode(png)).map_err(PictureError::new)
}
