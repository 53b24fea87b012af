//! A picture with what is in it: boxes, masks and points.

use std::path::Path;

use plotters::prelude::RGBColor;
use sconce_display::Bundle;

use super::color::{INK, SERIES, hex, ink_on};
use super::number::number;
use super::picture::{Picture, visible_factor};
use super::save::save;
use super::svg::{self, Anchor, Svg, TextStyle, fitted, text_width};
use super::table::Table;
use crate::rich::Rich;
use crate::{Error, Result};

const CAPTION: f64 = 13.0;
/// From the edge of the card to its caption.
const INSET: f64 = 6.0;
const LABEL: f64 = 11.0;
/// Part of a pixel's colour that a mask over it has.
const COVER: f64 = 0.45;

/// One thing in a picture. Lengths are pixels of the picture from its left upper corner.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Mark {
    /// What it is called.
    pub label: String,
    /// Marks of the same number have the same colour.
    pub color: usize,
    /// Left, top, right, bottom; `None` for a mark that is a mask or points alone.
    pub corners: Option<[f32; 4]>,
    /// One byte a pixel of the picture, row by row, not 0 inside.
    pub mask: Option<Vec<u8>>,
    /// Points `[x, y]` that can be seen, drawn full, and hidden ones, drawn hollow.
    pub points: Vec<MarkPoint>,
}

/// A point of a [`Mark`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MarkPoint {
    /// From the left and from the top.
    pub at: [f32; 2],
    /// How it is drawn.
    pub look: PointLook,
}

/// How a point is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PointLook {
    /// As a disc: it can be seen.
    Full,
    /// As a ring: it is hidden.
    Hollow,
}

/// A picture with marks over it: masks in their colours, boxes in lines that read on any ground, each with its
/// label, and points.
///
/// ```
/// use sconce::plot::{Annotated, Mark, Picture};
///
/// let picture = Picture::grey([20, 30], vec![90; 600])?;
/// let cat = Mark { label: "cat".into(), corners: Some([3.0, 2.0, 20.0, 18.0]), ..Mark::default() };
/// let seen = Annotated::new(picture).mark(cat)?;
/// assert!(seen.text().contains("cat") && seen.svg()?.contains("cat"));
/// # Ok::<(), sconce::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Annotated {
    picture: Picture,
    caption: String,
    marks: Vec<Mark>,
}

impl Annotated {
    /// A picture without marks.
    #[must_use]
    pub fn new(picture: Picture) -> Annotated {
        Annotated { picture, caption: String::new(), marks: Vec::new() }
    }

    /// Sets the line above the picture.
    #[must_use]
    pub fn caption(mut self, caption: &str) -> Annotated {
        caption.clone_into(&mut self.caption);
        self
    }

    /// Adds a mark, over those that are there.
    ///
    /// # Errors
    /// When its mask is of another size than the picture.
    pub fn mark(mut self, mark: Mark) -> Result<Annotated> {
        let [height, width] = self.picture.size();
        if let Some(mask) = mark.mask.as_ref().filter(|mask| mask.len() != height * width) {
            return Err(Error::Shape {
                op: "Annotated::mark".into(),
                expected: format!("a mask of {height} x {width} pixels, as the picture has"),
                got: format!("{} pixels", mask.len()),
                hint: "A mask covers the whole image; resize both together.".into(),
            });
        }
        self.marks.push(mark);
        Ok(self)
    }

    /// The picture with its masks, boxes and points drawn into the pixels, enlarged if it is small; without
    /// labels.
    ///
    /// # Errors
    /// When it cannot be drawn.
    pub fn picture(&self) -> Result<Picture> {
        let base = self.masked()?;
        let factor = visible_factor(base.size()[0].max(base.size()[1]));
        let base = base.enlarged(factor);
        let mut canvas = Canvas::over(&base);
        let thick = (canvas.height.max(canvas.width) / 200).clamp(1, 4) as i64;
        for mark in &self.marks {
            let color = color_of(mark.color);
            let halo = halo_of(color);
            if let Some(corners) = mark.corners.filter(|corners| corners.iter().all(|side| side.is_finite()))
            {
                let corners = corners.map(|side| pixel(side, factor));
                canvas.frame(corners, thick + 1, halo);
                canvas.frame(corners, thick, color);
            }
            for point in mark.points.iter().filter(|point| point.at.iter().all(|side| side.is_finite())) {
                let at = point.at.map(|side| pixel(side, factor));
                canvas.disc(at, 2 * thick + 2, halo);
                canvas.disc(at, 2 * thick + 1, color);
                if point.look == PointLook::Hollow {
                    canvas.disc(at, thick, halo);
                }
            }
        }
        Picture::rgb([canvas.height, canvas.width], canvas.pixels)
    }

