//! How often something comes true against how sure one was.

use std::path::Path;

use sconce_display::Bundle;

use super::color::{INK, LINE, MUTED, SERIES, hex};
use super::number::{count, number};
use super::save::save;
use super::svg::{self, Anchor, Svg, TextStyle, text_width, title_width};
use super::table::Table;
use crate::rich::Rich;
use crate::{Error, Result};

const MARGIN: f64 = 12.0;
const LABEL: f64 = 12.0;
const TITLE: f64 = 14.0;
/// The side of the diagram.
const SIDE: f64 = 300.0;
/// The height of the bars that say how much is in each bin.
const COUNTS: f64 = 60.0;
const GAP: f64 = 14.0;
/// Room for numbers on the left.
const LEFT: f64 = 44.0;

/// What is in a bin of probabilities.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReliabilityBin {
    /// How many predictions are in it.
    pub count: u64,
    /// Their mean probability.
    pub confidence: f64,
    /// The fraction of them that is right.
    pub accuracy: f64,
}

/// A reliability diagram (Niculescu-Mizil and Caruana 2005): for each bin of probabilities how often predictions are right,
/// a bar, with a mark where they would be if the model were as sure as it should be, and below how many there are. A bar
/// under its mark means too sure.
///
/// ```
/// use sconce::plot::{ReliabilityBin, ReliabilityDiagram};
///
/// let none = ReliabilityBin { count: 0, confidence: 0.0, accuracy: 0.0 };
/// let sure = ReliabilityBin { count: 40, confidence: 0.9, accuracy: 0.75 };
/// let diagram = ReliabilityDiagram::new("a model", &[none, sure])?;
/// assert!(diagram.text().contains("0.75"));
/// # Ok::<(), sconce::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ReliabilityDiagram {
    title: String,
    bins: Vec<ReliabilityBin>,
}

impl ReliabilityDiagram {
    /// A diagram of bins of equal width from 0 to 1.
    ///
    /// # Errors
    /// Without bins, or if a confidence or accuracy is not in `[0, 1]`.
    pub fn new(title: &str, bins: &[ReliabilityBin]) -> Result<ReliabilityDiagram> {
        let part = |value: f64| (0.0..=1.0).contains(&value);
        let bad = bins.iter().find(|bin| !(part(bin.confidence) && part(bin.accuracy)));
        if bins.is_empty() || bad.is_some() {
            return Err(Error::Argument {
                op: "ReliabilityDiagram::new".into(),
                expected: "one bin or more, with confidences and accuracies from 0 to 1".into(),
                got: bad.map_or_else(|| "no bin".to_owned(), |bin| format!("{bin:?}")),
                hint: "Both are fractions.".into(),
            });
        }
        Ok(ReliabilityDiagram { title: title.to_owned(), bins: bins.to_vec() })
    }

    /// The bins, from 0 to 1.
    #[must_use]
    pub fn bins(&self) -> &[ReliabilityBin] {
        &self.bins
    }

    /// From where to where a bin reaches, in words.
    fn range(&self, bin: usize) -> String {
        let end = |at: usize| number(at as f64 / self.bins.len() as f64);
        format!("{} to {}", end(bin), end(bin + 1))
    }

