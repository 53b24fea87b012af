//! How often values of each size come.

use std::path::Path;

use plotters::prelude::*;
use sconce_display::Bundle;

use super::axis::Axis;
use super::document::{Area, FINER, clean, draw_document, fine, refused};
use super::frame::{Frame, color, draw_nothing, draw_title, span};
use super::number::{count, number};
use super::save::save;
use super::scale::Scale;
use super::svg;
use super::table::Table;
use crate::rich::Rich;
use crate::{Error, Result};

/// More bins than a screen has columns for show nothing.
const MOST: usize = 1000;
/// The text form joins bins until there are at most so many.
const ROWS: usize = 20;
/// Bins are wider than this part of the values themselves: between numbers that are nearly the same there are no others
/// for edges.
const LEAST: f64 = 1e-12;

/// How many values lie between each two edges: a value that shows itself as a picture and a table.
///
/// ```
/// use sconce::plot::Histogram;
///
/// let histogram = Histogram::of(&[0.0, 0.1, 0.2, 0.9, f64::NAN], 2)?.title("scores");
/// assert_eq!(histogram.counts(), [3, 1]);
/// assert!(histogram.text().contains("1 NaN left out"));
/// # Ok::<(), sconce::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    title: String,
    edges: Vec<f64>,
    counts: Vec<u64>,
    /// The least and the greatest value, as far as known.
    ends: Option<(f64, f64)>,
    nan: u64,
    infinite: u64,
}

impl Histogram {
    /// Counts values in `bins` intervals of equal width from the least to the greatest, each with its lower edge, the last
    /// with its upper one, too. Values that are all the same lie in the middle of an interval of width 1 or more. NaN and
    /// infinite values are left out and counted by themselves.
    ///
    /// # Errors
    /// When `bins` is 0 or above 1000.
    pub fn of(values: &[f64], bins: usize) -> Result<Histogram> {
        if bins == 0 || bins > MOST {
            return Err(Error::Argument {
                op: "Histogram::of".into(),
                expected: format!("1 to {MOST} bins"),
                got: bins.to_string(),
                hint: "30 show the shape of most distributions.".into(),
            });
        }
        let ends = span(values.iter().copied());
        let edges = edges(ends.unwrap_or((0.0, 1.0)), bins);
        let mut histogram = Histogram {
            title: String::new(),
            counts: vec![0; bins],
            ends,
            nan: values.iter().filter(|value| value.is_nan()).count() as u64,
            infinite: values.iter().filter(|value| value.is_infinite()).count() as u64,
            edges,
        };
        for &value in values.iter().filter(|value| value.is_finite()) {
            let at = histogram.bin(value);
            histogram.counts[at] += 1;
        }
        Ok(histogram)
    }

    /// Counts that are known: `counts[i]` values lie from `edges[i]` to below `edges[i + 1]`, the last ones up to their
    /// upper edge.
    ///
    /// # Errors
    /// Unless there are 1 to 1000 counts, one edge more, and the edges are finite and rise.
    pub fn from_counts(edges: &[f64], counts: &[u64]) -> Result<Histogram> {
        let rises =
            edges.windows(2).all(|pair| pair[0] < pair[1]) && edges.iter().all(|edge| edge.is_finite());
        if counts.is_empty() || counts.len() > MOST || edges.len() != counts.len() + 1 || !rises {
            return Err(Error::Argument {
                op: "Histogram::from_counts".into(),
                expected: format!("1 to {MOST} counts and one more edge, the edges finite and rising"),
                got: format!(
                    "{} counts, {} edges{}",
                    counts.len(),
                    edges.len(),
                    if rises { "" } else { " that do not rise" }
                ),
                hint: "Histogram::of counts values by itself.".into(),
            });
        }
        let first = counts.iter().position(|&count| count > 0);
        let last = counts.iter().rposition(|&count| count > 0);
        let ends = first.zip(last).map(|(first, last)| (edges[first], edges[last + 1]));
        let (edges, counts) = (edges.to_vec(), counts.to_vec());
        Ok(Histogram { title: String::new(), edges, counts, ends, nan: 0, infinite: 0 })
    }

    /// Sets the line above the histogram.
    #[must_use]
    pub fn title(mut self, title: &str) -> Histogram {
        self.title = clean(title);
        self
    }

