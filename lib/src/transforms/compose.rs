//! Transforms of transforms: one after the other, one of several, now and then.

use std::sync::Arc;

use super::refused::refused;
use super::span::check_probability;
use crate::data::{Sample, Transform};
use crate::{Result, Rng};

/// Transforms that follow each other. A chain is a transform too.
///
/// ```
/// use sconce::transforms::*;
///
/// let train = Compose::new()
///     .then(RandomResizedCrop::new(224))
///     .then(RandomHorizontalFlip::default())
///     .then(RandomApply::new(0.8, ColorJitter { brightness: 0.4, contrast: 0.4, ..ColorJitter::default() }))
///     .then(RandomChoice::new().or(GaussianBlur::new(9)).or(Sharpness::new(2.0)))
///     .then(Normalize::imagenet());
/// assert_eq!(train.len(), 5);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Compose {
    steps: Vec<Arc<dyn Transform>>,
}

impl Compose {
    /// An empty chain, which changes nothing.
    #[must_use]
    pub fn new() -> Compose {
        Compose::default()
    }

    /// Adds a transform at the end.
    #[must_use]
    pub fn then(mut self, next: impl Transform + 'static) -> Compose {
        self.steps.push(Arc::new(next));
        self
    }

    /// How many transforms there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

impl Transform for Compose {
    fn apply(&self, sample: Sample, rng: &mut Rng) -> Result<Sample> {
        self.steps.iter().try_fold(sample, |sample, step| step.apply(sample, rng))
    }

    fn is_random(&self) -> bool {
        self.steps.iter().any(|step| step.is_random())
    }
}

/// A transform for some of the samples.
#[derive(Debug, Clone)]
pub struct RandomApply {
    p: f64,
    transform: Arc<dyn Transform>,
}

impl RandomApply {
    /// With probability `p`, 0 to 1, `transform`; else nothing.
    #[must_use]
    pub fn new(p: f64, transform: impl Transform + 'static) -> RandomApply {
        RandomApply { p, transform: Arc::new(transform) }
    }
}

impl Transform for RandomApply {
    fn apply(&self, sample: Sample, rng: &mut Rng) -> Result<Sample> {
        check_probability("RandomApply", self.p)?;
        if rng.uniform() < self.p { self.transform.apply(sample, rng) } else { Ok(sample) }
    }
}

/// One of several transforms, another for each sample.
#[derive(Debug, Clone, Default)]
pub struct RandomChoice {
    choices: Vec<(f64, Arc<dyn Transform>)>,
}

impl RandomChoice {
    /// Without transforms yet; at least one must follow.
    #[must_use]
    pub fn new() -> RandomChoice {
        RandomChoice::default()
    }

    /// Adds a transform, as likely as the others.
    #[must_use]
    pub fn or(self, transform: impl Transform + 'static) -> RandomChoice {
        self.or_weighted(1.0, transform)
    }

    /// Adds a transform that is taken `weight` times as often as one of weight 1.
    #[must_use]
    pub fn or_weighted(mut self, weight: f64, transform: impl Transform + 'static) -> RandomChoice {
        self.choices.push((weight, Arc::new(transform)));
        self
    }
}

impl Transform for RandomChoice {
    fn apply(&self, sample: Sample, rng: &mut Rng) -> Result<Sample> {
        let weights = || self.choices.iter().map(|(weight, _)| *weight);
        let sum: f64 = weights().sum();
        if !sum.is_finite() || sum <= 0.0 || weights().any(|weight| weight < 0.0) {
            return Err(refused(
                "RandomChoice",
                "transforms of weights of at least 0, which are not all 0",
                format!("weights {:?}", weights().collect::<Vec<_>>()),
                "Add them by `.or(..)`.",
            ));
        }
        let mut rest = rng.uniform() * sum;
        for (weight, transform) in &self.choices {
            if rest < *weight {
                return transform.apply(sample, rng);
            }
            rest -= weight;
        }
        // Only rounding leads here: the last one that has a weight.
        match self.choices.iter().rev().find(|(weight, _)| *weight > 0.0) {
            Some((_, transform)) => transform.apply(sample, rng),
            None => Ok(sample),
        }
    }
}

/// All of several transforms, in another order for each sample.
#[derive(Debug, Clone, Default)]
pub struct RandomOrder {
    steps: Vec<Arc<dyn Transform>>,
}

impl RandomOrder {
    /// Without transforms, which changes nothing.
    #[must_use]
    pub fn new() -> RandomOrder {
        RandomOrder::default()
    }

    /// Adds a transform.
    #[must_use]
    pub fn and(mut self, transform: impl Transform + 'static) -> RandomOrder {
        self.steps.push(Arc::new(transform));
        self
    }
}

impl Transform for RandomOrder {
    fn apply(&self, sample: Sample, rng: &mut Rng) -> Result<Sample> {
        let mut steps: Vec<&Arc<dyn Transform>> = self.steps.iter().collect();
        rng.shuffle(&mut steps);
        steps.into_iter().try_fold(sample, |sample, step| step.apply(sample, rng))
    }
}
