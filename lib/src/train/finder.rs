use candle_core::DType;
use sconce_display::{Bundle, Content};

use super::learner::{Learner, check_interrupt};
use super::overfit::unreadable;
use crate::nn::Mode;
use crate::plot::{Curves, number};
use crate::progress::{Progress, Unit};
use crate::rich::Rich;
use crate::{Error, Result};

/// How [`Learner::lr_find`] looks for a learning rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LrFindConfig {
    /// The first rate, above 0; 1e-7.
    pub start: f64,
    /// The last rate, above the first one; 10.
    pub end: f64,
    /// How many steps it takes from the one to the other, in equal ratios, at least 10; 100.
    pub steps: usize,
    /// How many times its least value the loss may be before the search ends, above 1; 4.
    pub divergence: f64,
}

impl Default for LrFindConfig {
    fn default() -> LrFindConfig {
        LrFindConfig { start: 1e-7, end: 10.0, steps: 100, divergence: 4.0 }
    }
}

/// How the loss went while the learning rate rose: a curve, and the rates that it suggests. Made by [`Learner::lr_find`].
#[derive(Debug, Clone, PartialEq)]
pub struct LrSearch {
    rates: Vec<f64>,
    losses: Vec<f64>,
}

/// How much of the mean stays at each step.
const SMOOTHING: f64 = 0.98;

impl Learner {
    /// Trains some steps with a learning rate that rises from step to step, to see at which rates the loss falls (Smith 2017, "Cyclical
    /// Learning Rates"). The model, the optimizer and the history are as before then.
    ///
    /// ```
    /// use sconce::prelude::*;
    /// # fn main() -> sconce::Result<()> {
    /// # let data = datasets::digits()?.split([0.7, 0.15, 0.15], Seed(42))?;
    /// # let net = Model::build([1, 8, 8], |x| x.flatten().linear(32).relu().linear(10))?.init(Seed(42), &Device::Cpu)?;
    /// # let mut learner = Learner::new(net, data);
    /// let search = learner.lr_find(LrFindConfig::default())?; // as the last line of a cell: a picture
    /// learner.fit_one_cycle(3, search.suggestion()?)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As for [`Learner::fit`]; settings out of their range; a loss that is not finite at the very first rates.
    pub fn lr_find(&mut self, config: LrFindConfig) -> Result<LrSearch> {
        let op = "Learner::lr_find";
        let wrong = |expected: &str, got: String| {
            Err(Error::Argument {
                op: op.into(),
                expected: expected.into(),
                got,
                hint: "LrFindConfig::default() goes from 1e-7 to 10 in 100 steps.".into(),
            })
        };
        let LrFindConfig { start, end, steps, divergence } = config;
        if !(start > 0.0 && end.is_finite() && start < end) {
            return wrong("a first rate above 0 and a last one above that", format!("{start} and {end}"));
        }
        if steps < 10 {
            return wrong("at least 10 steps", steps.to_string());
        }
        if divergence.is_nan() || divergence <= 1.0 {
            return wrong("a divergence above 1", divergence.to_string());
        }
        self.try_training(|learner| learner.search(config))
    }

    fn search(&mut self, config: LrFindConfig) -> Result<LrSearch> {
        let LrFindConfig { start, end, steps, divergence } = config;
        let ratio = (end / start).ln() / (steps - 1) as f64;
        let mut search = LrSearch { rates: Vec::new(), losses: Vec::new() };
        let mut progress = Progress::start("learning rates", Unit::Steps, Some(steps as u64));
        let (mut mean, mut least) = (0.0, f64::INFINITY);
        let mut epoch = self.history().len() + 1;
        'search: loop {
            let before = search.rates.len();
            for batch in self.train_batches(epoch) {
                let at = search.rates.len();
                check_interrupt(|| format!("while looking for a learning rate, after {at} steps"))?;
                let batch = batch?;
                let rate = start * (ratio * at as f64).exp();
                self.optimizer_mut()?.set_learning_rate(rate)?;
                let mode = Mode::Train(self.seed.derive(&format!("learning rate {at}")));
                let loss = self.objective(&batch, mode)?.total;
                let value: f64 = loss.to_dtype(DType::F64)?.to_scalar()?;
                mean = SMOOTHING * mean + (1.0 - SMOOTHING) * value;
                let smoothed = mean / (1.0 - SMOOTHING.powi(at as i32 + 1));
                if !smoothed.is_finite() || (at > 0 && smoothed > least + (divergence - 1.0) * least.abs()) {
                    break 'search;
                }
                least = least.min(smoothed);
                search.rates.push(rate);
                search.losses.push(smoothed);
                self.update(&mut crate::nn::backward(&loss)?)?;
                progress.at(search.rates.len() as u64)?;
                if search.rates.len() == steps {
                    break 'search;
                }
            }
            if search.rates.len() == before {
                return Err(unreadable("Learner::lr_find"));
            }
            epoch += 1;
        }
        if search.rates.is_empty() {
            return Err(Error::Argument {
                op: "Learner::lr_find".into(),
                expected: "a finite loss before the first step".into(),
                got: "NaN or infinity".into(),
                hint: "Look at the images and the model: learner.fit(1) says where it comes from.".into(),
            });
        }
        Ok(search)
    }
}

impl LrSearch {
    /// The learning rates, rising.
    #[must_use]
    pub fn rates(&self) -> &[f64] {
        &self.rates
    }

