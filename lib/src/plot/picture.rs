//! Pixels in memory.

use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use image::{ExtendedColorType, ImageEncoder};
use sconce_display::Bundle;

use super::color::NOT_FINITE;
use super::save::save;
use super::svg::Svg;
use crate::rich::Rich;
use crate::{Error, Result};

/// The longer side of a picture that is shown, the next less where its file gets too large.
const SHOWN: [usize; 4] = [640, 480, 360, 240];
/// The bytes of a shown picture's file. It stands in the output twice, once within HTML.
const SHOWN_BYTES: usize = 250_000;

/// Which values become black and which white. What lies outside is cut off.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ValueRange {
    /// 0 is black, 1 is white.
    Unit,
    /// The least finite value is black, the greatest white. Where all are the same, they are black.
    Data,
    /// These two values.
    Between {
        /// Becomes black.
        black: f32,
        /// Becomes white.
        white: f32,
    },
}

/// Grey or RGB pixels, 8 bits a channel, row by row from the top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    height: usize,
    width: usize,
    /// 1 or 3.
    channels: usize,
    pixels: Vec<u8>,
}

impl Picture {
    /// Grey pixels of a picture of `[height, width]`.
    ///
    /// # Errors
    /// When a side is 0 or the number of pixels is another than height × width.
    pub fn grey(size: [usize; 2], pixels: Vec<u8>) -> Result<Picture> {
        Picture::new(size, 1, pixels)
    }

    /// RGB pixels of a picture of `[height, width]`, three bytes a pixel.
    ///
    /// # Errors
    /// When a side is 0 or the number of bytes is another than height × width × 3.
    pub fn rgb(size: [usize; 2], pixels: Vec<u8>) -> Result<Picture> {
        Picture::new(size, 3, pixels)
    }

    fn new(size: [usize; 2], channels: usize, pixels: Vec<u8>) -> Result<Picture> {
        let [height, width] = size;
        check_area("Picture", size)?;
        let wanted = height.saturating_mul(width).saturating_mul(channels);
        if pixels.len() != wanted {
            return Err(Error::Argument {
                op: "Picture".into(),
                expected: format!("{wanted} bytes for {height} x {width} pixels of {channels}"),
                got: format!("{} bytes", pixels.len()),
                hint: "The size is [height, width], the pixels lie row by row.".into(),
            });
        }
        Ok(Picture { height, width, channels, pixels })
    }

    /// A picture from values of `[channels, height, width]`, channel by channel as a tensor holds them;
    /// 1 channel is grey, 3 are RGB. Values that are not finite become red pixels.
    ///
    /// # Errors
    /// When there are not 1 or 3 channels, a side is 0, or the number of values does not fit.
    pub fn from_values(shape: [usize; 3], values: &[f32], range: ValueRange) -> Result<Picture> {
        let [channels, height, width] = shape;
        check_area("Picture::from_values", [height, width])?;
        if !matches!(channels, 1 | 3) {
            return Err(Error::Shape {
                op: "Picture::from_values".into(),
                expected: "1 channel (grey) or 3 (RGB)".into(),
                got: format!("{channels} channels"),
                hint: "Show other numbers of channels one by one, in an ImageGrid.".into(),
            });
        }
        let area = height.saturating_mul(width);
        if values.len() != area.saturating_mul(channels) {
            return Err(Error::Shape {
                op: "Picture::from_values".into(),
                expected: format!("{channels} x {height} x {width} values"),
                got: format!("{} values", values.len()),
                hint: "The shape is [channels, height, width].".into(),
            });
        }
        let (black, white) = range.bounds(values);
        let level = |value: f32| {
            let (black, white, value) = (f64::from(black), f64::from(white), f64::from(value));
            // A range of one value: that value and less is black, more is white.
            if white == black {
                return if value > white { 255 } else { 0 };
            }
            // To the nearest: `as` cuts off, where `round` would be a call for every value.
            (((value - black) / (white - black) * 255.0).clamp(0.0, 255.0) + 0.5) as u8
        };
        if channels == 1 && values.iter().all(|value| value.is_finite()) {
            return Picture::grey([height, width], values.iter().map(|&value| level(value)).collect());
        }
        let plane = |channel: usize| if channels == 1 { 0 } else { channel * area };
        let mut pixels = Vec::with_capacity(area * 3);
        for at in 0..area {
            let rgb = [0, 1, 2].map(|channel| values[plane(channel) + at]);
            let finite = rgb.iter().all(|value| value.is_finite());
            pixels.extend(if finite { rgb.map(level) } else { NOT_FINITE });
        }
        Picture::rgb([height, width], pixels)
    }

