//! Samples drawn by weight.

use std::fmt;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::dataset::Dataset;
use super::loading::Order;
use crate::{Error, Result, Seed};

/// Whether a sample may come several times in an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Replacement {
    /// Each draw is from all samples; a sample that comes again is augmented otherwise.
    #[default]
    With,
    /// A sample that was drawn is gone: heavy ones come earlier, and no more are drawn than there are.
    Without,
}

/// Draws samples by weight, for data in which some are rare or count more.
///
/// ```
/// # use sconce::{Seed, data::{Sampler, datasets}};
/// let data = datasets::digits()?;
/// let sampler = Sampler::balanced(&data)?;
/// assert_eq!(data.batches(64).sampler(&sampler, Seed(1)).count(), 29);
/// # Ok::<(), sconce::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Sampler {
    weights: Arc<[f64]>,
    draws: usize,
    replacement: Replacement,
}

impl Sampler {
    /// Sample `index` comes in proportion to `weights[index]`; an epoch has as many draws as there are
    /// weights. One of weight 0 never comes.
    ///
    /// # Errors
    /// When a weight is negative or not finite, or none is greater than 0.
    pub fn weighted(weights: &[f64]) -> Result<Sampler> {
        let refused = |got: String| Error::Argument {
            op: "Sampler::weighted".into(),
            expected: "weights of 0 or more, at least one of them greater, that sum to a finite number"
                .into(),
            got,
            hint: "A weight says how often a sample comes, compared with the others.".into(),
        };
        if let Some(at) = weights.iter().position(|weight| !(weight.is_finite() && *weight >= 0.0)) {
            return Err(refused(format!("{} for sample {at}", weights[at])));
        }
        let sum: f64 = weights.iter().sum();
        if !(sum > 0.0 && sum.is_finite()) {
            return Err(refused(format!("{} weights that sum to {sum}", weights.len())));
        }
        Ok(Sampler { weights: weights.into(), draws: weights.len(), replacement: Replacement::With })
    }

    /// Each class comes equally often, however many images it has: a sample weighs 1 by the number of its
    /// class.
    ///
    /// # Errors
    /// When an image has no class or several.
    pub fn balanced(data: &Dataset) -> Result<Sampler> {
        let counts = data.class_counts()?;
        let weights: Vec<f64> =
            data.label_values()?.iter().map(|&label| 1.0 / counts[label as usize] as f64).collect();
        Sampler::weighted(&weights)
    }

    /// Sets how many samples an epoch has.
    #[must_use]
    pub fn draws(mut self, draws: usize) -> Sampler {
        self.draws = draws;
        self
    }

    /// Sets whether a sample may come several times.
    #[must_use]
    pub fn replacement(mut self, replacement: Replacement) -> Sampler {
        self.replacement = replacement;
        self
    }

    /// How many samples an epoch has.
    pub(super) fn count(&self) -> usize {
        self.draws
    }

    pub(super) fn order(&self, samples: usize, seed: Seed) -> Result<Order> {
        if samples != self.weights.len() {
            return Err(Error::Argument {
                op: "batches".into(),
                expected: format!("a sampler of {samples} weights, one for each sample"),
                got: format!("one of {}", self.weights.len()),
                hint: "Make the sampler for the data set that it draws from.".into(),
            });
        }
        match self.replacement {
            Replacement::With => Ok(Order::repeated(self.with(seed), samples)),
            Replacement::Without => self.without(seed).map(Order::once),
        }
    }

    fn with(&self, seed: Seed) -> Vec<usize> {
        let mut rng = seed.rng();
        let mut sum = 0.0;
        let sums: Vec<f64> = self
            .weights
            .iter()
            .map(|weight| {
                sum += weight;
                sum
            })
            .collect();
        // The last that can come: rounding may bring a draw to the sum itself.
        let last = self.weights.iter().rposition(|&weight| weight > 0.0).unwrap_or(0);
        (0..self.draws)
            .map(|_| {
                let at = rng.uniform() * sum;
                sums.partition_point(|&upto| upto <= at).min(last)
            })
            .collect()
    }

    /// Exponential clocks (Efraimidis and Spirakis 2006): the first to ring are the draws.
    fn without(&self, seed: Seed) -> Result<Vec<usize>> {
        let mut rng = seed.rng();
        let mut rings: Vec<(f64, usize)> = Vec::new();
        for (at, &weight) in self.weights.iter().enumerate() {
            let time = -(1.0 - rng.uniform()).ln();
            if weight > 0.0 {
                rings.push((time / weight, at));
            }
        }
        if rings.len() < self.draws {
            return Err(Error::Argument {
                op: "batches".into(),
                expected: format!("at most {} draws without replacement", rings.len()),
                got: self.draws.to_string(),
                hint: "So many samples have a weight above 0. Ask for fewer with draws(), or draw with replacement.".into(),
            });
        }
        rings.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        Ok(rings.into_iter().take(self.draws).map(|(_, at)| at).collect())
    }
}

impl fmt::Display for Sampler {
    /// In a few words, however many weights there are: two samplers that write the same have the same settings and, but for
    /// a chance of 2⁻⁶⁴, weights.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digest =
            self.weights.iter().fold(Sha256::new(), |hash, weight| hash.chain_update(weight.to_le_bytes()));
        let digits: String = digest.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let again = match self.replacement {
            Replacement::With => "with replacement",
            Replacement::Without => "without replacement",
        };
        write!(f, "{} draws {again} by {} weights ({digits})", self.draws, self.weights.len())
    }
}
