//! From where to where a random number may be.

use std::ops::{Range, RangeInclusive};

use super::refused::refused;
use crate::{Result, Rng};

/// The least and the greatest value of a number that is drawn anew for each image, every one in between as
/// likely. `0.5..1.5` and `0.5..=1.5` are spans; a plain number is a span of one value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Span {
    /// The least value.
    pub low: f64,
    /// The greatest value.
    pub high: f64,
}

impl From<f64> for Span {
    fn from(value: f64) -> Span {
        Span { low: value, high: value }
    }
}

impl From<Range<f64>> for Span {
    fn from(range: Range<f64>) -> Span {
        Span { low: range.start, high: range.end }
    }
}

impl From<RangeInclusive<f64>> for Span {
    fn from(range: RangeInclusive<f64>) -> Span {
        Span { low: *range.start(), high: *range.end() }
    }
}

impl Span {
    /// From `-reach` to `reach`.
    #[must_use]
    pub fn around_zero(reach: f64) -> Span {
        Span { low: -reach, high: reach }
    }

    /// Refuses a span that is no span, or reaches out of `within`.
    pub(super) fn check(&self, op: &str, name: &str, within: Span) -> Result<()> {
        let Span { low, high } = *self;
        if low.is_finite() && high.is_finite() && low <= high && low >= within.low && high <= within.high {
            return Ok(());
        }
        Err(refused(
            op,
            &format!("{name} from a lower to a higher number, within {} and {}", within.low, within.high),
            format!("{low} to {high}"),
            "Write it as a range: `0.5..=1.0`.",
        ))
    }

    /// One of its numbers.
    pub(super) fn draw(&self, rng: &mut Rng) -> f64 {
        self.low + (self.high - self.low) * rng.uniform()
    }

    /// One of its numbers, a factor as likely as its inverse: uniform in the logarithm.
    pub(super) fn draw_factor(&self, rng: &mut Rng) -> f64 {
        Span { low: self.low.ln(), high: self.high.ln() }.draw(rng).exp()
    }
}

/// All numbers above 0 that are of any use.
pub(super) const POSITIVE: Span = Span { low: f64::MIN_POSITIVE, high: 1e9 };

/// Refuses a probability that is none.
pub(super) fn check_probability(op: &str, p: f64) -> Result<()> {
    if (0.0..=1.0).contains(&p) {
        return Ok(());
    }
    Err(refused(op, "a probability from 0 to 1", p.to_string(), "0.5 is every other image."))
}
