//! Pictures in terminals that can show them.
//!
//! `find` picks the pictures out of what a cell shows, `raster` draws them to fill whole character cells, and
//! `protocol` writes them in the terminal's way. `detect` finds out which way that is.

mod detect;
mod find;
mod protocol;
mod raster;

use sconce_display::Bundle;

pub use detect::{Detected, Images, detect};
pub use protocol::Protocol;

use super::screen::Size;
use find::{Found, find};
use raster::Rasterizer;

/// The size of a character, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CellSize {
    /// Its width.
    pub width: u32,
    /// Its height.
    pub height: u32,
}

/// Draws pictures for one terminal.
pub struct Pictures {
    protocol: Protocol,
    cell: CellSize,
    rasterizer: Rasterizer,
    /// Pictures so far: kitty tells them apart by number.
    count: u32,
}

/// What to write to show the pictures of something.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Drawn {
    /// Text and escape sequences; the cursor ends in the first column of the row below.
    pub content: String,
    /// What takes the pictures away again, where writing over them does not.
    pub removal: String,
}

impl Pictures {
    /// Pictures for a terminal that understands `protocol` and has characters of this size.
    pub fn new(protocol: Protocol, cell: CellSize) -> Pictures {
        Pictures { protocol, cell, rasterizer: Rasterizer::default(), count: 0 }
    }

    /// Draws the pictures of a bundle on a terminal of this size; nothing if there are none. A picture that cannot be
    /// drawn is named in its place.
    pub fn draw(&mut self, bundle: &Bundle, size: Size) -> Option<Drawn> {
        let Found { text, pictures } = find(bundle)?;
        let mut drawn = Drawn { content: text.unwrap_or_default().to_owned(), removal: String::new() };
        if !drawn.content.is_empty() && !drawn.content.ends_with('\n') {
            drawn.content.push('\n');
        }
        for picture in &pictures {
            self.count += 1;
            let placed = self
                .rasterizer
                .fit(picture, self.cell, size)
                .and_then(|raster| self.protocol.write(&raster, self.number()));
            match placed {
                Ok(sequence) => {
                    drawn.content.push_str(&sequence);
                    drawn.removal.push_str(&self.protocol.removal(self.number()));
                }
                Err(error) => drawn.content.push_str(&format!("[a picture could not be drawn: {error}]\n")),
            }
        }
        if let Some(warning) = self.rasterizer.take_warning() {
            drawn.content.push_str(&format!("[{warning}]\n"));
        }
        Some(drawn)
    }

    /// A number that no picture of another program in this terminal is likely to have.
    fn number(&self) -> u32 {
        (std::process::id() << 12).wrapping_add(self.count).max(1)
    }
}

/// Why a picture could not be drawn.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PictureError(String);

impl PictureError {
    fn new(error: impl std::fmt::Display) -> PictureError {
        PictureError(error.to_string())
    }
}

#[cfg(test)]
mod tests;