    /// The diagram as an SVG.
    ///
    /// # Errors
    /// Never for a diagram that could be made.
    pub fn svg(&self) -> Result<String> {
        let legend = MARGIN + if self.title.is_empty() { 0.0 } else { TITLE + 8.0 };
        let top = legend + LABEL + 12.0;
        let [left, base] = [MARGIN + LEFT, top + SIDE];
        let counts = base + GAP + COUNTS;
        let title = title_width(&self.title, TITLE) + 2.0 * MARGIN;
        let width = (left + SIDE + MARGIN + 8.0).max(title).ceil();
        let height = (counts + 2.0 * LABEL + 16.0 + MARGIN).ceil();
        let mut svg =
            Svg::new([width, height], if self.title.is_empty() { "reliability" } else { &self.title });
        let bold = TextStyle { bold: true, ..TextStyle::new(TITLE, INK, Anchor::Start) };
        if !self.title.is_empty() {
            svg.text([MARGIN, MARGIN + TITLE - 2.0], bold, &self.title);
        }
        let muted = |anchor| TextStyle::new(LABEL, MUTED, anchor);
        for quarter in 0..=4 {
            let part = f64::from(quarter) / 4.0;
            let y = base - part * SIDE;
            svg.rect([left, y - 0.5], [SIDE, 1.0], &format!("fill=\"{LINE}\""));
            svg.text([left - 6.0, y + LABEL * 0.35], muted(Anchor::End), &number(part));
            let anchor = if quarter == 4 { Anchor::End } else { Anchor::Middle };
            svg.text([left + part * SIDE, counts + LABEL + 4.0], muted(anchor), &number(part));
        }
        let line = format!("M{left} {base}L{} {top}", left + SIDE);
        svg.path(&line, &format!("fill=\"none\" stroke=\"{MUTED}\" stroke-dasharray=\"4 4\""));
        let [color, mark, ..] = SERIES.map(|color| hex([color.0, color.1, color.2]));
        let mut x = MARGIN;
        for (color, name, height) in [(&color, "right", 10.0), (&mark, "how sure", 3.0)] {
            svg.rect([x, legend + 6.0 - height / 2.0], [14.0, height], &format!("fill=\"{color}\""));
            svg.text([x + 19.0, legend + LABEL - 2.0], TextStyle::new(LABEL, INK, Anchor::Start), name);
            x += 19.0 + text_width(name, LABEL) + 18.0;
        }
        let step = SIDE / self.bins.len() as f64;
        let most = self.bins.iter().map(|bin| bin.count).max().unwrap_or(0).max(1) as f64;
        for (at, bin) in self.bins.iter().enumerate().filter(|(_, bin)| bin.count > 0) {
            let x = left + at as f64 * step;
            let bar = (step - 2.0).max(step * 0.6);
            svg.open_explained(&format!(
                "{}: {} predictions, {} sure, {} right",
                self.range(at),
                count(usize::try_from(bin.count).unwrap_or(usize::MAX)),
                number(bin.confidence),
                number(bin.accuracy)
            ));
            let tall = (bin.accuracy * SIDE).max(1.0);
            svg.rect([x + 1.0, base - tall], [bar, tall], &format!("fill=\"{color}\" fill-opacity=\"0.75\""));
            let wanted = base - bin.confidence * SIDE;
            svg.rect([x + 1.0, wanted - 1.5], [bar, 3.0], &format!("fill=\"{mark}\""));
            let tall = (bin.count as f64 / most * COUNTS).max(1.0);
            svg.rect([x + 1.0, counts - tall], [bar, tall], &format!("fill=\"{MUTED}\""));
            svg.close();
        }
        svg.rect([left, base - 0.5], [SIDE, 1.0], &format!("fill=\"{INK}\""));
        svg.rect([left, counts - 0.5], [SIDE, 1.0], &format!("fill=\"{INK}\""));
        let middle = muted(Anchor::Middle);
        svg.text([left + SIDE / 2.0, height - MARGIN], middle, "how sure; below: how many");
        svg.text([MARGIN + LABEL - 4.0, top + SIDE / 2.0], TextStyle { turned: -90.0, ..middle }, "right");
        Ok(svg.finish())
    }

    /// The bins that hold something as a table.
    #[must_use]
    pub fn text(&self) -> String {
        let mut table = Table::new(&["probability", "predictions", "mean", "right"]);
        for (at, bin) in self.bins.iter().enumerate().filter(|(_, bin)| bin.count > 0) {
            let predictions = count(usize::try_from(bin.count).unwrap_or(usize::MAX));
            table.push(&[self.range(at), predictions, number(bin.confidence), number(bin.accuracy)]);
        }
        let title = if self.title.is_empty() { String::new() } else { format!("{}\n", self.title) };
        format!("{title}{}", table.text())
    }

    /// Writes the diagram to a file that ends with `.svg`.
    ///
    /// # Errors
    /// For another ending, or when the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        save(path.as_ref(), "a reliability diagram", || self.svg(), None)
    }
}

impl Rich for ReliabilityDiagram {
    fn rich(&self) -> Bundle {
        svg::bundle(self.text(), self.svg())
    }
}
