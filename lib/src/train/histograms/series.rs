//! What is kept of tensors, step by step.

use candle_core::{DType, Device, Tensor};
use rayon::prelude::*;

use super::HistogramOf;
use crate::Result;
use crate::plot::{Histogram, HistogramsOverTime};
use crate::rich::Statistics;

/// Values of a tensor that are looked at.
const VALUES: usize = 1 << 20;
/// Bins of a histogram.
const BINS: usize = 128;

/// A tensor's histogram, and how many of all its values are not finite.
pub(super) struct Measured {
    name: String,
    histogram: Histogram,
    nan: usize,
    infinite: usize,
}

/// Each of these tensors, measured.
pub(super) fn measured(tensors: Vec<(String, Tensor)>) -> Result<Vec<Measured>> {
    tensors
        .into_par_iter()
        .map(|(name, tensor)| {
            let statistics = Statistics::of(&tensor)?;
            let flat = tensor.flatten_all()?.to_dtype(DType::F32)?.to_device(&Device::Cpu)?;
            let values = flat.to_vec1::<f32>()?;
            let apart = values.len().div_ceil(VALUES).max(1);
            let mut values: Vec<f64> = values.iter().step_by(apart).map(|&value| f64::from(value)).collect();
            if apart > 1 && statistics.finite() > 0 {
                // The ends are those of all values.
                values.extend([statistics.min, statistics.max]);
            }
            let histogram = Histogram::of(&values, BINS)?
                .with_left_out(statistics.nan as u64, statistics.infinite as u64);
            Ok(Measured { name, histogram, nan: statistics.nan, infinite: statistics.infinite })
        })
        .collect()
}

/// The histograms of one tensor.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) name: String,
    pub(super) plot: HistogramsOverTime,
    /// Over all moments.
    pub(super) nan: usize,
    pub(super) infinite: usize,
    /// The first step with a value that is not finite.
    pub(super) first_odd: Option<usize>,
}

/// Everything that was recorded.
#[derive(Debug)]
pub(super) struct Kept {
    weights: Vec<Series>,
    gradients: Vec<Series>,
    activations: Vec<Series>,
    /// Moments since the steps between them were doubled, and half as many.
    moments: usize,
    /// How many times as far apart moments are as was asked.
    pub(super) factor: usize,
    /// Whether a step was due that did not move the weights.
    pub(super) waiting: bool,
}

impl Default for Kept {
    fn default() -> Kept {
        Kept {
            weights: Vec::new(),
            gradients: Vec::new(),
            activations: Vec::new(),
            moments: 0,
            factor: 1,
            waiting: false,
        }
    }
}

impl Kept {
    pub(super) fn of(&self, of: HistogramOf) -> &[Series] {
        match of {
            HistogramOf::Weights => &self.weights,
            HistogramOf::Gradients => &self.gradients,
            HistogramOf::Activations => &self.activations,
        }
    }

    pub(super) fn add(&mut self, of: HistogramOf, step: usize, all: Vec<Measured>) {
        let (series, word) = match of {
            HistogramOf::Weights => (&mut self.weights, "weights"),
            HistogramOf::Gradients => (&mut self.gradients, "gradients"),
            HistogramOf::Activations => (&mut self.activations, "activations"),
        };
        for Measured { name, histogram, nan, infinite } in all {
            let at = series.iter().position(|series| series.name == name).unwrap_or_else(|| {
                let plot = HistogramsOverTime::new(&format!("{name}, {word}"));
                series.push(Series { name, plot, nan: 0, infinite: 0, first_odd: None });
                series.len() - 1
            });
            let Some(series) = series.get_mut(at) else { continue };
            series.plot.push(step as f64, histogram);
            series.nan = series.nan.saturating_add(nan);
            series.infinite = series.infinite.saturating_add(infinite);
            if nan + infinite > 0 {
                series.first_odd = Some(series.first_odd.map_or(step, |first| first.min(step)));
            }
        }
    }

    /// Takes note of a moment; after `most` of them they lie twice as far apart.
    pub(super) fn moment(&mut self, most: usize) {
        self.moments += 1;
        if self.moments >= most {
            self.moments = most / 2;
            self.factor = self.factor.saturating_mul(2);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_long_training_is_kept_in_few_moments() {
        let mut kept = Kept::default();
        let mut taken = 0;
        for step in 1..=100_000 {
            if step % kept.factor == 0 {
                kept.moment(400);
                taken += 1;
            }
        }
        // 400, and 200 for each time that the way is twice as long.
        assert!((1800..2200).contains(&taken), "{taken}");
        assert_eq!(kept.factor, 256);
    }

    #[test]
    fn of_a_large_tensor_ends_and_odd_values_are_exact() -> Result<()> {
        let mut values = vec![0.5_f32; 3 << 20];
        (values[1], values[4], values[7], values[10]) = (f32::NAN, f32::INFINITY, -7.0, 9.0);
        let tensor = Tensor::from_vec(values, 3 << 20, &Device::Cpu)?;
        let found = measured(vec![("x".into(), tensor)])?.remove(0);
        assert_eq!((found.nan, found.infinite, found.histogram.not_finite()), (1, 1, 2));
        assert_eq!((found.histogram.quantile(0.0), found.histogram.quantile(1.0)), (Some(-7.0), Some(9.0)));
        assert_eq!(found.histogram.total(), (1 << 20) + 2);
        Ok(())
    }
}
