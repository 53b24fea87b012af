//! Which class was taken for which.

use std::path::Path;

use sconce_display::Bundle;

use super::color::{INK, LINE, MUTED, blues, hex, ink_on};
use super::number::percent;
use super::picture::Picture;
use super::save::save;
use super::svg::{self, Anchor, Svg, TextStyle, fitted, text_width, title_width};
use super::table::Table;
use crate::rich::Rich;
use crate::{Error, Result};

const MARGIN: f64 = 12.0;
const LABEL: f64 = 12.0;
const TITLE: f64 = 14.0;
/// Up to so many classes, the cells hold their counts and the text form holds the whole matrix.
const READABLE: usize = 20;
/// Up to so many classes, the rows and columns carry their names.
const NAMED: usize = 60;

/// The counts of a confusion matrix as a picture: a row a true class, a column a predicted one. Colours
/// show each row's fractions, so that rare classes can be compared with frequent ones.
///
/// ```
/// use sconce::plot::ConfusionMatrix;
///
/// let matrix = ConfusionMatrix::new(&["cat", "dog"], &[9, 1, 2, 8])?;
/// assert_eq!(matrix.accuracy(), 0.85);
/// # Ok::<(), sconce::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfusionMatrix {
    names: Vec<String>,
    counts: Vec<u64>,
}

impl ConfusionMatrix {
    /// The counts, row by row: `counts[t * classes + p]` images of true class `t` were predicted as `p`.
    ///
    /// # Errors
    /// When there is no class, or the number of counts is not the square of the number of classes.
    pub fn new<S: AsRef<str>>(class_names: &[S], counts: &[u64]) -> Result<ConfusionMatrix> {
        let classes = class_names.len();
        if classes == 0 || counts.len() != classes.saturating_mul(classes) {
            return Err(Error::Argument {
                op: "ConfusionMatrix::new".into(),
                expected: format!("{classes} x {classes} counts for {classes} classes, at least one"),
                got: format!("{} counts", counts.len()),
                hint: "The counts lie row by row, a row for each true class.".into(),
            });
        }
        let names = class_names.iter().map(|name| name.as_ref().to_owned()).collect();
        Ok(ConfusionMatrix { names, counts: counts.to_vec() })
    }

    /// The class names.
    #[must_use]
    pub fn class_names(&self) -> &[String] {
        &self.names
    }

    /// The counts, row by row: a row a true class, a column a predicted one.
    #[must_use]
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// The fraction of images that were predicted right; NaN without images.
    #[must_use]
    pub fn accuracy(&self) -> f64 {
        let right: u128 = (0..self.names.len()).map(|class| u128::from(self.row(class)[class])).sum();
        right as f64 / self.total() as f64
    }

    fn total(&self) -> u128 {
        self.counts.iter().map(|&count| u128::from(count)).sum()
    }

    fn row(&self, truth: usize) -> &[u64] {
        &self.counts[truth * self.names.len()..(truth + 1) * self.names.len()]
    }

    /// How many images of class `truth` there are.
    fn row_total(&self, truth: usize) -> u128 {
        self.row(truth).iter().map(|&count| u128::from(count)).sum()
    }

    /// The pairs of true and predicted class that were confused, most frequent first.
    #[must_use]
    pub fn confused(&self) -> Vec<(&str, &str, u64)> {
        let classes = self.names.len();
        let mut pairs: Vec<(usize, u64)> = (0..classes * classes)
            .filter(|at| at / classes != at % classes && self.counts[*at] > 0)
            .map(|at| (at, self.counts[at]))
            .collect();
        pairs.sort_by_key(|&(at, count)| (std::cmp::Reverse(count), at));
        let name = |class: usize| self.names[class].as_str();
        pairs.into_iter().map(|(at, count)| (name(at / classes), name(at % classes), count)).collect()
    }

    fn headline(&self) -> String {
        match self.total() {
            0 => "confusion matrix: no images".to_owned(),
            total => format!("confusion matrix: {} of {total} right", percent(self.accuracy())),
        }
    }

    /// The matrix as a picture, a pixel a count, without names.
    ///
    /// # Errors
    /// Never for a matrix that could be made; the picture's own checks are passed on.
    pub fn picture(&self) -> Result<Picture> {
        let classes = self.names.len();
        let rows = (0..classes).map(|truth| (self.row(truth), self.row_total(truth)));
        let pixels =
            rows.flat_map(|(row, total)| row.iter().flat_map(move |&count| blues(fraction(count, total))));
        Picture::rgb([classes, classes], pixels.collect())
    }