    /// The edges between which values are counted, one more than there are counts.
    #[must_use]
    pub fn edges(&self) -> &[f64] {
        &self.edges
    }

    /// How many values lie between each two edges.
    #[must_use]
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// How many finite values there are.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// How many values were NaN or infinite, and left out.
    #[must_use]
    pub fn not_finite(&self) -> u64 {
        self.nan.saturating_add(self.infinite)
    }

    /// The same, with so many values that were NaN or infinite: where only a part of them was looked at.
    pub(crate) fn with_left_out(self, nan: u64, infinite: u64) -> Histogram {
        Histogram { nan, infinite, ..self }
    }

    /// The value below which a part of the values lies, 0.5 for the median: as if the values of a bin lay evenly in it. The
    /// least value for 0, the greatest for 1; `None` without finite values, or for a part that is not from 0 to 1.
    #[must_use]
    pub fn quantile(&self, part: f64) -> Option<f64> {
        let (least, greatest) = self.ends?;
        if !(0.0..=1.0).contains(&part) {
            return None;
        }
        let wanted = part * self.total() as f64;
        let mut below = 0.0;
        for (at, &count) in self.counts.iter().enumerate() {
            let within = count as f64;
            if count > 0 && below + within >= wanted {
                let place = ((wanted - below) / within).clamp(0.0, 1.0);
                let value = self.edges[at] * (1.0 - place) + self.edges[at + 1] * place;
                return Some(value.clamp(least, greatest));
            }
            below += within;
        }
        Some(greatest)
    }

    /// In which interval a finite value between the edges lies.
    fn bin(&self, value: f64) -> usize {
        self.edges.partition_point(|&edge| edge <= value).saturating_sub(1).min(self.counts.len() - 1)
    }

    /// What is left out, in words.
    fn left_out(&self) -> Option<String> {
        not_finite(self.nan, self.infinite)
    }

    /// The line that says what there is.
    fn headline(&self) -> String {
        let of = match (self.ends, self.quantile(0.5)) {
            (Some((least, greatest)), _) if least == greatest => {
                format!("{}, all {}", values(self.total()), number(least))
            }
            (Some((least, greatest)), Some(median)) => format!(
                "{} from {} to {}, median about {}",
                values(self.total()),
                number(least),
                number(greatest),
                number(median)
            ),
            _ => "no finite values".to_owned(),
        };
        [Some(of), self.left_out()].into_iter().flatten().collect::<Vec<_>>().join("; ")
    }

    /// The histogram as an SVG.
    ///
    /// # Errors
    /// When plotters refuses.
    pub fn svg(&self) -> Result<String> {
        let title = if self.title.is_empty() { "histogram" } else { &self.title };
        draw_document([640, 320], &format!("{title}: {}", self.headline()), |area, _| self.draw(area))
    }

    fn draw(&self, area: &Area<'_>) -> Result<()> {
        let top = draw_title(area, &self.title)?;
        let (_, area) = area.split_vertically(fine(top));
        let most = self.counts.iter().copied().max().unwrap_or(0) as f64;
        let frame = Frame {
            labels: ["", "values"],
            axes: [
                Axis::over(self.edges[0], self.edges[self.edges.len() - 1]),
                Axis::over(0.0, (most * 1.05).max(1.0)),
            ],
            scales: [Scale::Linear; 2],
            whole: [false, true],
        };
        let mut chart = frame.draw(&area)?;
        if most == 0.0 {
            return draw_nothing(&area, &self.headline());
        }
        // The outline of all bars: up and down at each edge.
        let sides = self.edges.windows(2).zip(&self.counts);
        let top = sides.flat_map(|(edges, &count)| [(edges[0], count as f64), (edges[1], count as f64)]);
        let ends = [(self.edges[self.edges.len() - 1], 0.0), (self.edges[0], 0.0)];
        let outline: Vec<(f64, f64)> = top.chain(ends).map(|point| frame.at(point)).collect();
        let fill = color(0).mix(0.35).filled();
        chart.draw_series([Polygon::new(outline.clone(), fill)]).map_err(refused)?;
        let stroke = color(0).stroke_width(FINER as u32);
        let closed = outline.iter().chain(outline.first()).copied();
        chart.draw_series([PathElement::new(closed.collect::<Vec<_>>(), stroke)]).map_err(refused)?;
        Ok(())
    }

