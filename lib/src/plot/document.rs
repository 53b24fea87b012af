//! An SVG document that plotters draws into: its root element, fonts and lengths.

use std::fmt::Write as _;

use plotters::coord::Shift;
use plotters::prelude::*;

use super::svg::{FONT, printable};
use crate::{Error, Result};

/// plotters draws on whole pixels. Drawing at twice the size makes half pixels possible.
pub(super) const FINER: i32 = 2;
/// plotters writes font sizes divided by this.
const FONT_UNIT: f64 = 1.24;
pub(super) const INK: RGBColor = RGBColor(31, 35, 40);
pub(super) const MUTED: RGBColor = RGBColor(87, 96, 106);
pub(super) const TITLE: f64 = 14.0;
pub(super) const LABEL: f64 = 12.0;
pub(super) const MARGIN: f64 = 12.0;

/// A part of a document that is `FINER` times as large as shown.
pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// What is drawn over plotters' own elements: paths of many dots, for which it would write an element each.
#[derive(Debug, Default)]
pub(super) struct Dots(String);

impl Dots {
    /// A path, in the document's fine pixels, that a pointer resting on it explains.
    pub(super) fn path(&mut self, way: &str, attributes: &str, explanation: &str) {
        let _ = writeln!(
            self.0,
            "<path d=\"{way}\" {attributes}><title>{}</title></path>",
            super::escape(explanation)
        );
    }
}

/// An SVG document of `size`, its parts drawn `FINER` times as large.
pub(super) fn draw_document(
    size: [u32; 2],
    description: &str,
    draw: impl FnOnce(&Area<'_>, &mut Dots) -> Result<()>,
) -> Result<String> {
    let fine = size.map(|side| side * FINER as u32);
    let (mut drawn, mut dots) = (String::new(), Dots::default());
    {
        let area = SVGBackend::with_string(&mut drawn, (fine[0], fine[1])).into_drawing_area();
        draw(&area, &mut dots)?;
        area.present().map_err(refused)?;
    }
    // The root element that plotters wrote makes way for one that halves the size and describes the plot.
    let body = drawn.split_once(">\n").map_or(drawn.as_str(), |(_, body)| body);
    let body = match body.rsplit_once("</svg>") {
        Some((body, rest)) => format!("{body}{}</svg>{rest}", dots.0),
        None => body.to_owned(),
    };
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\" viewBox=\"0 0 {} {}\" role=\"img\" \
         aria-label=\"{}\">\n<rect width=\"{}\" height=\"{}\" rx=\"{}\" fill=\"#ffffff\"/>\n{body}",
        size[0],
        size[1],
        fine[0],
        fine[1],
        super::escape(description),
        fine[0],
        fine[1],
        6 * FINER,
    ))
}

pub(super) fn refused(error: impl std::fmt::Display) -> Error {
    Error::Drawing { what: "a plot", message: error.to_string() }
}

pub(super) fn fine(length: f64) -> i32 {
    (length * f64::from(FINER)).round() as i32
}

pub(super) fn style(size: f64, color: &RGBColor) -> TextStyle<'static> {
    (FONT, size * f64::from(FINER) * FONT_UNIT).into_font().color(color)
}

pub(super) fn bold(size: f64, color: &RGBColor) -> TextStyle<'static> {
    (FONT, size * f64::from(FINER) * FONT_UNIT, FontStyle::Bold).into_font().color(color)
}

pub(super) fn text(area: &Area<'_>, text: &str, at: [f64; 2], style: &TextStyle<'_>) -> Result<()> {
    area.draw(&Text::new(text.to_owned(), (fine(at[0]), fine(at[1])), style)).map_err(refused)
}

/// plotters escapes markup, but lets characters through that XML has no place for.
pub(super) fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_whitespace() { ' ' } else { printable(c) }).collect()
}
