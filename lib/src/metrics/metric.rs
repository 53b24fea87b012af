use std::fmt;

use candle_core::Tensor;

use crate::Result;

/// A metric over samples that are drawn from a fixed set: called with how often each of them was drawn, it gives the value,
/// or an error where it is not defined.
pub type Redrawn = Box<dyn Fn(&[u32]) -> Result<f64> + Send + Sync>;

/// What a metric keeps from batch to batch. Implement it for a metric of your own.
pub trait Accumulate: Send + Sync {
    /// Takes in one batch: the model's output and the targets, as the loss gets them. For classes that is
    /// raw logits (B, C) and u32 labels (B,).
    ///
    /// # Errors
    /// Shapes or values that the metric can't take.
    fn update(&mut self, output: &Tensor, targets: &Tensor) -> Result<()>;

    /// The metric over everything taken in since the start.
    ///
    /// # Errors
    /// Nothing was taken in, or too little.
    fn value(&self) -> Result<f64>;

    /// The same metric with nothing taken in.
    fn fresh(&self) -> Box<dyn Accumulate>;

    /// The metric over samples that are drawn again and again from these, for [`Metric::interval`].
    ///
    /// What is given here takes the rows that were drawn and updates a fresh metric with them: right for any metric whose
    /// samples are the rows of output and targets. A metric that is a sum over samples can do it faster.
    ///
    /// # Errors
    /// Shapes or values that the metric can't take.
    fn redrawn(&self, output: &Tensor, targets: &Tensor) -> Result<Redrawn> {
        let (fresh, output, targets) = (self.fresh(), output.detach(), targets.detach());
        Ok(Box::new(move |times| {
            let rows = (0u32..).zip(times).flat_map(|(row, &times)| std::iter::repeat_n(row, times as usize));
            let rows: Vec<u32> = rows.collect();
            let rows = Tensor::from_slice(&rows, rows.len(), output.device())?;
            let mut metric = fresh.fresh();
            let targets = targets.index_select(&rows.to_device(targets.device())?, 0)?;
            metric.update(&output.index_select(&rows, 0)?, &targets)?;
            metric.value()
        }))
    }

    /// What was taken in, as text, so that a training that is taken up in the middle of an epoch has the metric of all
    /// of it. `None`, unless you say so: the epoch then has no value of the metric.
    fn state(&self) -> Option<String> {
        None
    }

    /// Goes on from what [`Accumulate::state`] gave; false if `state` is nothing that it could have given.
    fn restore(&mut self, _state: &str) -> bool {
        false
    }
}

/// A metric by its name.
pub struct Metric {
    name: String,
    state: Box<dyn Accumulate>,
}

impl Metric {
    /// A metric of your own.
    #[must_use]
    pub fn new(name: impl Into<String>, state: impl Accumulate + 'static) -> Metric {
        Metric { name: name.into(), state: Box::new(state) }
    }

    /// What tables and curves call it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The metric under another name.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Metric {
        self.name = name.into();
        self
    }

    /// Takes in one batch: for classes, raw logits (B, C) and u32 labels (B,).
    ///
    /// # Errors
    /// Shapes or values that the metric can't take.
    pub fn update(&mut self, output: &Tensor, targets: &Tensor) -> Result<()> {
        self.state.update(output, targets)
    }

    /// The metric over everything taken in so far.
    ///
    /// # Errors
    /// Nothing was taken in, or too little.
    pub fn value(&self) -> Result<f64> {
        self.state.value()
    }

    /// What was taken in, as text: see [`Accumulate::state`].
    #[must_use]
    pub fn state(&self) -> Option<String> {
        self.state.state()
    }

    /// Goes on from what [`Metric::state`] of the same metric gave; false, and nothing changed, for anything else.
    pub fn restore(&mut self, state: &str) -> bool {
        self.state.restore(state)
    }

    /// The same metric with nothing taken in.
    #[must_use]
    pub fn fresh(&self) -> Metric {
        Metric { name: self.name.clone(), state: self.state.fresh() }
    }

    pub(super) fn redrawn(&self, output: &Tensor, targets: &Tensor) -> Result<Redrawn> {
        self.state.redrawn(output, targets)
    }
}

impl fmt::Debug for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.value() {
            Ok(value) => write!(f, "{} {value:.4}", self.name),
            Err(_) => write!(f, "{}, nothing taken in", self.name),
        }
    }
}
