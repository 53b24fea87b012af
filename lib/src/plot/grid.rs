//! Pictures side by side, each with its caption.

use std::fmt::Write as _;
use std::path::Path;

use rayon::prelude::*;
use sconce_display::Bundle;

use super::color::{INK, MUTED};
use super::picture::Picture;
use super::save::save;
use super::svg::{self, Anchor, Svg, TextStyle, fitted, text_width, title_width};
use crate::rich::Rich;
use crate::{Error, Result};

/// More pictures than these are counted, not drawn: nobody looks at more at once.
const MOST: usize = 256;
/// A grid is about this wide where its pictures allow.
const WIDTH: f64 = 720.0;
const GAP: f64 = 8.0;
const MARGIN: f64 = 12.0;
const CAPTION: f64 = 12.0;
const TITLE: f64 = 14.0;

/// Pictures in rows, each with a caption below it. Small ones grow by a whole factor with hard pixel
/// edges, large ones shrink.
///
/// ```
/// use sconce::plot::{ImageGrid, Picture};
///
/// let mut grid = ImageGrid::new().title("two checkers");
/// for caption in ["a", "b"] {
///     grid.push(Picture::grey([2, 2], vec![0, 255, 255, 0])?, caption);
/// }
/// assert!(grid.svg()?.contains("two checkers"));
/// # Ok::<(), sconce::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageGrid {
    title: String,
    note: String,
    columns: Option<usize>,
    items: Vec<(Picture, String)>,
}

impl ImageGrid {
    /// A grid without pictures.
    #[must_use]
    pub fn new() -> ImageGrid {
        ImageGrid::default()
    }

    /// Sets the line above the pictures.
    #[must_use]
    pub fn title(mut self, title: &str) -> ImageGrid {
        title.clone_into(&mut self.title);
        self
    }

    /// Sets a line below the pictures, e.g. what black and white stand for.
    #[must_use]
    pub fn note(mut self, note: &str) -> ImageGrid {
        note.clone_into(&mut self.note);
        self
    }

    /// Sets how many pictures stand in a row; otherwise as many as fit. 0 is taken as 1.
    #[must_use]
    pub fn columns(mut self, columns: usize) -> ImageGrid {
        self.columns = Some(columns.max(1));
        self
    }

    /// Adds a picture with its caption, which may be empty.
    pub fn push(&mut self, picture: Picture, caption: &str) {
        self.items.push((picture, caption.to_owned()));
    }

