//! Weights of classes of which some are rare.

use super::dataset::Dataset;
use crate::{Error, Result};

impl Dataset {
    /// A weight for each class, by the inverse of its share: `N / (classes * images of the class)`, 1 where
    /// all are equally frequent. For a weighted loss.
    ///
    /// # Errors
    /// When a class has no image.
    pub fn inverse_frequency_weights(&self) -> Result<Vec<f64>> {
        let counts = self.counts_of_all("Dataset::inverse_frequency_weights")?;
        let all: f64 = counts.iter().sum();
        Ok(counts.iter().map(|count| all / (counts.len() as f64 * count)).collect())
    }

    /// A weight for each class, by the inverse of its effective number of images, `(1 - beta^n) / (1 -
    /// beta)`; they sum to the number of classes. `beta` 0 weighs all the same, towards 1 it comes to the
    /// inverse frequency; 0.99 to 0.9999 are common. Source: Cui, Jia, Lin, Song and Belongie, *Class-Balanced
    /// Loss Based on Effective Number of Samples*, 2019.
    ///
    /// # Errors
    /// When `beta` is not in `0..1`, or a class has no image.
    pub fn effective_number_weights(&self, beta: f64) -> Result<Vec<f64>> {
        let op = "Dataset::effective_number_weights";
        if !(0.0..1.0).contains(&beta) {
            return Err(Error::Argument {
                op: op.into(),
                expected: "a beta from 0 to below 1".into(),
                got: beta.to_string(),
                hint: "0.999 is common; for weights by inverse frequency take inverse_frequency_weights()."
                    .into(),
            });
        }
        // 1 - beta^n, without losing digits where it is small.
        let effective = |count: &f64| -(count * beta.ln()).exp_m1() / (1.0 - beta);
        let inverse: Vec<f64> = self.counts_of_all(op)?.iter().map(|count| 1.0 / effective(count)).collect();
        let sum: f64 = inverse.iter().sum();
        Ok(inverse.iter().map(|weight| weight * inverse.len() as f64 / sum).collect())
    }

    /// The images of each class, none of them without one.
    fn counts_of_all(&self, op: &str) -> Result<Vec<f64>> {
        let counts = self.class_counts()?;
        match counts.iter().position(|count| *count == 0) {
            None => Ok(counts.into_iter().map(|count| count as f64).collect()),
            Some(class) => Err(Error::Argument {
                op: op.into(),
                expected: "at least one image of each class".into(),
                got: format!("none of class {class} ({:?})", self.class_names()[class]),
                hint: "A class that never comes has no weight: leave it out of the class names.".into(),
            }),
        }
    }
}