    /// `[height, width]`, in pixels.
    #[must_use]
    pub fn size(&self) -> [usize; 2] {
        [self.height, self.width]
    }

    /// The bytes, row by row: one a pixel where [`Picture::is_grey`], else three.
    #[must_use]
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// Whether a pixel is one byte of grey rather than three of RGB.
    #[must_use]
    pub fn is_grey(&self) -> bool {
        self.channels == 1
    }

    /// The colour of the pixel in row `at[0]`, column `at[1]`; white outside the picture.
    pub(super) fn pixel(&self, [row, column]: [usize; 2]) -> [u8; 3] {
        if row >= self.height || column >= self.width {
            return [255; 3];
        }
        let at = (row * self.width + column) * self.channels;
        if self.channels == 1 { [self.pixels[at]; 3] } else { [0, 1, 2].map(|c| self.pixels[at + c]) }
    }

    /// Writes a row of pixels as grey or RGB bytes, whichever `to` has room for. A grey picture becomes either; an RGB
    /// picture only RGB.
    pub(super) fn copy_row(&self, row: usize, to: &mut [u8]) {
        let from = &self.pixels[row * self.width * self.channels..][..self.width * self.channels];
        if to.len() == from.len() {
            to.copy_from_slice(from);
        } else {
            to.chunks_exact_mut(3).zip(from).for_each(|(to, &grey)| to.fill(grey));
        }
    }

    /// Every pixel as a square of `factor` × `factor` pixels. A factor of 0 is taken as 1.
    #[must_use]
    pub fn enlarged(&self, factor: usize) -> Picture {
        if factor <= 1 {
            return self.clone();
        }
        let mut pixels = Vec::with_capacity(self.pixels.len() * factor * factor);
        let mut wide = Vec::with_capacity(self.width * self.channels * factor);
        for row in self.pixels.chunks_exact(self.width * self.channels) {
            wide.clear();
            for pixel in row.chunks_exact(self.channels) {
                for _ in 0..factor {
                    wide.extend_from_slice(pixel);
                }
            }
            for _ in 0..factor {
                pixels.extend_from_slice(&wide);
            }
        }
        Picture { height: self.height * factor, width: self.width * factor, channels: self.channels, pixels }
    }

    /// The picture with its longer side at most `side` pixels, each the mean of those it stands for.
    #[must_use]
    pub fn reduced(&self, side: usize) -> Picture {
        let longer = self.height.max(self.width);
        if longer <= side.max(1) {
            return self.clone();
        }
        let shrink =
            |length: usize| ((length * side.max(1)) as f64 / longer as f64).round().max(1.0) as usize;
        let (height, width) = (shrink(self.height), shrink(self.width));
        let mut pixels = Vec::with_capacity(height * width * self.channels);
        let columns: Vec<_> =
            (0..width).map(|column| column * self.width / width..(column + 1) * self.width / width).collect();
        let mut sums = vec![0_u64; width * self.channels];
        for row in 0..height {
            let rows = row * self.height / height..(row + 1) * self.height / height;
            sums.fill(0);
            for line in self.pixels.chunks_exact(self.width * self.channels).take(rows.end).skip(rows.start) {
                for (columns, sums) in columns.iter().zip(sums.chunks_exact_mut(self.channels)) {
                    let area = &line[columns.start * self.channels..columns.end * self.channels];
                    for pixel in area.chunks_exact(self.channels) {
                        sums.iter_mut().zip(pixel).for_each(|(sum, &value)| *sum += u64::from(value));
                    }
                }
            }
            for (columns, sums) in columns.iter().zip(sums.chunks_exact(self.channels)) {
                let area = (rows.len() * columns.len()) as u64;
                pixels.extend(sums.iter().map(|sum| ((sum + area / 2) / area) as u8));
            }
        }
        Picture { height, width, channels: self.channels, pixels }
    }

