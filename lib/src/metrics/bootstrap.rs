//! How much of a metric is luck of the sample.

use candle_core::Tensor;
use rayon::prelude::*;
use sconce_display::Bundle;

use super::metric::Metric;
use super::refused::argument;
use crate::plot::{count, number, percent};
use crate::progress::{Progress, Unit};
use crate::rich::Rich;
use crate::{Error, Result, Seed};

/// Between two looks at the interrupt flag.
const ROUND: usize = 64;
/// More resamples than anybody waits for.
const MOST: usize = 10_000_000;
/// At least this part of the resamples must have a value.
const DEFINED: f64 = 0.9;

/// How an [`Interval`] is found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Confidence {
    /// How much of the resamples lies between the ends, in `(0, 1)`; 0.95.
    pub level: f64,
    /// How often the samples are drawn anew; 1000.
    pub resamples: usize,
    /// Where drawing starts; `Seed(42)`.
    pub seed: Seed,
}

impl Default for Confidence {
    fn default() -> Confidence {
        Confidence { level: 0.95, resamples: 1000, seed: Seed(42) }
    }
}

/// Where a metric would lie if other samples had been drawn: the percentile bootstrap (Efron 1979). As many samples as
/// there are, are drawn from them with replacement, again and again; the ends cut off the same share of the metric's values
/// below and above.
///
/// It says how much comes from the choice of the samples. It does not say what another training run would give.
#[derive(Debug, Clone, PartialEq)]
pub struct Interval {
    /// The metric's name.
    pub name: String,
    /// The metric over the samples as they are.
    pub value: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// How much of the resamples lies between the ends.
    pub level: f64,
    /// How many resamples have a value.
    pub resamples: usize,
    /// How many have none and are left out: those that lack a class, for a metric that needs it.
    pub undefined: usize,
    /// How many samples there are.
    pub samples: usize,
}

impl Metric {
    /// Where this metric would lie with other samples: the percentile bootstrap over the rows of `output` and `targets`,
    /// which are what [`Metric::update`] takes, for all samples at once. What the metric has taken in before plays no part.
    ///
    /// Metrics that count are fast; one of your own takes an update for each resample, unless it says how to do better
    /// ([`Accumulate::redrawn`](super::Accumulate::redrawn)). The same seed gives the same interval.
    ///
    /// ```
    /// use sconce::prelude::*;
    ///
    /// let logits = Tensor::new(&[1f32, 0.], &Device::Cpu)?.repeat((40, 1))?; // always the first class
    /// let targets: Vec<u32> = (0..40).map(|at| u32::from(at < 10)).collect(); // right in 30 of 40
    /// let interval = accuracy().interval(&logits, &Tensor::new(targets, &Device::Cpu)?, Confidence::default())?;
    /// assert!(interval.low < 0.65 && interval.value == 0.75 && interval.high > 0.85);
    /// # Ok::<(), sconce::Error>(())
    /// ```
    ///
    /// # Errors
    /// Whatever the metric refuses; fewer than two samples, a level outside `(0, 1)`, fewer than 10 resamples or more than ten million; when more
    /// than a tenth of the resamples has no value; [`Error::Interrupted`].
    pub fn interval(&self, output: &Tensor, targets: &Tensor, confidence: Confidence) -> Result<Interval> {
        let op = format!("interval of {}", self.name());
        let Confidence { level, resamples, seed } = confidence;
        if !(level > 0.0 && level < 1.0) {
            return Err(argument(&op, "a level between 0 and 1", level.to_string(), "0.95 is usual."));
        }
        if !(10..=MOST).contains(&resamples) {
            let hint = "1000 give ends that hardly depend on the seed.";
            return Err(argument(&op, format!("10 to {} resamples", count(MOST)), count(resamples), hint));
        }
        let mut whole = self.fresh();
        whole.update(output, targets)?;
        let value = whole.value()?;
        let samples = output.dims().first().copied().unwrap_or(0);
        if samples < 2 {
            let hint = "Nothing varies in one sample.";
            return Err(argument(&op, "at least 2 samples", samples.to_string(), hint));
        }
        let redrawn = self.redrawn(output, targets)?;
        let mut progress = Progress::start(&op, Unit::Resamples, Some(resamples as u64));
        let mut values = Vec::with_capacity(resamples);
        let mut refused = None;
        for start in (0..resamples).step_by(ROUND) {
            progress.at(start as u64)?;
            let round = start..(start + ROUND).min(resamples);
            let drawn: Vec<Result<f64>> = round
                .into_par_iter()
                .map_init(
                    || vec![0u32; samples],
                    |times, resample| {
                        times.fill(0);
                        let mut rng = seed.derive(&format!("resample {resample}")).rng();
                        for _ in 0..samples {
                            times[rng.below(samples)] += 1;
                        }
                        redrawn(times)
                    },
                )
                .collect();
            for outcome in drawn {
                match outcome {
                    Ok(value) => values.push(value),
                    Err(Error::Interrupted { at }) => return Err(Error::Interrupted { at }),
                    Err(error) => refused = refused.or(Some(error)),
                }
            }
        }
        let undefined = resamples - values.len();
        if (values.len() as f64) < DEFINED * resamples as f64 {
            let why =
                refused.map_or_else(String::new, |error| format!(", the first of them for this: {error}"));
            return Err(argument(
                &op,
                "a value for nearly every resample",
                format!("{undefined} of {resamples} without one{why}"),
                "A class of few samples is often missing: take a larger part of the data.",
            ));
        }
        values.sort_by(f64::total_cmp);
        let (low, high) = (quantile(&values, (1.0 - level) / 2.0), quantile(&values, (1.0 + level) / 2.0));
        let (name, resamples) = (self.name().to_owned(), values.len());
        Ok(Interval { name, value, low, high, level, resamples, undefined, samples })
    }
}

/// A quantile of sorted values, on the line between the two next to it.
fn quantile(sorted: &[f64], part: f64) -> f64 {
    let place = part * (sorted.len() - 1) as f64;
    let below = (place.floor() as usize).min(sorted.len() - 1);
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (sorted[above] - sorted[below]) * (place - below as f64)
}

impl Interval {
    /// The ends in words: `0.9 to 0.96`.
    #[must_use]
    pub fn range(&self) -> String {
        format!("{} to {}", number(self.low), number(self.high))
    }

    /// The interval in a line.
    #[must_use]
    pub fn text(&self) -> String {
        let left_out = match self.undefined {
            0 => String::new(),
            undefined => format!(", {} more without a value", count(undefined)),
        };
        format!(
            "{} {}, in {} of resamples {} ({} resamples of {} samples{left_out})",
            self.name,
            number(self.value),
            percent(self.level),
            self.range(),
            count(self.resamples),
            count(self.samples),
        )
    }
}

impl Rich for Interval {
    fn rich(&self) -> Bundle {
        Bundle::text(format!("{}\n", self.text()))
    }
}
