//! What an axis spans, in a form that can be drawn whatever the values are.

use std::ops::Range;

/// A span is drawn as it is if half of it lies between these; else in units of a power of ten. plotters looks for
/// the places of its ticks with tolerances that are absolute, and without an end where a span overflows.
const PLAIN: Range<f64> = 1e-6..1e300;

/// An axis that spans at least this part of its values: between numbers that are nearly the same there are none
/// left for ticks.
const LEAST: f64 = 1e-12;

/// What an axis spans, and the unit that it is drawn in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Axis {
    low: f64,
    high: f64,
    unit: f64,
}

impl Axis {
    /// An axis over finite values from `low` to `high`.
    pub(super) fn over(low: f64, high: f64) -> Axis {
        let half = high / 2.0 - low / 2.0;
        let least = low.abs().max(high.abs()) * LEAST / 2.0;
        let (low, high, half) = match half < least {
            true => ((low - least).max(f64::MIN), (high + least).min(f64::MAX), least),
            false => (low, high, half),
        };
        let unit = match PLAIN.contains(&half) || half == 0.0 {
            true => 1.0,
            // As far as there are powers of ten.
            false => 10_f64.powi(half.log10().floor().max(-300.0) as i32),
        };
        Axis { low, high, unit }
    }

    /// What it spans, in its unit.
    pub(super) fn drawn(self) -> Range<f64> {
        self.low / self.unit..self.high / self.unit
    }

    /// Where a value is drawn, in the axis's unit; one outside stands at the end.
    pub(super) fn place(self, value: f64) -> f64 {
        value.clamp(self.low, self.high) / self.unit
    }

    /// Whether the axis reaches to a value.
    pub(super) fn holds(self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }

    /// The value that is drawn at `place`; what is 0 but for rounding is 0.
    pub(super) fn value(self, place: f64) -> f64 {
        let span = self.drawn();
        if place.abs() < (span.end - span.start) * 1e-9 {
            0.0
        } else {
            (place * self.unit).clamp(self.low, self.high)
        }
    }

    /// Both ends and the middle.
    pub(super) fn samples(self) -> [f64; 3] {
        [self.low, self.high, self.low / 2.0 + self.high / 2.0]
    }

    /// How many whole numbers there are between the ends, the ends among them.
    pub(super) fn whole_numbers(self) -> usize {
        ((self.high - self.low) as usize).saturating_add(1)
    }
}

#[cfg(test)]
mod tests {
    use super::Axis;

    #[test]
    fn common_spans_are_drawn_as_they_are() {
        for (low, high) in [(0.0, 1.0), (1.0, 20.0), (-3.0, 1e9), (1e9, 1e9 + 1.0), (0.0, 1e-5)] {
            let axis = Axis::over(low, high);
            assert_eq!((axis.drawn(), axis.place(high)), (low..high, high));
        }
    }

    #[test]
    fn any_span_is_drawn_in_numbers_of_a_common_size() {
        let all =
            [0.0, f64::MIN_POSITIVE, 5e-324, 1e-300, 1e-17, 1.0, 14.91, 14.910000000000002, 1e300, f64::MAX];
        let ends = || all.into_iter().flat_map(|value| [-value, value]);
        for (low, high) in ends().flat_map(|low| ends().map(move |high| (low, high))) {
            if low >= high {
                continue;
            }
            let axis = Axis::over(low, high);
            let drawn = axis.drawn();
            let span = drawn.end - drawn.start;
            assert!(span.is_finite() && span > 0.0 && span <= 2.1e300, "{low} to {high}: {drawn:?}");
            // Below 1e-306 plotters is given a span of nearly nothing, and one tick.
            let wide = high / 2.0 - low / 2.0 < 1e-305 || span >= 1e-6;
            assert!(wide, "{low} to {high}: {drawn:?}");
            let resolved = span >= drawn.start.abs().max(drawn.end.abs()) * 0.9e-12;
            assert!(resolved, "{low} to {high}: {drawn:?}");
            let off = axis.value(axis.place(high)) - high;
            assert!(
                off.abs() <= (high / 2.0 - low / 2.0) * 1e-8 + high.abs() * 1e-12,
                "{low:e} to {high:e}: {off:e}"
            );
        }
    }
}
