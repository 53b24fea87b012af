//! Now one mixture of a batch, now another.

use std::sync::Arc;

use super::refused::refused;
use super::span::check_probability;
use crate::data::{Batch, BatchTransform};
use crate::{Result, Rng};

/// One of several transforms of batches, another for each batch, each as likely; and some batches stay as they are.
///
/// ```
/// use sconce::transforms::{CutMix, MixUp, RandomMix};
///
/// let mix = RandomMix::new().or(MixUp::new(10).alpha(0.8)).or(CutMix::new(10)).probability(0.9);
/// ```
#[derive(Debug, Clone)]
pub struct RandomMix {
    p: f64,
    choices: Vec<Arc<dyn BatchTransform>>,
}

impl Default for RandomMix {
    fn default() -> RandomMix {
        RandomMix::new()
    }
}

impl RandomMix {
    /// Without transforms yet; at least one must follow. Every batch is mixed.
    #[must_use]
    pub fn new() -> RandomMix {
        RandomMix { p: 1.0, choices: Vec::new() }
    }

    /// Adds a transform.
    #[must_use]
    pub fn or(mut self, transform: impl BatchTransform + 'static) -> RandomMix {
        self.choices.push(Arc::new(transform));
        self
    }

    /// Sets how many of the batches are mixed, 0 to 1.
    #[must_use]
    pub fn probability(mut self, p: f64) -> RandomMix {
        self.p = p;
        self
    }
}

impl BatchTransform for RandomMix {
    fn apply(&self, batch: Batch, rng: &mut Rng) -> Result<Batch> {
        check_probability("RandomMix", self.p)?;
        if self.choices.is_empty() {
            return Err(refused(
                "RandomMix",
                "at least one transform",
                "none".into(),
                "Add them by `.or(..)`.",
            ));
        }
        if rng.uniform() >= self.p {
            return Ok(batch);
        }
        match self.choices.get(rng.below(self.choices.len())) {
            Some(transform) => transform.apply(batch, rng),
            None => Ok(batch),
        }
    }
}
