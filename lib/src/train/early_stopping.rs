use candle_core::Tensor;

use super::callback::{Callback, Control, EpochEnd, FitBegin, FitEnd};
use super::monitor::Monitor;
use crate::plot::number;
use crate::{Error, Result};

/// Ends a fit when it gets no better for a while, the epochs of earlier fits aside, and gives the model the weights of its best epoch back.
///
/// ```
/// use sconce::prelude::*;
/// use sconce::train::{EarlyStopping, Monitor};
/// # fn main() -> sconce::Result<()> {
/// # let data = datasets::digits()?.split([0.7, 0.15, 0.15], Seed(42))?;
/// # let net = Model::build([1, 8, 8], |x| x.flatten().linear(10))?.init(Seed(42), &Device::Cpu)?;
/// let stopping = EarlyStopping::new(Monitor::metric("accuracy")).patience(2);
/// let mut learner = Learner::new(net, data).optimizer(adamw(0.05)).metric(accuracy()).callback(stopping);
/// let history = learner.fit(100)?;
/// assert!(history.len() < 100);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct EarlyStopping {
    monitor: Monitor,
    patience: usize,
    least: f64,
    weights: Weights,
    best: Vec<(String, Tensor)>,
    /// The epoch that they are of.
    best_epoch: Option<usize>,
    /// How many epochs were complete when the fit began.
    from: usize,
    /// Whether the model is to have them at the fit's end.
    restore: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weights {
    OfBest,
    OfLast,
}

impl EarlyStopping {
    /// Ends a fit after 5 epochs without an improvement of what `monitor` says.
    pub fn new(monitor: Monitor) -> EarlyStopping {
        EarlyStopping {
            monitor,
            patience: 5,
            least: 0.0,
            weights: Weights::OfBest,
            best: Vec::new(),
            best_epoch: None,
            from: 0,
            restore: false,
        }
    }

    /// After how many epochs without an improvement it ends, at least 1.
    pub fn patience(mut self, epochs: usize) -> EarlyStopping {
        self.patience = epochs;
        self
    }

    /// By more than how much an epoch must be better to count as an improvement, at least 0; 0 unless told.
    pub fn least_improvement(mut self, difference: f64) -> EarlyStopping {
        self.least = difference;
        self
    }

    /// Leaves the model the weights of the last epoch.
    pub fn keep_last_weights(mut self) -> EarlyStopping {
        self.weights = Weights::OfLast;
        self
    }
}

impl Callback for EarlyStopping {
    fn on_fit_begin(&mut self, begin: &FitBegin) -> Result<()> {
        let wrong = |expected: &str, got: String| {
            Err(Error::Argument {
                op: "EarlyStopping".into(),
                expected: expected.into(),
                got,
                hint: "A patience of 5 and an improvement of 0 are the defaults.".into(),
            })
        };
        if self.patience == 0 {
            return wrong("a patience of at least 1 epoch", "0".into());
        }
        if !(self.least.is_finite() && self.least >= 0.0) {
            return wrong("a least improvement of at least 0", self.least.to_string());
        }
        self.monitor.check(begin.learner)?;
        // A fit that goes on after an interrupt comes to the same end. The weights of what was before are only known if this
        // callback was there.
        self.from = begin.from;
        let epochs = begin.learner.history().epochs().get(self.from..).unwrap_or_default();
        let best = self.monitor.best(epochs, self.least)?.map(|(epoch, _)| epoch.epoch);
        if best != self.best_epoch {
            (self.best, self.best_epoch) = (Vec::new(), None);
        }
        Ok(())
    }

    fn on_epoch_end(&mut self, end: &EpochEnd) -> Result<Control> {
        let epochs = end.learner.history().epochs().get(self.from..).unwrap_or_default();
        let Some((best, value)) = self.monitor.best(epochs, self.least)? else { return Ok(Control::GoOn) };
        if best.epoch == end.epoch.epoch {
            self.best_epoch = Some(best.epoch);
            if self.weights == Weights::OfBest {
                self.best = end.learner.net().state()?;
            }
            return Ok(Control::GoOn);
        }
        let without = end.epoch.epoch - best.epoch;
        if without < self.patience {
            return Ok(Control::GoOn);
        }
        let mut reason = format!(
            "no better {} than {} of epoch {} for {without} epochs",
            self.monitor.name(),
            number(value),
            best.epoch
        );
        if self.best_epoch == Some(best.epoch) && !self.best.is_empty() {
            self.restore = true;
            reason += ", whose weights the model has again";
        } else if self.weights == Weights::OfBest {
            // Training went on from a file, which has those of its last epoch only.
            reason += ", whose weights were not kept here; the model has the last ones";
        }
        Ok(Control::Stop(reason))
    }
    fn on_fit_end(&mut self, end: &FitEnd) -> Result<()> {
        // Not before: what other callbacks keep of the last epoch is that of the last epoch.
        if std::mem::take(&mut self.restore) {
            end.learner.net().set_state(&self.best)?;
        }
        Ok(())
    }
}