    /// The loss at each rate, smoothed over the steps before.
    #[must_use]
    pub fn losses(&self) -> &[f64] {
        &self.losses
    }

    /// A good learning rate for training, or highest one for a cycle: a tenth of the rate with the least loss, which is as far as it
    /// still fell (Smith 2018, "A disciplined approach"; the rule that fastai calls `minimum`).
    ///
    /// # Errors
    /// If the loss does not fall by a twentieth at any rate.
    pub fn suggestion(&self) -> Result<f64> {
        let least = self.least().ok_or_else(|| self.flat())?;
        Ok(self.rates[least] / 10.0)
    }

    /// The rate at which the loss falls fastest, taken over a tenth of the search.
    ///
    /// # Errors
    /// If the loss does not fall by a twentieth at any rate.
    pub fn steepest(&self) -> Result<f64> {
        let least = self.least().ok_or_else(|| self.flat())?;
        let span = (self.rates.len() / 10).max(2);
        let falls = self.losses[..=least].windows(span + 1).map(|losses| losses[span] - losses[0]);
        let steepest = falls.enumerate().min_by(|a, b| a.1.total_cmp(&b.1));
        // What falls within fewer steps than that falls fastest half way.
        Ok(self.rates[steepest.map_or(least / 2, |(at, _)| at + span / 2)])
    }

    /// Where the loss is least, if it has fallen.
    fn least(&self) -> Option<usize> {
        let least = (0..self.losses.len()).min_by(|&a, &b| self.losses[a].total_cmp(&self.losses[b]))?;
        let first = self.losses[0];
        (first - self.losses[least] > 0.05 * first.abs()).then_some(least)
    }

    fn flat(&self) -> Error {
        Error::Argument {
            op: "LrSearch::suggestion".into(),
            expected: "a loss that falls at some learning rate".into(),
            got: format!("one that does not, in {} steps", self.losses.len()),
            hint: "Let the search begin at a lower rate and take more steps, or see whether the model learns at all: \
                   learner.overfit_one_batch(100)."
                .into(),
        }
    }

    /// The loss over the learning rate, which stands in equal ratios, with the suggestion marked.
    #[must_use]
    pub fn curves(&self) -> Curves {
        let points: Vec<(f64, f64)> = self.rates.iter().copied().zip(self.losses.iter().copied()).collect();
        let curves = Curves::new("loss by learning rate").logarithmic_x().x_label("learning rate");
        let mut curves = curves.y_label("loss, smoothed").series("loss", &points);
        for (name, rate) in [("suggestion", self.suggestion()), ("steepest", self.steepest())] {
            if let Some(loss) = rate.as_ref().ok().and_then(|rate| self.loss_at(*rate))
                && let Ok(rate) = rate
            {
                curves = curves.series(name, &[(rate, loss)]);
            }
        }
        curves
    }

    /// The loss at a rate between those that were taken, on the line that is drawn between them.
    fn loss_at(&self, rate: f64) -> Option<f64> {
        let at = self.rates.iter().rposition(|&known| known <= rate)?;
        let [from, to] = [self.losses[at], *self.losses.get(at + 1).unwrap_or(&self.losses[at])];
        let next = *self.rates.get(at + 1).unwrap_or(&rate);
        let part = if next > self.rates[at] {
            (rate / self.rates[at]).ln() / (next / self.rates[at]).ln()
        } else {
            0.0
        };
        Some(from + (to - from) * part)
    }

    fn sentence(&self) -> String {
        match (self.suggestion(), self.steepest()) {
            (Ok(suggestion), Ok(steepest)) => format!(
                "suggested learning rate {}; the loss falls fastest at {}, over {} steps from {} to {}\n",
                number(suggestion),
                number(steepest),
                self.rates.len(),
                number(self.rates[0]),
                number(self.rates[self.rates.len() - 1])
            ),
            (Err(error), _) | (_, Err(error)) => format!("{error}\n"),
        }
    }
}

impl Rich for LrSearch {
    fn rich(&self) -> Bundle {
        let text = format!("{}{}", self.sentence(), self.curves().text());
        self.curves().rich().with("text/plain", Content::Text(text))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn search(losses: &[f64]) -> LrSearch {
        LrSearch {
            rates: (0..losses.len()).map(|at| 10_f64.powi(at as i32 - 5)).collect(),
            losses: losses.to_vec(),
        }
    }

    #[test]
    fn a_tenth_of_the_rate_with_the_least_loss_is_suggested() -> Result<()> {
        // Falling from 1e-5 on, fastest between 1e-3 and 1e-1, least at 1e-1.
        let found = search(&[2.3, 2.29, 2.2, 1.5, 0.9, 1.4, 4.0]);
        assert!((found.suggestion()? - 0.01).abs() < 1e-12);
        assert!((found.steepest()? - 0.01).abs() < 1e-12);
        for flat in [&[2.3, 2.31, 2.29, 2.3][..], &[1.0], &[1.0, 2.0, 3.0]] {
            assert!(search(flat).suggestion().unwrap_err().to_string().contains("overfit_one_batch"));
        }
        // Losses may be below 0.
        assert!((search(&[-0.1, -0.2, -0.4, 0.3]).suggestion()? - 1e-4).abs() < 1e-12);
        Ok(())
    }
}
