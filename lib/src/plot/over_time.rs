//! A distribution that changes.

use std::path::Path;

use plotters::prelude::*;
use sconce_display::Bundle;

use super::axis::Axis;
use super::document::{Area, FINER, clean, draw_document, fine, refused};
use super::frame::{Frame, color, draw_nothing, draw_title, span};
use super::histogram::Histogram;
use super::number::{count, number};
use super::save::save;
use super::scale::Scale;
use super::svg;
use super::table::Table;
use crate::Result;
use crate::rich::Rich;

/// The parts of the values below the lines of the picture: the ends, and one and a half, one and half a standard deviation
/// of a normal distribution to both sides of the median.
const PARTS: [f64; 9] = [0.0, 0.07, 0.16, 0.31, 0.5, 0.69, 0.84, 0.93, 1.0];
const MEDIAN: usize = PARTS.len() / 2;
/// A picture by itself draws at most so many steps.
pub(super) const STEPS: usize = 200;
/// The text form has at most so many lines.
const ROWS: usize = 20;

/// Histograms at many steps, e.g. of a layer's weights while it trains: a picture of nested bands around the median, from
/// the least to the greatest value, in which lie all, 86 %, 68 % and 38 % of the values.
///
/// Several of them stand side by side in [`Panels::histograms`](super::Panels::histograms).
///
/// ```
/// use sconce::plot::{Histogram, HistogramsOverTime};
///
/// let mut weights = HistogramsOverTime::new("conv1.weight");
/// for step in 0..5 {
///     let values: Vec<f64> = (0..100).map(|at| f64::from(at * step)).collect();
///     weights.push(f64::from(step), Histogram::of(&values, 30)?);
/// }
/// assert!(weights.text().contains("median"));
/// # Ok::<(), sconce::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct HistogramsOverTime {
    title: String,
    x_label: String,
    /// In the order of their steps.
    moments: Vec<Moment>,
    without_step: usize,
}

/// What is kept of a histogram.
#[derive(Debug, Clone, PartialEq)]
struct Moment {
    step: f64,
    /// Where there are finite values: those below which the `PARTS` lie.
    lines: Option<[f64; PARTS.len()]>,
    not_finite: u64,
}

impl HistogramsOverTime {
    /// No histograms yet. The title stands above the picture and may be empty.
    #[must_use]
    pub fn new(title: &str) -> HistogramsOverTime {
        HistogramsOverTime {
            title: clean(title),
            x_label: "step".into(),
            moments: Vec::new(),
            without_step: 0,
        }
    }

    /// Says what the steps are; otherwise `step`.
    #[must_use]
    pub fn x_label(mut self, label: &str) -> HistogramsOverTime {
        self.x_label = clean(label);
        self
    }

    /// Adds the histogram of a step; steps may come in any order. Of a histogram about a hundred bytes are kept. One without
    /// finite values leaves a gap; one whose step is not finite is left out, and the text says so.
    pub fn push(&mut self, step: f64, histogram: Histogram) {
        if !step.is_finite() {
            self.without_step += 1;
            return;
        }
        let mut lines = [0.0; PARTS.len()];
        let mut found = true;
        for (line, part) in lines.iter_mut().zip(PARTS) {
            match histogram.quantile(part) {
                Some(value) => *line = value,
                None => found = false,
            }
        }
        let moment = Moment { step, lines: found.then_some(lines), not_finite: histogram.not_finite() };
        let place = self.moments.partition_point(|known| known.step <= step);
        self.moments.insert(place, moment);
    }

