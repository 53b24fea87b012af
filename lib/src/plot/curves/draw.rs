//! How curves are drawn.

use plotters::prelude::*;

use super::Curves;
use crate::Result;
use crate::plot::axis::Axis;
use crate::plot::color::SERIES;
use crate::plot::document::{Area, FINER, fine, refused};
use crate::plot::frame::{
    Chart, Frame, Swatch, color, draw_legend, draw_note, draw_nothing, draw_title, span,
};
use crate::plot::points::{runs, thinned};
use crate::plot::scale::{Scale, placed};

/// Up to so many points, each is marked.
const MARKED: usize = 30;
/// How much of its colour a curve keeps behind its average.
const FAINT: f64 = 0.3;

impl Curves {
    fn points(&self) -> impl Iterator<Item = (f64, f64)> {
        let all = self
            .series
            .iter()
            .flat_map(|series| series.points.iter().map(|&point| placed(self.scales, point)));
        all.filter(|(x, y)| x.is_finite() && y.is_finite())
    }

    /// What the y axis is to span, as the scale places it.
    fn wanted(&self) -> Option<(f64, f64)> {
        let (low, high) = self.y_range?;
        let (low, high) = (self.scales[1].place(low), self.scales[1].place(high));
        (low.is_finite() && high.is_finite()).then_some((low, high))
    }

    /// The x axis and the y axis.
    fn axes(&self) -> [Axis; 2] {
        let over = |(low, high)| Axis::over(low, high);
        // On a logarithmic axis an average may lie below all that is drawn of its curve: it knows the values at 0, too.
        let averages = self.series.iter().filter_map(|series| self.average(series)).flatten();
        let averages = averages.map(|point| placed(self.scales, point).1).filter(|y| y.is_finite());
        let heights = self.points().map(|(_, y)| y).chain(averages);
        let ends = span(self.points().map(|(x, _)| x)).zip(span(heights));
        let Some(((left, right), (low, high))) = ends else {
            return [(0.0, 1.0), self.wanted().unwrap_or((0.0, 1.0))].map(over);
        };
        let x =
            if left < right { (left, right) } else { (left - 0.5, left + 0.5_f64.max(left.abs() * 1e-9)) };
        let room = if high > low { (high / 2.0 - low / 2.0) * 0.1 } else { (high.abs() * 0.1).max(1e-9) };
        // Nothing below zero where no value is: a loss or an accuracy has none.
        let bottom = match self.scales[1] {
            Scale::Linear if low >= 0.0 => (low - room).max(0.0),
            _ => (low - room).max(f64::MIN),
        };
        let y = self.wanted().unwrap_or((bottom, (high + room).min(f64::MAX)));
        [x, y].map(over)
    }

    /// Draws the plot into a part of a document.
    pub(in crate::plot) fn draw(&self, area: &Area<'_>) -> Result<()> {
        let mut y = draw_title(area, &self.title)?;
        if self.series.len() > 1
            || self.series.iter().any(|series| !series.name.is_empty() && series.name != self.title)
        {
            let names = self.series.iter().enumerate();
            let names: Vec<(&str, Swatch)> =
                names.map(|(at, series)| (series.name.as_str(), Swatch::Line(color(at)))).collect();
            y = draw_legend(area, y, &names)?;
        }
        if !self.note.is_empty() {
            y = draw_note(area, y, &self.note)?;
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
        for (at, series) in self.series.iter().enumerate() {
            match self.smoothing {
                None => self.draw_curve(&mut chart, &frame, at, &series.points, 1.0)?,
                Some(_) => self.draw_curve(&mut chart, &frame, at, &series.points, FAINT)?,
            }
        }
        // Above all that is faint.
        for (at, series) in self.series.iter().enumerate() {
            if let Some(average) = self.average(series) {
                self.draw_curve(&mut chart, &frame, at, &average, 1.0)?;
            }
        }
        if self.points().next().is_none() {
            draw_nothing(area, "no points yet")?;
        }
        Ok(())
    }

    fn draw_curve(
        &self,
        chart: &mut Chart<'_, '_>,
        frame: &Frame<'_>,
        series: usize,
        points: &[(f64, f64)],
        opacity: f64,
    ) -> Result<()> {
        let stroke = color(series).mix(opacity).stroke_width(2 * FINER as u32);
        let points: Vec<(f64, f64)> = points.iter().map(|&point| placed(self.scales, point)).collect();
        for run in runs(&points) {
            let mark = points.len() <= MARKED || run.len() == 1;
            if run.len() > 1 {
                let line = thinned(&run).into_iter().map(|point| frame.at(point));
                if series < SERIES.len() {
                    chart.draw_series(LineSeries::new(line, stroke)).map_err(refused)?;
                } else {
                    let dashed = DashedLineSeries::new(line, fine(6.0), fine(4.0), stroke);
                    chart.draw_series(dashed).map_err(refused)?;
                }
            }
            if mark {
                let inside = run.iter().filter(|(_, y)| frame.axes[1].holds(*y));
                let fill = color(series).mix(opacity).filled();
                let marks = inside.map(|&point| Circle::new(frame.at(point), fine(2.5), fill));
                chart.draw_series(marks).map_err(refused)?;
            }
        }
        Ok(())
    }
}
