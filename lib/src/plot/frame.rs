//! What stands around a plot: title, legend and axes.

use plotters::chart::ChartContext;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::axis::Axis;
use super::color::SERIES;
use super::document::{Area, FINER, INK, LABEL, MARGIN, MUTED, TITLE, bold, fine, refused, style, text};
use super::number::number;
use super::scale::Scale;
use super::svg::{fitted, text_width};
use super::ticks::{Ticked, between, logarithmic_ticks};
use crate::Result;

const GRID: RGBColor = RGBColor(232, 236, 240);
const AXIS: RGBColor = RGBColor(140, 149, 159);
/// A legend names at most so many.
pub(super) const NAMED: usize = 40;

/// A part of a document in which points of two numbers have a place.
pub(super) type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<Ticked, Ticked>>;

/// How a series is shown in the legend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Swatch {
    Line(RGBColor),
    Square(RGBColor),
    Circle(RGBColor),
    Cross(RGBColor),
}

/// The axes of a plot.
pub(super) struct Frame<'a> {
    pub(super) labels: [&'a str; 2],
    /// What they span, as the scale places it.
    pub(super) axes: [Axis; 2],
    pub(super) scales: [Scale; 2],
    /// Along which axis all values are whole numbers, and only those are named.
    pub(super) whole: [bool; 2],
}

/// The colour of a series; after as many as there are they begin anew.
pub(super) fn color(series: usize) -> RGBColor {
    SERIES[series % SERIES.len()]
}

/// The least and the greatest of what is finite.
pub(super) fn span(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let ends = (f64::INFINITY, f64::NEG_INFINITY);
    let (low, high) = values
        .filter(|value| value.is_finite())
        .fold(ends, |(low, high), value| (low.min(value), high.max(value)));
    (low <= high).then_some((low, high))
}

/// The title, where there is one; returns where the next thing may begin.
pub(super) fn draw_title(area: &Area<'_>, title: &str) -> Result<f64> {
    if title.is_empty() {
        return Ok(MARGIN);
    }
    let (width, _) = area.dim_in_pixel();
    let title = fitted(title, TITLE, f64::from(width) / f64::from(FINER) - 2.0 * MARGIN);
    text(area, &title, [MARGIN, MARGIN], &bold(TITLE, &INK).pos(Pos::new(HPos::Left, VPos::Top)))?;
    Ok(MARGIN + TITLE + 8.0)
}

/// The names with their colours, in as many lines as they need; returns where the last one ends.
pub(super) fn draw_legend(area: &Area<'_>, top: f64, names: &[(&str, Swatch)]) -> Result<f64> {
    let (width, height) = area.dim_in_pixel();
    let [width, height] = [width, height].map(|side| f64::from(side) / f64::from(FINER));
    let (mut x, mut y) = (MARGIN, top);
    let more = names.len().checked_sub(NAMED).filter(|more| *more > 0).map(|more| format!("and {more} more"));
    let shown = names.iter().take(NAMED).map(|(name, swatch)| (*name, Some(*swatch)));
    for (name, swatch) in shown.chain(more.iter().map(|more| (more.as_str(), None))) {
        let name = fitted(name, LABEL, 180.0);
        let needed = 22.0 + text_width(&name, LABEL) + 14.0;
        if x > MARGIN && x + needed > width - MARGIN {
            // The plot itself needs its room; the text names all.
            if y + 2.0 * LABEL > 0.4 * height {
                let style = style(LABEL, &INK).pos(Pos::new(HPos::Right, VPos::Center));
                text(area, "…", [width - 2.0, y + LABEL / 2.0], &style)?;
                break;
            }
            (x, y) = (MARGIN, y + LABEL + 6.0);
        }
        let middle = y + LABEL / 2.0;
        if let Some(swatch) = swatch {
            draw_swatch(area, [x, middle], swatch)?;
        }
        let style = style(LABEL, &INK).pos(Pos::new(HPos::Left, VPos::Center));
        text(area, &name, [x + 22.0, middle], &style)?;
        x += needed;
    }
    Ok(y + LABEL + 4.0)
}

fn draw_swatch(area: &Area<'_>, [x, y]: [f64; 2], swatch: Swatch) -> Result<()> {
    let at = |dx: f64, dy: f64| (fine(x + 8.0 + dx), fine(y + dy));
    match swatch {
        Swatch::Line(color) => {
            let stroke = color.stroke_width(3 * FINER as u32);
            area.draw(&PathElement::new([at(-8.0, 0.0), at(8.0, 0.0)], stroke)).map_err(refused)
        }
        Swatch::Square(color) => {
            area.draw(&Rectangle::new([at(-4.0, -4.0), at(4.0, 4.0)], color.filled())).map_err(refused)
        }
        Swatch::Circle(color) => {
            area.draw(&Circle::new(at(0.0, 0.0), fine(4.0), color.filled())).map_err(refused)
        }
        Swatch::Cross(color) => {
            let stroke = color.stroke_width(2 * FINER as u32);
            for turn in [1.0, -1.0] {
                let way = [at(-4.0, -4.0 * turn), at(4.0, 4.0 * turn)];
                area.draw(&PathElement::new(way, stroke)).map_err(refused)?;
            }
            Ok(())
        }
    }
}