    /// The counts as a table with bars; of more than 20 bins some are joined in each line.
    #[must_use]
    pub fn text(&self) -> String {
        let title = if self.title.is_empty() { String::new() } else { format!("{}\n", self.title) };
        let mut text = format!("{title}{}\n", self.headline());
        if self.ends.is_none() {
            return text;
        }
        let joined = self.counts.len().div_ceil(ROWS);
        let rows: Vec<u64> = self
            .counts
            .chunks(joined)
            .map(|counts| counts.iter().fold(0_u64, |sum, count| sum.saturating_add(*count)))
            .collect();
        let most = rows.iter().copied().max().unwrap_or(0).max(1) as f64;
        let mut table = Table::new(&["from", "to", "values", ""]);
        for (at, &count) in rows.iter().enumerate() {
            let end = ((at + 1) * joined).min(self.counts.len());
            let bar = "█".repeat((count as f64 / most * 20.0).round() as usize);
            table.push(&[number(self.edges[at * joined]), number(self.edges[end]), count.to_string(), bar]);
        }
        text += &table.text();
        text
    }

    /// Writes the histogram to a file that ends with `.svg`.
    ///
    /// # Errors
    /// For another ending, or when the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        save(path.as_ref(), "a histogram", || self.svg(), None)
    }
}

/// What was not finite, in words.
fn not_finite(nan: u64, infinite: u64) -> Option<String> {
    let many = |value: u64| count(usize::try_from(value).unwrap_or(usize::MAX));
    match (nan, infinite) {
        (0, 0) => None,
        (nan, 0) => Some(format!("{} NaN left out", many(nan))),
        (0, infinite) => Some(format!("{} infinite left out", many(infinite))),
        (nan, infinite) => Some(format!("{} NaN and {} infinite left out", many(nan), many(infinite))),
    }
}

fn values(total: u64) -> String {
    match total {
        1 => "1 value".to_owned(),
        total => format!("{} values", count(usize::try_from(total).unwrap_or(usize::MAX))),
    }
}

/// Edges of equal distance over the values, wider where there would be no numbers between them.
fn edges((least, greatest): (f64, f64), bins: usize) -> Vec<f64> {
    let middle = least / 2.0 + greatest / 2.0;
    let size = least.abs().max(greatest.abs());
    let half = greatest / 2.0 - least / 2.0;
    let (low, high) = if half == 0.0 || half < 1e-300 {
        let half = (size * LEAST * bins as f64).max(0.5);
        (middle - half, middle + half)
    } else if half < size * LEAST * bins as f64 {
        let half = size * LEAST * bins as f64;
        (middle - half, middle + half)
    } else {
        (least, greatest)
    };
    let (low, high) = (low.max(f64::MIN), high.min(f64::MAX));
    let edge = |at: usize| match at {
        0 => low,
        at if at == bins => high,
        // Each part by itself: their difference could overflow.
        at => low * ((bins - at) as f64 / bins as f64) + high * (at as f64 / bins as f64),
    };
    (0..=bins).map(edge).collect()
}

impl Rich for Histogram {
    fn rich(&self) -> Bundle {
        svg::bundle(self.text(), self.svg())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_rise_whatever_the_values_are() {
        let all =
            [0.0, 5e-324, f64::MIN_POSITIVE, 1e-300, 1e-17, 0.3, 1.0, 1.0 + f64::EPSILON, 1e17, f64::MAX];
        let ends = || all.into_iter().flat_map(|value| [-value, value]);
        for (low, high) in ends().flat_map(|low| ends().map(move |high| (low, high))) {
            if low > high {
                continue;
            }
            for bins in [1, 2, 7, MOST] {
                let edges = edges((low, high), bins);
                assert_eq!(edges.len(), bins + 1);
                assert!(edges.windows(2).all(|pair| pair[0] < pair[1]), "{low:e} to {high:e}, {bins} bins");
                assert!(edges[0] <= low && edges[bins] >= high, "{low:e} to {high:e}, {bins} bins");
            }
        }
    }
}
