//! Curves over epochs or steps.

use std::ops::Range;
use std::path::Path;

use plotters::prelude::*;
use sconce_display::Bundle;

use super::axis::Axis;
use super::color::SERIES;
use super::document::{Area, FINER, clean, draw_document, fine, refused};
use super::frame::{Frame, Swatch, color, draw_legend, draw_nothing, draw_title};
use super::number::number;
use super::panels::Panels;
use super::points::{runs, spread, thinned};
use super::save::save;
use super::scale::{Scale, placed};
use super::sparkline::sparkline;
use super::svg;
use super::table::Table;
use crate::Result;
use crate::rich::Rich;

/// Up to so many points, each is marked.
const MARKED: usize = 30;

/// Named curves over a common x axis, drawn by plotters. What is not finite leaves a gap.
///
/// ```
/// use sconce::plot::Curves;
///
/// let curves = Curves::new("loss")
///     .x_label("epoch")
///     .series("train", &[(1.0, 2.3), (2.0, 0.9), (3.0, 0.4)])
///     .series("valid", &[(1.0, 2.1), (2.0, 1.0), (3.0, 0.6)]);
/// assert!(curves.svg()?.contains("valid"));
/// # Ok::<(), sconce::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Curves {
    title: String,
    x_label: String,
    y_label: String,
    y_range: Option<(f64, f64)>,
    scales: [Scale; 2],
    series: Vec<(String, Vec<(f64, f64)>)>,
}

impl Curves {
    /// A plot without curves. The title stands above it and may be empty.
    #[must_use]
    pub fn new(title: &str) -> Curves {
        Curves { title: clean(title), ..Curves::default() }
    }

    /// Says what x is, e.g. `epoch`.
    #[must_use]
    pub fn x_label(mut self, label: &str) -> Curves {
        self.x_label = clean(label);
        self
    }

    /// Says what y is, e.g. `cross-entropy`.
    #[must_use]
    pub fn y_label(mut self, label: &str) -> Curves {
        self.y_label = clean(label);
        self
    }

    /// Draws equal ratios of x as equal distances, for learning rates and sizes; an x that is not above 0 leaves a gap.
    #[must_use]
    pub fn logarithmic_x(mut self) -> Curves {
        self.scales[0] = Scale::Logarithmic;
        self
    }

    /// Sets what the y axis spans, e.g. `0.0..1.0` for an accuracy; otherwise what the curves need. A range
    /// that is empty or not finite is left aside.
    #[must_use]
    pub fn y_range(mut self, range: Range<f64>) -> Curves {
        let good = range.start.is_finite() && range.end.is_finite() && range.start < range.end;
        self.y_range = good.then_some((range.start, range.end));
        self
    }

    /// Adds a curve through points of `(x, y)`, in the order they are to be joined.
    #[must_use]
    pub fn series(mut self, name: &str, points: &[(f64, f64)]) -> Curves {
        self.series.push((clean(name), points.to_vec()));
        self
    }