/// A line in a small print; returns where it ends.
pub(super) fn draw_note(area: &Area<'_>, top: f64, note: &str) -> Result<f64> {
    let (width, _) = area.dim_in_pixel();
    let note = fitted(note, LABEL, f64::from(width) / f64::from(FINER) - 2.0 * MARGIN);
    text(area, &note, [MARGIN, top], &style(LABEL, &MUTED).pos(Pos::new(HPos::Left, VPos::Top)))?;
    Ok(top + LABEL + 6.0)
}

/// Says in the middle of a plot why there is nothing.
pub(super) fn draw_nothing(area: &Area<'_>, why: &str) -> Result<()> {
    let (width, height) = area.dim_in_pixel();
    let style = style(LABEL, &MUTED).pos(Pos::new(HPos::Center, VPos::Center));
    let middle = (width as i32 / 2, height as i32 / 2);
    area.draw(&Text::new(why.to_owned(), middle, &style)).map_err(refused)
}

impl Frame<'_> {
    /// Where a placed point is drawn, in the units of the axes.
    pub(super) fn at(&self, (x, y): (f64, f64)) -> (f64, f64) {
        (self.axes[0].place(x), self.axes[1].place(y))
    }

    /// What stands at a place on an axis; nothing between whole numbers.
    fn tick(&self, axis: usize, place: f64) -> String {
        let value = self.axes[axis].value(place);
        let near = value.round();
        let whole = self.names_whole(axis);
        // Between epoch 1 and 2 there is nothing to name.
        if whole && (near - value).abs() > 1e-9 {
            return String::new();
        }
        number(self.scales[axis].value(if whole { near } else { value }))
    }

    fn names_whole(&self, axis: usize) -> bool {
        self.whole[axis] && self.scales[axis] == Scale::Linear
    }

    /// Where an axis has its ticks, about so many.
    fn ticks(&self, axis: usize, most: usize) -> Vec<f64> {
        let ends = self.axes[axis];
        match self.scales[axis] {
            Scale::Logarithmic => logarithmic_ticks(ends, most),
            // No grid line where nothing is named.
            Scale::Linear if self.whole[axis] => between(ends.drawn(), ends.whole_numbers().min(most)),
            Scale::Linear => between(ends.drawn(), most),
        }
    }

    /// Draws the axes, and gives what lies between them.
    pub(super) fn draw<'a, 'b>(&self, area: &'a Area<'b>) -> Result<Chart<'a, 'b>> {
        let [x_axis, y_axis] = self.axes;
        let (_, height) = area.dim_in_pixel();
        let ticks = (height as usize / (40 * FINER as usize)).clamp(2, 8);
        let widest = y_axis.samples().map(|value| number(self.scales[1].value(value)).len());
        let widest = widest.into_iter().max().unwrap_or(4).clamp(4, 9);
        let room = |label: &str| if label.is_empty() { 0.0 } else { LABEL + 6.0 };
        let y_room = widest as f64 * 6.5 + 12.0 + room(self.labels[1]);
        let x_room = LABEL + 12.0 + room(self.labels[0]);
        let mut chart = ChartBuilder::on(area)
            .margin_left(fine(4.0))
            .margin_right(fine(MARGIN + 4.0))
            .margin_top(fine(6.0))
            .margin_bottom(fine(6.0))
            .x_label_area_size(fine(x_room))
            .y_label_area_size(fine(y_room))
            .build_cartesian_2d(
                Ticked::over(x_axis.drawn(), self.ticks(0, 10)),
                Ticked::over(y_axis.drawn(), self.ticks(1, ticks)),
            )
            .map_err(refused)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID.stroke_width(FINER as u32))
            .axis_style(AXIS.stroke_width(FINER as u32))
            .set_all_tick_mark_size(fine(4.0))
            .label_style(style(LABEL, &MUTED))
            .axis_desc_style(style(LABEL, &INK))
            .x_desc(self.labels[0])
            .y_desc(self.labels[1])
            .x_label_formatter(&|place| self.tick(0, *place))
            .y_label_formatter(&|place| self.tick(1, *place))
            .draw()
            .map_err(refused)?;
        Ok(chart)
    }
}