    /// The picture enlarged by a whole factor, so that a small one can be looked at.
    #[must_use]
    pub fn visible(&self) -> Picture {
        self.enlarged(visible_factor(self.height.max(self.width)))
    }

    /// The picture as a PNG file.
    ///
    /// # Errors
    /// When the encoder refuses, as for more than 2³² pixels a side.
    pub fn png(&self) -> Result<Vec<u8>> {
        let drawing = |message: String| Error::Drawing { what: "a PNG", message };
        let side = |length: usize| u32::try_from(length).map_err(|error| drawing(error.to_string()));
        let color = if self.channels == 1 { ExtendedColorType::L8 } else { ExtendedColorType::Rgb8 };
        let mut png = Vec::new();
        image::codecs::png::PngEncoder::new(&mut png)
            .write_image(&self.pixels, side(self.width)?, side(self.height)?, color)
            .map_err(|error| drawing(error.to_string()))?;
        Ok(png)
    }

    /// The picture as a `data:` URI, to stand in HTML or SVG.
    ///
    /// # Errors
    /// As [`Picture::png`].
    pub fn data_uri(&self) -> Result<String> {
        Ok(format!("data:image/png;base64,{}", BASE64_STANDARD.encode(self.png()?)))
    }

    /// The picture as an SVG of its visible size.
    ///
    /// # Errors
    /// As [`Picture::png`].
    pub fn svg(&self) -> Result<String> {
        let factor = visible_factor(self.height.max(self.width));
        let size = [(self.width * factor) as f64, (self.height * factor) as f64];
        let mut svg = Svg::new(size, &self.text());
        svg.picture([0.0, 0.0], size, self)?;
        Ok(svg.finish())
    }

    /// What the picture is, in a line.
    #[must_use]
    pub fn text(&self) -> String {
        let kind = if self.channels == 1 { "grey" } else { "RGB" };
        format!("picture of {} x {} pixels (height x width), {kind}", self.height, self.width)
    }

    /// Writes the picture to a file that ends with `.png` (its own pixels) or `.svg`.
    ///
    /// # Errors
    /// For another ending, or when the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        save(path.as_ref(), "a picture", || self.svg(), Some(&|| self.png()))
    }
}

impl Rich for Picture {
    fn rich(&self) -> Bundle {
        // A photo's PNG is large: the largest of these whose file is small enough, or the smallest.
        let mut shown = None;
        for side in SHOWN {
            let picture = self.reduced(side).visible();
            match picture.png() {
                Ok(png) => shown = Some((picture.size(), png)),
                Err(error) => return Bundle::text(format!("{} ({error})\n", self.text())),
            }
            if shown.as_ref().is_some_and(|(_, png)| png.len() <= SHOWN_BYTES) {
                break;
            }
        }
        let bundle = Bundle::text(format!("{}\n", self.text()));
        let Some(([height, width], png)) = shown else { return bundle };
        let html = format!(
            "<img src=\"data:image/png;base64,{}\" width=\"{width}\" height=\"{height}\" alt=\"{}\" style=\"max-width:100%;height:auto\">",
            BASE64_STANDARD.encode(&png),
            self.text()
        );
        bundle.html(html).png(png)
    }
}

impl ValueRange {
    /// The values that become black and white.
    pub(super) fn bounds(self, values: &[f32]) -> (f32, f32) {
        match self {
            ValueRange::Unit => (0.0, 1.0),
            ValueRange::Between { black, white } => (black, white),
            ValueRange::Data => {
                let finite = || values.iter().copied().filter(|value| value.is_finite());
                let (low, high) =
                    (finite().fold(f32::INFINITY, f32::min), finite().fold(f32::NEG_INFINITY, f32::max));
                if low <= high { (low, high) } else { (0.0, 1.0) }
            }
        }
    }
}

/// The whole factor that brings a picture's longer side to about 192 pixels; 1 for larger ones.
pub(super) fn visible_factor(side: usize) -> usize {
    (192 / side.max(1)).clamp(1, 32)
}

fn check_area(op: &str, [height, width]: [usize; 2]) -> Result<()> {
    if height == 0 || width == 0 {
        return Err(Error::Shape {
            op: op.into(),
            expected: "a height and a width of at least 1".into(),
            got: format!("{height} x {width} pixels"),
            hint: "There is nothing to draw.".into(),
        });
    }
    Ok(())
}