    /// The pixels with the masks over them.
    fn masked(&self) -> Result<Picture> {
        let mut canvas = Canvas::over(&self.picture);
        for mark in &self.marks {
            let color = color_of(mark.color);
            let Some(mask) = &mark.mask else { continue };
            for (pixel, _) in canvas.pixels.chunks_exact_mut(3).zip(mask).filter(|(_, inside)| **inside != 0)
            {
                for (value, color) in pixel.iter_mut().zip(color) {
                    *value = (f64::from(*value) * (1.0 - COVER) + f64::from(color) * COVER).round() as u8;
                }
            }
        }
        Picture::rgb(self.picture.size(), canvas.pixels)
    }

    /// Picture, marks and labels as an SVG.
    ///
    /// # Errors
    /// When the picture cannot be encoded.
    pub fn svg(&self) -> Result<String> {
        let base = self.masked()?;
        let [height, width] = base.size();
        let longest = height.max(width);
        let scale = if longest > 720 { 720.0 / longest as f64 } else { visible_factor(longest) as f64 };
        let drawn = [width as f64 * scale, height as f64 * scale];
        let top = if self.caption.is_empty() { 0.0 } else { CAPTION + 10.0 };
        let size = [
            drawn[0].max((text_width(&self.caption, CAPTION) + 2.0 * INSET).min(720.0)).ceil(),
            (drawn[1] + top).ceil(),
        ];
        let mut svg = Svg::new(size, self.text().trim_end());
        if !self.caption.is_empty() {
            let style = TextStyle::new(CAPTION, INK, Anchor::Start);
            svg.text([INSET, CAPTION + 2.0], style, &fitted(&self.caption, CAPTION, size[0] - 2.0 * INSET));
        }
        let shown = if scale < 1.0 { base.reduced(drawn[0].max(drawn[1]) as usize) } else { base };
        svg.picture([0.0, top], drawn, &shown)?;
        for mark in &self.marks {
            svg.open_explained(&mark.label);
            draw(&mut svg, mark, scale, top, drawn);
            svg.close();
        }
        Ok(svg.finish())
    }

    /// What is in the picture, a line each.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        if !self.caption.is_empty() {
            text += &format!("{}\n", self.caption);
        }
        text += &format!("{}\n", self.picture.text());
        if self.marks.is_empty() {
            return text;
        }
        let mut table = Table::new(&["label", "x0", "y0", "x1", "y1", "mask", "points"]);
        for mark in &self.marks {
            let side =
                |at: usize| mark.corners.map_or_else(String::new, |sides| number(f64::from(sides[at])));
            let inside = mark.mask.as_ref().map(|mask| mask.iter().filter(|inside| **inside != 0).count());
            table.push(&[
                mark.label.clone(),
                side(0),
                side(1),
                side(2),
                side(3),
                inside.map_or_else(String::new, |pixels| pixels.to_string()),
                if mark.points.is_empty() { String::new() } else { mark.points.len().to_string() },
            ]);
        }
        text + &table.text()
    }

    /// Writes it to a file that ends with `.svg` (with labels) or `.png` (without).
    ///
    /// # Errors
    /// For another ending, or when the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        save(path.as_ref(), "an annotated picture", || self.svg(), Some(&|| self.picture()?.png()))
    }
}

impl Rich for Annotated {
    fn rich(&self) -> Bundle {
        let bundle = svg::bundle(self.text(), self.svg());
        match self.picture().and_then(|picture| picture.png()) {
            Ok(png) => bundle.png(png),
            Err(_) => bundle,
        }
    }
}

/// The drawn pixel at a place; what is far outside stays outside.
fn pixel(side: f32, factor: usize) -> i64 {
    (side * factor as f32).clamp(-1e9, 1e9).round() as i64
}

