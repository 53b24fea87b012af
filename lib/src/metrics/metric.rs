use std::fmt;

use candle_core::Tensor;

use crate::Result;

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

    /// The same metric with nothing taken in.
    #[must_use]
    pub fn fresh(&self) -> Metric {
        Metric { name: self.name.clone(), state: self.state.fresh() }
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
