//! Curves over epochs or steps.

use std::ops::Range;
use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use sconce_display::Bundle;

use super::axis::Axis;
use super::color::SERIES;
use super::number::number;
use super::panels::Panels;
use super::points::{runs, spread, thinned};
use super::save::save;
use super::sparkline::sparkline;
use super::svg::{self, FONT, fitted, printable, text_width};
use super::table::Table;
use crate::rich::Rich;
use crate::{Error, Result};

/// plotters draws on whole pixels. Drawing at twice the size makes half pixels possible.
pub(super) const FINER: i32 = 2;
/// plotters writes font sizes divided by this.
const FONT_UNIT: f64 = 1.24;
const INK: RGBColor = RGBColor(31, 35, 40);
const MUTED: RGBColor = RGBColor(87, 96, 106);
const GRID: RGBColor = RGBColor(232, 236, 240);
const AXIS: RGBColor = RGBColor(140, 149, 159);
const TITLE: f64 = 14.0;
const LABEL: f64 = 12.0;
const MARGIN: f64 = 12.0;
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
    x_scale: Scale,
    series: Vec<(String, Vec<(f64, f64)>)>,
}

/// How far apart values are drawn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Scale {
    #[default]
    Linear,
    /// Equal ratios are equal distances.
    Logarithmic,
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
        self.x_scale = Scale::Logarithmic;
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

    /// Where a point is drawn along the axes.
    fn drawn(&self, (x, y): (f64, f64)) -> (f64, f64) {
        match self.x_scale {
            Scale::Linear => (x, y),
            Scale::Logarithmic => (x.log10(), y),
        }
    }

    fn points(&self) -> impl Iterator<Item = (f64, f64)> {
        let all = self.series.iter().flat_map(|(_, points)| points.iter().map(|&point| self.drawn(point)));
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
        draw_document([640, 360], &self.description(), |area| self.draw(area))
    }

    /// Draws the plot into a part of a document that is `FINER` times as large as shown.
    pub(super) fn draw(&self, area: &DrawingArea<SVGBackend<'_>, Shift>) -> Result<()> {
        let (width, _) = area.dim_in_pixel();
        let width = f64::from(width) / f64::from(FINER);
        let mut y = MARGIN;
        if !self.title.is_empty() {
            let title = fitted(&self.title, TITLE, width - 2.0 * MARGIN);
            let font = (FONT, TITLE * f64::from(FINER) * FONT_UNIT, FontStyle::Bold).into_font();
            let style = font.color(&INK).pos(Pos::new(HPos::Left, VPos::Top));
            text(area, &title, [MARGIN, y], &style)?;
            y += TITLE + 8.0;
        }
        if self.series.len() > 1
            || self.series.iter().any(|(name, _)| !name.is_empty() && *name != self.title)
        {
            y = self.draw_legend(area, y, width)?;
        }
        let (_, chart_area) = area.split_vertically(fine(y));
        self.draw_chart(&chart_area)
    }

    /// The names with their colours, in as many lines as they need; returns where the last one ends.
    fn draw_legend(&self, area: &DrawingArea<SVGBackend<'_>, Shift>, top: f64, width: f64) -> Result<f64> {
        let (mut x, mut y) = (MARGIN, top);
        for (at, (name, _)) in self.series.iter().enumerate() {
            let name = fitted(name, LABEL, 180.0);
            let needed = 22.0 + text_width(&name, LABEL) + 14.0;
            if x > MARGIN && x + needed > width - MARGIN {
                (x, y) = (MARGIN, y + LABEL + 6.0);
            }
            let middle = y + LABEL / 2.0;
            let swatch = [(fine(x), fine(middle)), (fine(x + 16.0), fine(middle))];
            area.draw(&PathElement::new(swatch, color(at).stroke_width(3 * FINER as u32)))
                .map_err(refused)?;
            let style = style(LABEL, &INK).pos(Pos::new(HPos::Left, VPos::Center));
            text(area, &name, [x + 22.0, middle], &style)?;
            x += needed;
        }
        Ok(y + LABEL + 4.0)
    }

    fn draw_chart(&self, area: &DrawingArea<SVGBackend<'_>, Shift>) -> Result<()> {
        let [x_axis, y_axis] = self.axes();
        let decades = self.x_scale == Scale::Logarithmic && x_axis.whole_numbers() > 2;
        // Of a logarithm only the powers of ten are named, where there are some.
        let whole = decades || self.points().all(|(x, _)| x.fract() == 0.0);
        let y_tick = |place: &f64| number(y_axis.value(*place));
        let x_tick = |place: &f64| {
            let value = x_axis.value(*place);
            let near = value.round();
            // Between epoch 1 and 2 there is nothing to name.
            if whole && (near - value).abs() > 1e-9 {
                String::new()
            } else {
                let value = if whole { near } else { value };
                number(if self.x_scale == Scale::Logarithmic { 10_f64.powf(value) } else { value })
            }
        };
        // No grid line where nothing is named.
        let x_ticks = if whole { x_axis.whole_numbers().min(10) } else { 10 };
        let (_, height) = area.dim_in_pixel();
        let ticks = (height as usize / (40 * FINER as usize)).clamp(2, 8);
        let widest = y_axis.samples().map(|value| number(value).len());
        let widest = widest.into_iter().max().unwrap_or(4).clamp(4, 9);
        let y_room = widest as f64 * 6.5 + 12.0 + if self.y_label.is_empty() { 0.0 } else { LABEL + 6.0 };
        let x_room = LABEL + 12.0 + if self.x_label.is_empty() { 0.0 } else { LABEL + 6.0 };
        let mut chart = ChartBuilder::on(area)
            .margin_left(fine(4.0))
            .margin_right(fine(MARGIN + 4.0))
            .margin_top(fine(6.0))
            .margin_bottom(fine(6.0))
            .x_label_area_size(fine(x_room))
            .y_label_area_size(fine(y_room))
            .build_cartesian_2d(x_axis.drawn(), y_axis.drawn())
            .map_err(refused)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID.stroke_width(FINER as u32))
            .axis_style(AXIS.stroke_width(FINER as u32))
            .set_all_tick_mark_size(fine(4.0))
            .label_style(style(LABEL, &MUTED))
            .axis_desc_style(style(LABEL, &INK))
            .x_desc(self.x_label.as_str())
            .y_desc(self.y_label.as_str())
            .x_labels(x_ticks)
            .y_labels(ticks)
            .x_label_formatter(&x_tick)
            .y_label_formatter(&y_tick)
            .draw()
            .map_err(refused)?;
        for (at, (_, points)) in self.series.iter().enumerate() {
            let stroke = color(at).stroke_width(2 * FINER as u32);
            let place = |(x, y): (f64, f64)| (x_axis.place(x), y_axis.place(y));
            let points: Vec<(f64, f64)> = points.iter().map(|&point| self.drawn(point)).collect();
            for run in runs(&points) {
                let mark = points.len() <= MARKED || run.len() == 1;
                if run.len() > 1 {
                    let line = thinned(&run).into_iter().map(place);
                    if at < SERIES.len() {
                        chart.draw_series(LineSeries::new(line, stroke)).map_err(refused)?;
                    } else {
                        let dashed = DashedLineSeries::new(line, fine(6.0), fine(4.0), stroke);
                        chart.draw_series(dashed).map_err(refused)?;
                    }
                }
                if mark {
                    let inside = run.iter().filter(|(_, y)| y_axis.holds(*y));
                    let marks = inside.map(|&point| Circle::new(place(point), fine(2.5), color(at).filled()));
                    chart.draw_series(marks).map_err(refused)?;
                }
            }
        }
        if self.points().next().is_none() {
            let (width, height) = area.dim_in_pixel();
            let style = style(LABEL, &MUTED).pos(Pos::new(HPos::Center, VPos::Center));
            let middle = (width as i32 / 2, height as i32 / 2);
            area.draw(&Text::new("no points yet", middle, &style)).map_err(refused)?;
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

/// An SVG document of `size`, its parts drawn `FINER` times as large.
pub(super) fn draw_document(
    size: [u32; 2],
    description: &str,
    draw: impl FnOnce(&DrawingArea<SVGBackend<'_>, Shift>) -> Result<()>,
) -> Result<String> {
    let fine = size.map(|side| side * FINER as u32);
    let mut drawn = String::new();
    {
        let area = SVGBackend::with_string(&mut drawn, (fine[0], fine[1])).into_drawing_area();
        draw(&area)?;
        area.present().map_err(refused)?;
    }
    // The root element that plotters wrote makes way for one that halves the size and describes the plot.
    let body = drawn.split_once(">\n").map_or(drawn.as_str(), |(_, body)| body);
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

fn refused(error: impl std::fmt::Display) -> Error {
    Error::Drawing { what: "curves", message: error.to_string() }
}

fn fine(length: f64) -> i32 {
    (length * f64::from(FINER)).round() as i32
}

fn color(series: usize) -> RGBColor {
    SERIES[series % SERIES.len()]
}

fn style(size: f64, color: &RGBColor) -> TextStyle<'static> {
    (FONT, size * f64::from(FINER) * FONT_UNIT).into_font().color(color)
}

fn text(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    text: &str,
    at: [f64; 2],
    style: &TextStyle<'_>,
) -> Result<()> {
    area.draw(&Text::new(text.to_owned(), (fine(at[0]), fine(at[1])), style)).map_err(refused)
}

/// plotters escapes markup, but lets characters through that XML has no place for.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_whitespace() { ' ' } else { printable(c) }).collect()
}
