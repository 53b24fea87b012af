use super::history::Epoch;
use super::learner::Learner;
use crate::metrics::Metric;
use crate::optim::Better;
use crate::{Error, Result};

/// What tells whether one epoch is better than another: the validation loss, a metric.
///
/// ```
/// use sconce::train::Monitor;
///
/// let loss = Monitor::valid_loss();
/// let accuracy = Monitor::metric("accuracy");
/// let error = Monitor::metric("mean absolute error").lower_is_better();
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Monitor {
    watched: Watched,
    better: Better,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Watched {
    TrainLoss,
    ValidLoss,
    Metric(String),
}

impl Default for Monitor {
    fn default() -> Monitor {
        Monitor::valid_loss()
    }
}

impl Monitor {
    /// The loss on the validation part; the lower the better.
    pub fn valid_loss() -> Monitor {
        Monitor { watched: Watched::ValidLoss, better: Better::Lower }
    }

    /// The loss on the training part, where there is no validation part; the lower the better.
    pub fn train_loss() -> Monitor {
        Monitor { watched: Watched::TrainLoss, better: Better::Lower }
    }

    /// A metric of the learner on the validation part, by its name; the higher the better, unless told.
    pub fn metric(name: impl Into<String>) -> Monitor {
        Monitor { watched: Watched::Metric(name.into()), better: Better::Higher }
    }

    /// The lower the better.
    pub fn lower_is_better(mut self) -> Monitor {
        self.better = Better::Lower;
        self
    }

    /// What it is called in tables: `valid loss`, `valid accuracy`.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.watched {
            Watched::TrainLoss => "train loss".into(),
            Watched::ValidLoss => "valid loss".into(),
            Watched::Metric(name) => format!("valid {name}"),
        }
    }

    /// An error if the epochs of this learner will have no such value.
    pub(super) fn check(&self, learner: &Learner) -> Result<()> {
        let names: Vec<&str> = learner.metrics.iter().map(Metric::name).collect();
        let validated = !learner.data.valid.is_empty();
        match &self.watched {
            Watched::TrainLoss => Ok(()),
            Watched::ValidLoss if validated => Ok(()),
            Watched::Metric(name) if validated && names.contains(&name.as_str()) => Ok(()),
            Watched::Metric(_) if validated => Err(self.unknown(&names)),
            _ => Err(self.unvalidated()),
        }
    }

    fn missing(&self, got: String, hint: &str) -> Error {
        Error::Argument {
            op: "Monitor".into(),
            expected: format!("epochs with a {}", self.name()),
            got,
            hint: hint.into(),
        }
    }

    fn unvalidated(&self) -> Error {
        self.missing(
            "a learner whose validation part is empty".into(),
            "Give it a fraction above 0 in split(), or watch Monitor::train_loss().",
        )
    }

    fn unknown(&self, known: &[&str]) -> Error {
        self.missing(
            format!("the metrics {known:?} on the validation part"),
            "Give the learner the metric before: .metric(accuracy()).",
        )
    }

    /// Its value in an epoch.
    ///
    /// # Errors
    /// If the epoch has none: there is no validation part, or no such metric (the error lists them).
    pub fn value(&self, epoch: &Epoch) -> Result<f64> {
        match &self.watched {
            Watched::TrainLoss => Ok(epoch.train_loss),
            Watched::ValidLoss => epoch.valid_loss.ok_or_else(|| self.unvalidated()),
            Watched::Metric(name) => {
                let found = epoch.valid_metrics.iter().find(|(known, _)| known == name);
                let names = || epoch.valid_metrics.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>();
                found.map(|&(_, value)| value).ok_or_else(|| self.unknown(&names()))
            }
        }
    }

    /// Whether `value` is better than `than` by more than `by`, at least 0.
    #[must_use]
    pub fn is_better(&self, value: f64, than: f64, by: f64) -> bool {
        self.better.is_better(value, than, by)
    }

    pub(super) fn better(&self) -> Better {
        self.better
    }

    /// The best of some epochs, the first of equal ones, and its value; `None` of none.
    pub(super) fn best<'a>(&self, epochs: &'a [Epoch], by: f64) -> Result<Option<(&'a Epoch, f64)>> {
        let mut best: Option<(&Epoch, f64)> = None;
        for epoch in epochs {
            let value = self.value(epoch)?;
            if best.is_none_or(|(_, least)| self.is_better(value, least, by)) {
                best = Some((epoch, value));
            }
        }
        Ok(best)
    }
}
