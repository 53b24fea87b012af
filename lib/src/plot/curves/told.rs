//! Curves in words.

use super::average::averages;
use super::{Curves, Series};
use crate::plot::number::{count, number};
use crate::plot::points::spread;
use crate::plot::scale::Scale;
use crate::plot::sparkline::sparkline;
use crate::plot::table::Table;

/// A table has at most so many lines.
const ROWS: usize = 20;

impl Curves {
    /// What a screen reader says.
    pub(in crate::plot) fn description(&self) -> String {
        let title = if self.title.is_empty() { "curves" } else { &self.title };
        let lasts = self.series.iter().filter_map(|series| {
            let (x, y) = series.points.last()?;
            let average = self.average(series).and_then(|average| average.last().map(|point| point.1));
            let average = average.map_or(String::new(), |average| format!(", smoothed {}", number(average)));
            Some(format!("{} ends at {} (x = {}){average}", series.name, number(*y), number(*x)))
        });
        let all = [title.to_owned()].into_iter().chain(lasts).chain(self.notes());
        all.collect::<Vec<_>>().join("; ")
    }

    /// The average of a curve, where one is drawn.
    pub(super) fn average(&self, series: &Series) -> Option<Vec<(f64, f64)>> {
        let weight = self.smoothing?;
        Some(series.average.clone().unwrap_or_else(|| averages(&series.points, weight)))
    }

    /// What is special about the picture.
    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if !self.note.is_empty() {
            notes.push(self.note.clone());
        }
        if let Some(weight) = self.smoothing {
            notes.push(format!("smoothed: the exponential average with weight {}", number(weight)));
        }
        for (axis, scale) in ["x", "y"].into_iter().zip(self.scales) {
            if scale == Scale::Linear {
                continue;
            }
            let along = |&(x, y): &(f64, f64)| if axis == "x" { x } else { y };
            let values = self.series.iter().flat_map(|series| series.points.iter().map(along));
            let nowhere = values.filter(|value| value.is_finite() && *value <= 0.0).count();
            notes.push(match nowhere {
                0 => format!("{axis} is logarithmic"),
                nowhere => format!("{axis} is logarithmic; {} not above 0 left out", count(nowhere)),
            });
        }
        notes
    }

    /// The curves as sparklines and a table: a line for each x, at most 20 of them spread evenly. The table holds the
    /// values as they are, also where the picture shows their average.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        if !self.title.is_empty() {
            text += &format!("{}\n", self.title);
        }
        for note in self.notes() {
            text += &format!("({note})\n");
        }
        let widest = self.series.iter().map(|series| series.name.chars().count()).max().unwrap_or(0);
        for series in &self.series {
            let average = self.average(series);
            let shown = average.as_ref().unwrap_or(&series.points);
            let values: Vec<f64> = shown.iter().map(|point| self.scales[1].place(point.1)).collect();
            text += format!("{:<widest$}  {}", series.name, sparkline(&values)).trim_end();
            if let Some((_, last)) = average.as_ref().and_then(|average| average.last()) {
                text += &format!("  ends at {}", number(*last));
            }
            text.push('\n');
        }
        let mut xs: Vec<f64> =
            self.series.iter().flat_map(|series| series.points.iter().map(|point| point.0)).collect();
        xs.sort_by(f64::total_cmp);
        xs.dedup();
        let x_name = if self.x_label.is_empty() { "x" } else { &self.x_label };
        let names = self.series.iter().map(|series| series.name.as_str());
        let mut table = Table::new(&[x_name].into_iter().chain(names).collect::<Vec<_>>());
        for x in spread(&xs, ROWS) {
            let value = |series: &Series| {
                // Where a curve goes back, what came last.
                let found = series.points.iter().rfind(|point| point.0.total_cmp(&x).is_eq());
                found.map_or(String::new(), |point| number(point.1))
            };
            let values = self.series.iter().map(value);
            table.push(&[number(x)].into_iter().chain(values).collect::<Vec<_>>());
        }
        if table.is_empty() {
            text += "no points yet\n";
        } else {
            text += &table.text();
        }
        text
    }
}
