//! Where an axis has its ticks.

use std::ops::Range;

use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};
use plotters::coord::types::RangedCoordf64;

use super::axis::Axis;
use super::scale::Scale;

/// A span of numbers with ticks at places of our own.
pub(super) struct Ticked {
    span: RangedCoordf64,
    ticks: Vec<f64>,
}

impl Ticked {
    pub(super) fn over(span: Range<f64>, ticks: Vec<f64>) -> Ticked {
        Ticked { span: span.into(), ticks }
    }
}

impl Ranged for Ticked {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        self.span.map(value, limit)
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.ticks.clone()
    }

    fn range(&self) -> Range<f64> {
        self.span.range()
    }
}

/// Round numbers between two.
pub(super) fn between(ends: Range<f64>, most: usize) -> Vec<f64> {
    RangedCoordf64::from(ends).key_points(most)
}

/// Powers of ten; where there are fewer than three also twice and five times them, or else round numbers.
pub(super) fn logarithmic_ticks(axis: Axis, most: usize) -> Vec<f64> {
    let [low, high, _] = axis.samples();
    let decades: Vec<f64> = ((low.ceil() as i32)..=(high.floor() as i32)).map(f64::from).collect();
    if decades.len() > 2 {
        let every = decades.len().div_ceil(most.max(2));
        return decades.into_iter().step_by(every).map(|decade| axis.place(decade)).collect();
    }
    let around = (low.floor() as i32)..=(high.ceil() as i32);
    let parts = around.flat_map(|decade| [1.0_f64, 2.0, 5.0].map(|part| f64::from(decade) + part.log10()));
    let parts: Vec<f64> = parts.filter(|place| axis.holds(*place)).map(|place| axis.place(place)).collect();
    if parts.len() > 2 {
        return parts;
    }
    // Within less than a decade: round numbers of the values themselves, where these can be told apart.
    let values = Scale::Logarithmic.value(low)..Scale::Logarithmic.value(high);
    if values.start > 1e-300 && values.end < 1e300 && values.end > values.start * (1.0 + 1e-6) {
        let unit = 10_f64.powi(low.floor() as i32);
        let round = between(values.start / unit..values.end / unit, most);
        return round.into_iter().map(|value| axis.place((value * unit).log10())).collect();
    }
    between(axis.drawn(), most)
}