    /// The matrix as an SVG with names, and counts where there is room.
    ///
    /// # Errors
    /// When the picture of a large matrix cannot be encoded.
    pub fn svg(&self) -> Result<String> {
        let classes = self.names.len();
        let cell = match classes {
            _ if classes <= 12 => 40.0,
            _ if classes <= READABLE => 32.0,
            _ if classes <= NAMED => 14.0,
            _ => (600.0 / classes as f64).max(1.0),
        };
        let label = LABEL.min(cell - 2.0);
        let named = classes <= NAMED;
        let longest = self.names.iter().map(|name| text_width(name, label)).fold(0.0, f64::max).min(140.0);
        let names = if named { longest.ceil() + 8.0 } else { 4.0 };
        // Names that are wider than their column stand upright.
        let upright = named && longest > cell - 4.0;
        let left = MARGIN + LABEL + 8.0 + names;
        let top = MARGIN + TITLE + 12.0;
        let side = cell * classes as f64;
        let below = match (named, upright) {
            (true, true) => longest.ceil() + 10.0,
            (true, false) => label + 6.0,
            (false, _) => 4.0,
        };
        let width = (left + side + MARGIN).max(title_width(&self.headline(), TITLE) + 2.0 * MARGIN).ceil();
        let height = (top + side + below + LABEL + 6.0 + MARGIN).ceil();

        let mut svg = Svg::new([width, height], &self.headline());
        let bold = TextStyle { bold: true, ..TextStyle::new(TITLE, INK, Anchor::Start) };
        svg.text([MARGIN, MARGIN + TITLE - 2.0], bold, &self.headline());
        if named {
            for truth in 0..classes {
                let total = self.row_total(truth);
                for predicted in 0..classes {
                    self.draw_cell(&mut svg, [truth, predicted], total, [left, top], cell);
                }
            }
        } else {
            svg.picture([left, top], [side, side], &self.picture()?)?;
        }
        svg.rect([left, top], [side, side], &format!("fill=\"none\" stroke=\"{LINE}\""));
        for (class, name) in self.names.iter().enumerate().take(if named { classes } else { 0 }) {
            let middle = (class as f64 + 0.5) * cell;
            let name = fitted(name, label, 140.0);
            let style = TextStyle::new(label, INK, Anchor::End);
            svg.text([left - 6.0, top + middle + label * 0.35], style, &name);
            if upright {
                let style = TextStyle { turned: -90.0, ..style };
                svg.text([left + middle + label * 0.35, top + side + 6.0], style, &name);
            } else {
                let style = TextStyle::new(label, INK, Anchor::Middle);
                svg.text([left + middle, top + side + label + 4.0], style, &name);
            }
        }
        let axis = TextStyle::new(LABEL, MUTED, Anchor::Middle);
        svg.text([left + side / 2.0, height - MARGIN], axis, "predicted");
        svg.text([MARGIN + LABEL - 4.0, top + side / 2.0], TextStyle { turned: -90.0, ..axis }, "true");
        Ok(svg.finish())
    }

    fn draw_cell(
        &self,
        svg: &mut Svg,
        [truth, predicted]: [usize; 2],
        total: u128,
        [left, top]: [f64; 2],
        cell: f64,
    ) {
        let count = self.row(truth)[predicted];
        let fraction = fraction(count, total);
        let color = blues(fraction);
        let [x, y] = [left + predicted as f64 * cell, top + truth as f64 * cell];
        let (from, to) = (&self.names[truth], &self.names[predicted]);
        svg.open_explained(&format!("true {from}, predicted {to}: {count} ({})", percent(fraction)));
        svg.rect(
            [x, y],
            [cell, cell],
            &format!("fill=\"{}\" stroke=\"{LINE}\" stroke-width=\"0.5\"", hex(color)),
        );
        if self.names.len() <= READABLE {
            let text = count.to_string();
            // Zeros stand back, so that the mistakes stand out.
            let ink = if count == 0 { "#afb8c1" } else { ink_on(color) };
            let size = LABEL.min(LABEL * (cell - 4.0) / text_width(&text, LABEL));
            svg.text(
                [x + cell / 2.0, y + cell / 2.0 + size * 0.35],
                TextStyle::new(size, ink, Anchor::Middle),
                &text,
            );
        }
        svg.close();
    }

    /// The matrix as a table, or the most frequent confusions where there are more than 20 classes.
    #[must_use]
    pub fn text(&self) -> String {
        let short = |name: &str| fitted(name, 1.0, 12.0);
        let mut text = format!("{}\n", self.headline());
        if self.names.len() <= READABLE {
            let names: Vec<String> = self.names.iter().map(|name| short(name)).collect();
            let columns: Vec<&str> =
                ["true \\ predicted"].into_iter().chain(names.iter().map(String::as_str)).collect();
            let mut table = Table::new(&columns);
            for (truth, name) in names.iter().enumerate() {
                let counts = self.row(truth).iter().map(u64::to_string);
                table.push(&[name.clone()].into_iter().chain(counts).collect::<Vec<_>>());
            }
            text += &table.text();
        } else {
            let mut table = Table::new(&["true", "predicted", "images"]);
            for (truth, predicted, count) in self.confused().into_iter().take(READABLE) {
                table.push(&[truth.to_owned(), predicted.to_owned(), count.to_string()]);
            }
            text += &format!("{} classes; the most frequent confusions:\n{}", self.names.len(), table.text());
        }
        text
    }

    /// Writes the matrix to a file that ends with `.svg` (with names and counts) or `.png` (without).
    ///
    /// # Errors
    /// For another ending, or when the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        save(path.as_ref(), "a confusion matrix", || self.svg(), Some(&|| self.picture()?.visible().png()))
    }
}

/// The part of `total` images that `count` are; 0 for a class without images.
fn fraction(count: u64, total: u128) -> f64 {
    if total == 0 { 0.0 } else { count as f64 / total as f64 }
}

impl Rich for ConfusionMatrix {
    fn rich(&self) -> Bundle {
        svg::bundle(self.text(), self.svg())
    }
}