    /// The title.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// How many histograms there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.moments.len()
    }

    /// Whether there is no histogram.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.moments.is_empty()
    }

    /// At most so many moments. One that stands for several reaches as far as any of them.
    fn drawn(&self, most: usize) -> Vec<Moment> {
        let together = self.moments.len().div_ceil(most.max(1)).max(1);
        let joined = |stretch: &[Moment]| {
            let middle = &stretch[stretch.len() / 2];
            let lines = stretch.iter().filter_map(|moment| moment.lines).reduce(|mut all, one| {
                for (at, (all, one)) in all.iter_mut().zip(one).enumerate() {
                    match at.cmp(&MEDIAN) {
                        std::cmp::Ordering::Less => *all = all.min(one),
                        std::cmp::Ordering::Equal => {}
                        std::cmp::Ordering::Greater => *all = all.max(one),
                    }
                }
                all
            });
            let lines = lines.map(|mut lines| {
                lines[MEDIAN] = middle.lines.map_or(lines[MEDIAN], |middle| middle[MEDIAN]);
                lines
            });
            Moment { step: middle.step, lines, not_finite: 0 }
        };
        self.moments.chunks(together).map(joined).collect()
    }

    /// What the picture does not show, in words.
    fn notes(&self, most: usize) -> Vec<String> {
        let together = self.moments.len().div_ceil(most.max(1));
        let mut notes = Vec::new();
        if together > 1 {
            notes.push(format!("each band stands for {together} steps"));
        }
        let not_finite: u64 = self.moments.iter().map(|moment| moment.not_finite).sum();
        if not_finite > 0 {
            let at = self.moments.iter().filter(|moment| moment.not_finite > 0).count();
            let many = count(usize::try_from(not_finite).unwrap_or(usize::MAX));
            notes.push(format!("{many} NaN or infinite values left out, at {}", steps(at)));
        }
        if self.without_step > 0 {
            notes.push(format!("{} left out whose step is not finite", count(self.without_step)));
        }
        notes
    }

    /// The picture as an SVG.
    ///
    /// # Errors
    /// When plotters refuses.
    pub fn svg(&self) -> Result<String> {
        draw_document([640, 360], &self.description(STEPS), |area, _| self.draw(area, STEPS))
    }

    /// What a screen reader says of a picture of at most so many steps.
    pub(super) fn description(&self, most: usize) -> String {
        let title = if self.title.is_empty() { "histograms" } else { &self.title };
        let last = self.moments.iter().rev().find_map(|moment| Some((moment.step, moment.lines?)));
        let ends = last.map(|(step, lines)| {
            format!(
                "at {} {} from {} to {}, median {}",
                if self.x_label.is_empty() { "x" } else { &self.x_label },
                number(step),
                number(lines[0]),
                number(lines[PARTS.len() - 1]),
                number(lines[MEDIAN])
            )
        });
        let all = [format!("{title}: histograms at {}", steps(self.moments.len()))];
        all.into_iter().chain(ends).chain(self.notes(most)).collect::<Vec<_>>().join("; ")
    }

    /// Draws the picture into a part of a document, with at most so many steps.
    pub(super) fn draw(&self, area: &Area<'_>, most: usize) -> Result<()> {
        let top = draw_title(area, &self.title)?;
        let (_, area) = area.split_vertically(fine(top));
        let moments = self.drawn(most);
        let (left, right) = span(moments.iter().map(|moment| moment.step)).unwrap_or((0.0, 1.0));
        let (left, right) = if left < right {
            (left, right)
        } else {
            (left - 0.5_f64.max(left.abs() * 1e-9), left + 0.5_f64.max(left.abs() * 1e-9))
        };
        let lines = moments.iter().filter_map(|moment| moment.lines);
        let (low, high) = span(lines.flatten()).unwrap_or((0.0, 1.0));
        let room = if low < high { (high / 2.0 - low / 2.0) * 0.1 } else { (high.abs() * 0.1).max(1e-9) };
        let frame = Frame {
            labels: [&self.x_label, ""],
            axes: [
                Axis::over(left, right),
                Axis::over((low - room).max(f64::MIN), (high + room).min(f64::MAX)),
            ],
            scales: [Scale::Linear; 2],
            whole: [moments.iter().all(|moment| moment.step.fract() == 0.0), false],
        };
        let mut chart = frame.draw(&area)?;
        if moments.iter().all(|moment| moment.lines.is_none()) {
            let why = if self.is_empty() { "no histograms yet" } else { "no finite values" };
            return draw_nothing(&area, why);
        }
        for run in moments.split(|moment| moment.lines.is_none()).filter(|run| !run.is_empty()) {
            let mut run: Vec<(f64, [f64; PARTS.len()])> =
                run.iter().filter_map(|moment| Some((moment.step, moment.lines?))).collect();
            if let [(step, lines)] = run[..] {
                // By itself it has no width.
                let wide = (right / 2.0 - left / 2.0) * 0.01;
                run = vec![((step - wide).max(left), lines), ((step + wide).min(right), lines)];
            }
            for inner in 0..MEDIAN {
                let lower = run.iter().map(|(step, lines)| (*step, lines[inner]));
                let upper = run.iter().rev().map(|(step, lines)| (*step, lines[PARTS.len() - 1 - inner]));
                let band: Vec<(f64, f64)> = lower.chain(upper).map(|point| frame.at(point)).collect();
                chart.draw_series([Polygon::new(band, color(0).mix(0.2).filled())]).map_err(refused)?;
            }
            let median = run.iter().map(|(step, lines)| frame.at((*step, lines[MEDIAN])));
            let stroke = color(0).stroke_width(2 * FINER as u32);
            chart.draw_series(LineSeries::new(median, stroke)).map_err(refused)?;
        }
        Ok(())
    }

    /// A line for each step, at most 20 of them spread evenly: between what the values lie.
    #[must_use]
    pub fn text(&self) -> String {
        let title = if self.title.is_empty() { String::new() } else { format!("{}\n", self.title) };
        if self.is_empty() {
            return format!("{title}no histograms yet\n");
        }
        let step = if self.x_label.is_empty() { "x" } else { &self.x_label };
        let mut table = Table::new(&[step, "least", "16 %", "median", "84 %", "greatest"]);
        let all = self.moments.len();
        let shown = all.min(ROWS);
        for row in 0..shown {
            let moment = &self.moments[if shown < all { row * (all - 1) / (ROWS - 1) } else { row }];
            let lines = moment.lines.map(|lines| [0, 2, MEDIAN, 6, 8].map(|at| number(lines[at])));
            let lines = lines.unwrap_or_else(|| ["–"; 5].map(str::to_owned));
            table.push(&[number(moment.step)].into_iter().chain(lines).collect::<Vec<_>>());
        }
        let notes = self.notes(STEPS).into_iter().map(|note| format!("{note}\n"));
        format!("{title}{}{}", table.text(), notes.collect::<String>())
    }

    /// Writes the picture to a file that ends with `.svg`.
    ///
    /// # Errors
    /// For another ending, or when the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        save(path.as_ref(), "histograms over time", || self.svg(), None)
    }
}

fn steps(count_of: usize) -> String {
    match count_of {
        1 => "1 step".to_owned(),
        many => format!("{} steps", count(many)),
    }
}

impl Rich for HistogramsOverTime {
    fn rich(&self) -> Bundle {
        svg::bundle(self.text(), self.svg())
    }
}