/// Box, label and points of a mark.
fn draw(svg: &mut Svg, mark: &Mark, scale: f64, top: f64, [width, height]: [f64; 2]) {
    let color = color_of(mark.color);
    let (line, halo) = (hex(color), hex(halo_of(color)));
    if let Some(corners) = mark.corners.filter(|corners| corners.iter().all(|side| side.is_finite())) {
        let [x0, y0, x1, y1] = corners.map(|side| f64::from(side) * scale);
        let (at, size) = ([x0, y0 + top], [(x1 - x0).max(0.0), (y1 - y0).max(0.0)]);
        svg.rect(
            at,
            size,
            &format!("fill=\"none\" stroke=\"{halo}\" stroke-width=\"4\" stroke-opacity=\"0.8\""),
        );
        svg.rect(at, size, &format!("fill=\"none\" stroke=\"{line}\" stroke-width=\"2\""));
        if !mark.label.is_empty() {
            // Above the box where there is room, else inside; never outside the picture.
            let label = fitted(&mark.label, LABEL, width);
            let chip = [(text_width(&label, LABEL) * 1.1 + 8.0).min(width), LABEL + 5.0];
            let x = x0.clamp(0.0, (width - chip[0]).max(0.0));
            let y =
                if y0 >= chip[1] { y0 - chip[1] } else { y0 }.clamp(0.0, (height - chip[1]).max(0.0)) + top;
            svg.rect([x, y], chip, &format!("fill=\"{line}\""));
            let style = TextStyle::new(LABEL, ink_on(color), Anchor::Start);
            svg.text([x + 4.0, y + LABEL], style, &label);
        }
    }
    for point in mark.points.iter().filter(|point| point.at.iter().all(|side| side.is_finite())) {
        let [x, y] = point.at.map(|side| f64::from(side) * scale);
        let fill = if point.look == PointLook::Full { line.as_str() } else { "none" };
        // A square with round corners of half its side is a disc.
        let disc = |svg: &mut Svg, radius: f64, attributes: &str| {
            let corner = [x - radius, y - radius + top];
            svg.rect(corner, [2.0 * radius; 2], &format!("rx=\"{radius}\" {attributes}"));
        };
        disc(svg, 4.0, &format!("fill=\"none\" stroke=\"{halo}\" stroke-width=\"3\" stroke-opacity=\"0.8\""));
        disc(svg, 3.5, &format!("fill=\"{fill}\" stroke=\"{line}\" stroke-width=\"1.5\""));
    }
}

/// The colour of a number: first those of series, then hues that lie far from each other.
fn color_of(at: usize) -> [u8; 3] {
    match SERIES.get(at) {
        Some(&RGBColor(red, green, blue)) => [red, green, blue],
        None => {
            // The golden angle: no two of the next hundred are near.
            let hue = (at as f64 * 0.618_033_988_75).fract() * 6.0;
            let ramp = |shift: f64| {
                let place = (hue + shift) % 6.0;
                let level = (2.0 - (place - 3.0).abs()).clamp(0.0, 1.0);
                (40.0 + 190.0 * level).round() as u8
            };
            [ramp(3.0), ramp(1.0), ramp(5.0)]
        }
    }
}

/// White beside dark colours and near black beside light ones, so that one of the two reads on any ground.
fn halo_of(color: [u8; 3]) -> [u8; 3] {
    if ink_on(color) == INK { [31, 35, 40] } else { [255; 3] }
}

/// RGB pixels that are drawn on.
struct Canvas {
    height: usize,
    width: usize,
    pixels: Vec<u8>,
}

impl Canvas {
    fn over(picture: &Picture) -> Canvas {
        let [height, width] = picture.size();
        let pixels = if picture.is_grey() {
            picture.pixels().iter().flat_map(|&value| [value; 3]).collect()
        } else {
            picture.pixels().to_vec()
        };
        Canvas { height, width, pixels }
    }

    /// A pixel; nothing outside.
    fn put(&mut self, [x, y]: [i64; 2], color: [u8; 3]) {
        if let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y))
            && x < self.width
            && y < self.height
        {
            let at = (y * self.width + x) * 3;
            self.pixels[at..at + 3].copy_from_slice(&color);
        }
    }

    /// The outline of a box, drawn inwards.
    fn frame(&mut self, corners: [i64; 4], thick: i64, color: [u8; 3]) {
        let (right, bottom) = (self.width as i64, self.height as i64);
        let [x0, y0, x1, y1] = corners;
        // Far outside nothing is walked over.
        let (left, upper) = (x0.max(0), y0.max(0));
        for y in upper..y1.min(bottom) {
            for x in left..x1.min(right) {
                let edge = (x - x0).min(x1 - 1 - x).min(y - y0).min(y1 - 1 - y);
                if edge < thick {
                    self.put([x, y], color);
                }
            }
        }
    }

    fn disc(&mut self, [x, y]: [i64; 2], radius: i64, color: [u8; 3]) {
        for down in -radius..=radius {
            for right in -radius..=radius {
                if right * right + down * down <= radius * radius {
                    self.put([x.saturating_add(right), y.saturating_add(down)], color);
                }
            }
        }
    }
}