    /// The number of pictures.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is no picture.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    fn layout(&self) -> Layout {
        let shown = &self.items[..self.items.len().min(MOST)];
        let longest = shown.iter().flat_map(|(picture, _)| picture.size()).max().unwrap_or(1);
        // The fewer the pictures, the larger they may be.
        let (small, large) = match shown.len() {
            0 | 1 => (192, 448),
            2..=4 => (128, 224),
            5..=24 => (72, 128),
            // Eight in a row; more of each would make an output of megabytes.
            _ => (72, 80),
        };
        let scale = if longest <= small {
            (small / longest) as f64
        } else {
            // One scale for all, so that their sizes can be compared.
            (large as f64 / longest as f64).min(1.0)
        };
        let mut cell = [0.0_f64; 2];
        for (picture, caption) in shown {
            let [height, width] = picture.size().map(|side| (side as f64 * scale).round().max(1.0));
            cell =
                [cell[0].max(width).max(text_width(caption, CAPTION).min(120.0).ceil()), cell[1].max(height)];
        }
        let fitting = (((WIDTH + GAP) / (cell[0] + GAP)).floor() as usize).max(1);
        let balanced = shown.len().div_ceil(shown.len().div_ceil(fitting).max(1));
        let columns = self.columns.unwrap_or(balanced).clamp(1, shown.len().max(1));
        let captioned = shown.iter().any(|(_, caption)| !caption.is_empty());
        Layout { scale, cell, columns, rows: shown.len().div_ceil(columns), captioned }
    }

    /// What stands below the pictures.
    fn footer(&self) -> String {
        let more = match self.items.len().saturating_sub(MOST) {
            0 if self.items.is_empty() => "no pictures".to_owned(),
            0 => String::new(),
            more => format!("and {more} more"),
        };
        [self.note.clone(), more].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
    }

    /// The grid as an SVG with title, captions and note.
    ///
    /// # Errors
    /// When a picture cannot be encoded.
    pub fn svg(&self) -> Result<String> {
        let layout = self.layout();
        self.drawn(&layout, &self.reduced(&layout))
    }

    /// The pictures that are shown, with no more pixels than are drawn.
    fn reduced(&self, layout: &Layout) -> Vec<Picture> {
        let shown = &self.items[..self.items.len().min(MOST)];
        shown.par_iter().map(|(picture, _)| layout.reduced(picture)).collect()
    }

    fn drawn(&self, layout: &Layout, reduced: &[Picture]) -> Result<String> {
        let footer = self.footer();
        let [cell_width, cell_height] = layout.cell;
        let step = [cell_width + GAP, cell_height + GAP + if layout.captioned { CAPTION + 6.0 } else { 0.0 }];
        let words = title_width(&self.title, TITLE).max(text_width(&footer, CAPTION)).min(WIDTH);
        let width = (layout.columns as f64 * step[0] - GAP).max(words).ceil() + 2.0 * MARGIN;
        let top = MARGIN + if self.title.is_empty() { 0.0 } else { TITLE + 10.0 };
        let pictures = (layout.rows as f64 * step[1] - GAP).max(0.0);
        let height = (top + pictures + MARGIN + if footer.is_empty() { 0.0 } else { CAPTION + 8.0 }).ceil();

        let mut svg = Svg::new([width, height], self.text().trim_end());
        if !self.title.is_empty() {
            let style = TextStyle { bold: true, ..TextStyle::new(TITLE, INK, Anchor::Start) };
            svg.text(
                [MARGIN, MARGIN + TITLE - 2.0],
                style,
                &fitted(&self.title, TITLE, width - 2.0 * MARGIN),
            );
        }
        for (at, ((picture, caption), reduced)) in self.items.iter().zip(reduced).enumerate() {
            let x = MARGIN + (at % layout.columns) as f64 * step[0];
            let y = top + (at / layout.columns) as f64 * step[1];
            let [drawn_height, drawn_width] = layout.drawn(picture);
            let corner = [
                (x + (cell_width - drawn_width) / 2.0).floor(),
                (y + (cell_height - drawn_height) / 2.0).floor(),
            ];
            svg.open_explained(caption);
            svg.picture(corner, [drawn_width, drawn_height], reduced)?;
            if !caption.is_empty() {
                let center = [x + cell_width / 2.0, y + cell_height + CAPTION + 2.0];
                let style = TextStyle::new(CAPTION, INK, Anchor::Middle);
                svg.text(center, style, &fitted(caption, CAPTION, cell_width + GAP - 2.0));
            }
            svg.close();
        }
        if !footer.is_empty() {
            let line = [MARGIN, height - MARGIN];
            svg.text(
                line,
                TextStyle::new(CAPTION, MUTED, Anchor::Start),
                &fitted(&footer, CAPTION, width - 2.0 * MARGIN),
            );
        }
        Ok(svg.finish())
    }

    /// The pictures as one, without captions, on white; `None` where there are none.
    #[must_use]
    pub fn picture(&self) -> Option<Picture> {
        let layout = self.layout();
        let reduced = self.reduced(&layout);
        together(&layout, &reduced)
    }

    /// The grid as a PNG file, without captions.
    ///
    /// # Errors
    /// When there is no picture, or it cannot be encoded.
    pub fn png(&self) -> Result<Vec<u8>> {
        let nothing = || Error::Drawing { what: "an image grid", message: "it holds no pictures".into() };
        self.picture().ok_or_else(nothing)?.png()
    }

    /// The captions in rows as the pictures stand, below what there is to see.
    #[must_use]
    pub fn text(&self) -> String {
        let plural = if self.items.len() == 1 { "" } else { "s" };
        let mut text = format!("{} picture{plural}", self.items.len());
        if !self.title.is_empty() {
            text = format!("{}: {text}", self.title);
        }
        if let Some((first, _)) = self.items.first() {
            let [height, width] = first.size();
            let same = self.items.iter().all(|(picture, _)| picture.size() == first.size());
            let _ =
                write!(text, " of {height} x {width} pixels{}", if same { "" } else { " and other sizes" });
        }
        text.push('\n');
        let layout = self.layout();
        if layout.captioned {
            let captions: Vec<String> =
                self.items.iter().take(MOST).map(|(_, caption)| fitted(caption, 1.0, 16.0)).collect();
            let width = captions.iter().map(|caption| caption.chars().count()).max().unwrap_or(0);
            for row in captions.chunks(layout.columns) {
                let mut line = String::new();
                for caption in row {
                    let _ = write!(line, "{caption:<width$}  ");
                }
                let _ = writeln!(text, "{}", line.trim_end());
            }
        }
        let footer = self.footer();
        if !footer.is_empty() {
            let _ = writeln!(text, "{footer}");
        }
        text
    }

    /// Writes the grid to a file that ends with `.svg` (with captions) or `.png` (without).
    ///
    /// # Errors
    /// For another ending, an empty grid as PNG, or when the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        save(path.as_ref(), "an image grid", || self.svg(), Some(&|| self.png()))
    }
}