    /// The title.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    fn points(&self) -> impl Iterator<Item = (f64, f64)> {
        let all =
            self.series.iter().flat_map(|(_, points)| points.iter().map(|&point| placed(self.scales, point)));
        all.filter(|(x, y)| x.is_finite() && y.is_finite())
    }

    /// The x axis and the y axis.
    fn axes(&self) -> [Axis; 2] {
        let span = |values: &dyn Fn((f64, f64)) -> f64| {
            let ends = (f64::INFINITY, f64::NEG_INFINITY);
            self.points().map(values).fold(ends, |(low, high), value| (low.min(value), high.max(value)))
        };
        let (left, right) = span(&|(x, _)| x);
        let (low, high) = span(&|(_, y)| y);
        let over = |(low, high)| Axis::over(low, high);
        if left > right {
            return [(0.0, 1.0), self.y_range.unwrap_or((0.0, 1.0))].map(over);
        }
        let x =
            if left < right { (left, right) } else { (left - 0.5, left + 0.5_f64.max(left.abs() * 1e-9)) };
        let room = if high > low { (high / 2.0 - low / 2.0) * 0.1 } else { (high.abs() * 0.1).max(1e-9) };
        // Nothing below zero where no value is: a loss or an accuracy has none.
        let bottom = if low >= 0.0 { (low - room).max(0.0) } else { (low - room).max(f64::MIN) };
        let y = self.y_range.unwrap_or((bottom, (high + room).min(f64::MAX)));
        [x, y].map(over)
    }

    /// The plot as an SVG.
    ///
    /// # Errors
    /// When plotters refuses.
    pub fn svg(&self) -> Result<String> {
        draw_document([640, 360], &self.description(), |area, _| self.draw(area))
    }

    /// Draws the plot into a part of a document.
    pub(super) fn draw(&self, area: &Area<'_>) -> Result<()> {
        let mut y = draw_title(area, &self.title)?;
        if self.series.len() > 1
            || self.series.iter().any(|(name, _)| !name.is_empty() && *name != self.title)
        {
            let names = self.series.iter().enumerate();
            let names: Vec<(&str, Swatch)> =
                names.map(|(at, (name, _))| (name.as_str(), Swatch::Line(color(at)))).collect();
            y = draw_legend(area, y, &names)?;
        }
        let (_, chart_area) = area.split_vertically(fine(y));
        self.draw_chart(&chart_area)
    }

    fn draw_chart(&self, area: &Area<'_>) -> Result<()> {
        let frame = Frame {
            labels: [&self.x_label, &self.y_label],
            axes: self.axes(),
            scales: self.scales,
            whole: [self.points().all(|(x, _)| x.fract() == 0.0), false],
        };
        let mut chart = frame.draw(area)?;
        for (at, (_, points)) in self.series.iter().enumerate() {
            let stroke = color(at).stroke_width(2 * FINER as u32);
            let points: Vec<(f64, f64)> = points.iter().map(|&point| placed(self.scales, point)).collect();
            for run in runs(&points) {
                let mark = points.len() <= MARKED || run.len() == 1;
                if run.len() > 1 {
                    let line = thinned(&run).into_iter().map(|point| frame.at(point));
                    if at < SERIES.len() {
                        chart.draw_series(LineSeries::new(line, stroke)).map_err(refused)?;
                    } else {
                        let dashed = DashedLineSeries::new(line, fine(6.0), fine(4.0), stroke);
                        chart.draw_series(dashed).map_err(refused)?;
                    }
                }
                if mark {
                    let inside = run.iter().filter(|(_, y)| frame.axes[1].holds(*y));
                    let marks =
                        inside.map(|&point| Circle::new(frame.at(point), fine(2.5), color(at).filled()));
                    chart.draw_series(marks).map_err(refused)?;
                }
            }
        }
        if self.points().next().is_none() {
            draw_nothing(area, "no points yet")?;
        }
        Ok(())
    }

    /// What a screen reader says.
    pub(super) fn description(&self) -> String {
        let title = if self.title.is_empty() { "curves" } else { &self.title };
        let lasts = self.series.iter().filter_map(|(name, points)| {
            points.last().map(|(x, y)| format!("{name} ends at {} (x = {})", number(*y), number(*x)))
        });
        [title.to_owned()].into_iter().chain(lasts).collect::<Vec<_>>().join("; ")
    }

    /// The curves as sparklines and a table: a line for each x, at most 20 of them spread evenly.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        if !self.title.is_empty() {
            text += &format!("{}\n", self.title);
        }
        let widest = self.series.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        for (name, points) in &self.series {
            let values: Vec<f64> = points.iter().map(|point| point.1).collect();
            text += format!("{name:<widest$}  {}", sparkline(&values)).trim_end();
            text.push('\n');
        }
        let mut xs: Vec<f64> =
            self.series.iter().flat_map(|(_, points)| points.iter().map(|point| point.0)).collect();
        xs.sort_by(f64::total_cmp);
        xs.dedup();
        let x_name = if self.x_label.is_empty() { "x" } else { &self.x_label };
        let names = self.series.iter().map(|(name, _)| name.as_str());
        let mut table = Table::new(&[x_name].into_iter().chain(names).collect::<Vec<_>>());
        for x in spread(&xs, 20) {
            let value = |points: &[(f64, f64)]| {
                let found = points.iter().find(|point| point.0.total_cmp(&x).is_eq());
                found.map_or(String::new(), |point| number(point.1))
            };
            let values = self.series.iter().map(|(_, points)| value(points));
            table.push(&[number(x)].into_iter().chain(values).collect::<Vec<_>>());
        }
        if table.is_empty() {
            text += "no points yet\n";
        } else {
            text += &table.text();
        }
        text
    }

    /// This plot and another one beside it.
    #[must_use]
    pub fn beside(self, other: Curves) -> Panels {
        Panels::new(vec![self, other])
    }

    /// Writes the plot to a file that ends with `.svg`.
    ///
    /// # Errors
    /// For another ending, or when the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        save(path.as_ref(), "curves", || self.svg(), None)
    }
}

impl Rich for Curves {
    fn rich(&self) -> Bundle {
        svg::bundle(self.text(), self.svg())
    }
}
