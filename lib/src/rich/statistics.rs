//! What the values of a tensor are like, in one pass.

use candle_core::{Layout, Tensor, WithDType};
use rayon::prelude::*;

use super::values::{Question, ask};
use crate::plot::number;
use crate::{Result, threads};

/// Values that are looked at together. Fixed, so that the sums do not depend on the number of threads.
const CHUNK: usize = 1 << 16;

/// Least, mean, greatest value and spread of a tensor's finite values, and how many are not finite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Statistics {
    /// The number of values, finite or not.
    pub count: usize,
    /// How many are not a number.
    pub nan: usize,
    /// How many are infinite, of either sign.
    pub infinite: usize,
    /// The least finite value; NaN where there is none, as for the next three.
    pub min: f64,
    /// The mean of the finite values.
    pub mean: f64,
    /// The greatest finite value.
    pub max: f64,
    /// The standard deviation of the finite values as a whole population (divided by their number).
    pub std: f64,
}

impl Statistics {
    /// The statistics of a tensor of any shape and dtype; a broadcast tensor counts each repetition.
    ///
    /// # Errors
    /// When the values cannot be copied from their device, or the dtype is one of candle's opaque ones.
    pub fn of(tensor: &Tensor) -> Result<Statistics> {
        threads::init()?;
        // The order of the values does not matter: repetitions are counted instead of visited, and a
        // transposed tensor is read as it lies in memory.
        let mut plain = tensor.detach();
        let mut repeats = 1_usize;
        for dim in 0..plain.rank() {
            if plain.stride()[dim] == 0 && plain.dims()[dim] > 1 {
                repeats = repeats.saturating_mul(plain.dims()[dim]);
                plain = plain.narrow(dim, 0, 1)?;
            }
        }
        let mut order: Vec<usize> = (0..plain.rank()).collect();
        order.sort_by_key(|&dim| std::cmp::Reverse(plain.stride()[dim]));
        let plain = if order.len() > 1 { plain.permute(order)? } else { plain }.contiguous()?;
        let found = ask(&plain, Summary)?;
        Ok(found.finish(repeats))
    }

    /// How many values are neither NaN nor infinite.
    #[must_use]
    pub fn finite(&self) -> usize {
        self.count - self.nan - self.infinite
    }

    /// The statistics in a line, with `separator` between them.
    pub(super) fn line(&self, float: bool, separator: &str) -> String {
        let mut parts = if self.count == 0 {
            vec!["no values".to_owned()]
        } else if self.finite() == 0 {
            vec!["no finite values".to_owned()]
        } else {
            let named = [("min", self.min), ("mean", self.mean), ("max", self.max), ("std", self.std)];
            named.map(|(name, value)| format!("{name} {}", number(value))).to_vec()
        };
        if float && self.count > 0 {
            parts.extend([format!("NaN {}", self.nan), format!("inf {}", self.infinite)]);
        }
        parts.join(separator)
    }
}

struct Summary;

impl Question for Summary {
    type Answer = Moments;

    fn ask<T: WithDType>(self, storage: &[T], layout: &Layout) -> Moments {
        let start = layout.start_offset();
        let values = &storage[start..start + layout.shape().elem_count()];
        let parts: Vec<Moments> = values.par_chunks(CHUNK).map(Moments::of).collect();
        parts.iter().fold(Moments::default(), Moments::merged)
    }
}

/// Sums that can be merged (Chan, Golub and LeVeque 1983).
#[derive(Debug, Clone, Copy)]
struct Moments {
    count: usize,
    nan: usize,
    infinite: usize,
    min: f64,
    max: f64,
    mean: f64,
    /// The sum of squared distances from the mean.
    spread: f64,
}

impl Default for Moments {
    fn default() -> Moments {
        let (min, max) = (f64::INFINITY, f64::NEG_INFINITY);
        Moments { count: 0, nan: 0, infinite: 0, min, max, mean: 0.0, spread: 0.0 }
    }
}

impl Moments {
    fn of<T: WithDType>(values: &[T]) -> Moments {
        let mut all = Moments::default();
        // Small enough to be in the cache still when the second loop needs the mean.
        for values in values.chunks(1024) {
            let mut part = Moments { count: values.len(), ..Moments::default() };
            let mut sum = 0.0;
            for value in values.iter().map(|value| value.to_f64()) {
                if value.is_finite() {
                    sum += value;
                    part.min = part.min.min(value);
                    part.max = part.max.max(value);
                } else if value.is_nan() {
                    part.nan += 1;
                } else {
                    part.infinite += 1;
                }
            }
            let finite = part.finite();
            if finite > 0 {
                part.mean = sum / finite as f64;
                let distances = values.iter().map(|value| value.to_f64() - part.mean);
                part.spread = distances.filter(|distance| distance.is_finite()).map(|d| d * d).sum();
            }
            all = all.merged(&part);
        }
        all
    }

    fn finite(&self) -> usize {
        self.count - self.nan - self.infinite
    }

    fn merged(self, other: &Moments) -> Moments {
        let (own, others) = (self.finite() as f64, other.finite() as f64);
        let total = own + others;
        let (mean, spread) = if others == 0.0 {
            (self.mean, self.spread)
        } else if own == 0.0 {
            (other.mean, other.spread)
        } else {
            let apart = other.mean - self.mean;
            let mean = self.mean + apart * (others / total);
            (mean, self.spread + other.spread + apart * apart * (own * others / total))
        };
        Moments {
            count: self.count + other.count,
            nan: self.nan + other.nan,
            infinite: self.infinite + other.infinite,
            min: self.min.min(other.min),
            max: self.max.max(other.max),
            mean,
            spread,
        }
    }

    fn finish(self, repeats: usize) -> Statistics {
        let known = |value: f64| if self.finite() == 0 { f64::NAN } else { value };
        Statistics {
            count: self.count.saturating_mul(repeats),
            nan: self.nan.saturating_mul(repeats),
            infinite: self.infinite.saturating_mul(repeats),
            min: known(self.min),
            mean: known(self.mean),
            max: known(self.max),
            std: known((self.spread / self.finite() as f64).sqrt()),
        }
    }
}