/// Pictures in rows on white; `None` where there are none.
fn together(layout: &Layout, reduced: &[Picture]) -> Option<Picture> {
    let shown: Vec<Picture> = reduced.iter().map(|picture| picture.enlarged(layout.factor())).collect();
    let gap = GAP as usize / 2;
    let cell_height = shown.iter().map(|picture| picture.size()[0]).max()?;
    let cell_width = shown.iter().map(|picture| picture.size()[1]).max()?;
    let [height, width] =
        [layout.rows * (cell_height + gap) - gap, layout.columns * (cell_width + gap) - gap];
    let grey = shown.iter().all(Picture::is_grey);
    let channels = if grey { 1 } else { 3 };
    let mut pixels = vec![255; height * width * channels];
    for (at, picture) in shown.iter().enumerate() {
        let [rows, columns] = picture.size();
        let top = at / layout.columns * (cell_height + gap) + (cell_height - rows) / 2;
        let left = at % layout.columns * (cell_width + gap) + (cell_width - columns) / 2;
        for row in 0..rows {
            let to = ((top + row) * width + left) * channels;
            picture.copy_row(row, &mut pixels[to..to + columns * channels]);
        }
    }
    let size = [height, width];
    if grey { Picture::grey(size, pixels).ok() } else { Picture::rgb(size, pixels).ok() }
}

/// How a grid is laid out. Lengths are CSS pixels.
struct Layout {
    /// Drawn pixels per picture pixel: a whole number, or at most 1.
    scale: f64,
    /// Width and height of a place for a picture.
    cell: [f64; 2],
    columns: usize,
    rows: usize,
    captioned: bool,
}

impl Layout {
    /// Height and width of a picture as drawn.
    fn drawn(&self, picture: &Picture) -> [f64; 2] {
        picture.size().map(|side| (side as f64 * self.scale).round().max(1.0))
    }

    /// A picture that is drawn smaller than it is, with no more pixels than are drawn.
    fn reduced(&self, picture: &Picture) -> Picture {
        if self.scale >= 1.0 {
            return picture.clone();
        }
        let [height, width] = self.drawn(picture);
        picture.reduced(height.max(width) as usize)
    }

    fn factor(&self) -> usize {
        (self.scale as usize).max(1)
    }
}

impl Rich for ImageGrid {
    fn rich(&self) -> Bundle {
        let layout = self.layout();
        let reduced = self.reduced(&layout);
        // Most of it is to encode each picture, and all of them once more.
        let (png, svg) = rayon::join(
            || together(&layout, &reduced).map(|picture| picture.png()),
            || self.drawn(&layout, &reduced),
        );
        match png {
            None => svg::bundle(self.text(), svg),
            Some(Ok(png)) => svg::bundle(self.text(), svg).png(png),
            Some(Err(error)) => svg::bundle(self.text(), Err(error)),
        }
    }
}
