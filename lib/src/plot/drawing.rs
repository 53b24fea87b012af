//! What a person draws with plotters.

use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::{DrawingArea, IntoDrawingArea, SVGBackend};
use sconce_display::Bundle;

use super::save::save;
use super::svg::{self, escape, printable};
use crate::rich::Rich;
use crate::{Error, Result};

/// A side has at most so many pixels.
const LARGEST: u32 = 20_000;
/// The text form tells at most so many words of the picture.
const WORDS: usize = 20;

/// A picture that was drawn with plotters by [`drawing`]: a value that shows itself, and saves itself to a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drawing {
    size: [u32; 2],
    description: String,
    /// The elements without the root.
    body: String,
}

/// Has something drawn with plotters on an area of `[width, height]` pixels, on a white card so that it reads the same on
/// light and dark pages, and gives it as a value that a cell can end with. [`sconce::plotters`](crate::plotters) is the
/// plotters that this takes.
///
/// ```
/// use sconce::plot::drawing;
/// use sconce::plotters::prelude::*;
///
/// let parabola = drawing([640, 360], |area| {
///     let mut chart = ChartBuilder::on(area)
///         .margin(10)
///         .x_label_area_size(30)
///         .y_label_area_size(40)
///         .caption("a parabola", ("sans-serif", 18))
///         .build_cartesian_2d(-1.0..1.0, 0.0..1.0)?;
///     chart.configure_mesh().draw()?;
///     let points = (-50..=50).map(|at| f64::from(at) / 50.0);
///     chart.draw_series(LineSeries::new(points.map(|x| (x, x * x)), &BLUE))?;
///     Ok(())
/// })?;
/// assert!(parabola.svg()?.contains("a parabola"));
/// # Ok::<(), sconce::Error>(())
/// ```
///
/// # Errors
/// When a side is 0 or above 20000; what plotters, or anything else in `draw`, fails with.
pub fn drawing(
    size: [u32; 2],
    draw: impl FnOnce(&DrawingArea<SVGBackend<'_>, Shift>) -> std::result::Result<(), Box<dyn std::error::Error>>,
) -> Result<Drawing> {
    if size.iter().any(|side| *side == 0 || *side > LARGEST) {
        return Err(Error::Argument {
            op: "plot::drawing".into(),
            expected: format!("a width and a height of 1 to {LARGEST} pixels"),
            got: format!("{size:?}"),
            hint: "[640, 360] fits into a notebook.".into(),
        });
    }
    let refused = |message: String| Error::Drawing { what: "with plotters", message };
    let mut drawn = String::new();
    {
        let area = SVGBackend::with_string(&mut drawn, (size[0], size[1])).into_drawing_area();
        draw(&area).map_err(|error| refused(error.to_string()))?;
        area.present().map_err(|error| refused(error.to_string()))?;
    }
    // The root that plotters wrote makes way for one that describes the picture.
    let inside = drawn.split_once(">\n").map_or("", |(_, inside)| inside);
    let inside = inside.rsplit_once("</svg>").map_or(inside, |(inside, _)| inside);
    // plotters escapes markup, but lets characters through that XML has no place for.
    Ok(Drawing { size, description: String::new(), body: inside.chars().map(printable).collect() })
}

impl Drawing {
    /// Says what is to be seen: the text form, and what a screen reader says. Otherwise these are the words in the picture.
    #[must_use]
    pub fn description(mut self, description: &str) -> Drawing {
        description.clone_into(&mut self.description);
        self
    }

    fn root(&self, label: &str) -> String {
        let [width, height] = self.size;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{}\">\n\
             <rect width=\"{width}\" height=\"{height}\" rx=\"6\" fill=\"#ffffff\"/>\n{}</svg>\n",
            escape(label),
            self.body
        )
    }

    /// The picture as an SVG.
    ///
    /// # Errors
    /// Never for a drawing that could be made.
    pub fn svg(&self) -> Result<String> {
        Ok(self.root(self.text().trim_end()))
    }

    /// The description, or where there is none the words in the picture.
    #[must_use]
    pub fn text(&self) -> String {
        let [width, height] = self.size;
        if !self.description.is_empty() {
            return format!("{}\n", self.description);
        }
        let words = self.words();
        let told = words.iter().take(WORDS).cloned().collect::<Vec<_>>().join(", ");
        let more = words.len().checked_sub(WORDS).filter(|more| *more > 0);
        let more = more.map_or(String::new(), |more| format!(" and {more} more"));
        let colon = if words.is_empty() { "" } else { ": " };
        format!("a drawing of {width} x {height} pixels{colon}{told}{more}\n")
    }

    /// The words in the picture, in the order they were drawn.
    fn words(&self) -> Vec<String> {
        let svg = self.root("");
        let Ok(document) = roxmltree::Document::parse(&svg) else { return Vec::new() };
        let texts = document.descendants().filter(|node| node.has_tag_name("text"));
        let texts = texts.filter_map(|node| node.text()).map(|text| text.trim().to_owned());
        texts.filter(|text| !text.is_empty()).collect()
    }

    /// Writes the picture to a file that ends with `.svg`.
    ///
    /// # Errors
    /// For another ending, or when the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        save(path.as_ref(), "a drawing", || self.svg(), None)
    }
}

impl Rich for Drawing {
    fn rich(&self) -> Bundle {
        svg::bundle(self.text(), self.svg())
    }
}
