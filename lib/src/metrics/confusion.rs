use candle_core::Tensor;

use super::accuracy::{predicted_classes, target_classes};
use crate::{Error, Result};

/// How often each class was taken for each other, gathered batch by batch.
/// [`crate::plot::ConfusionMatrix`] makes a picture of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfusionCounts {
    num_classes: usize,
    counts: Vec<u64>,
}

impl ConfusionCounts {
    /// No counts yet.
    #[must_use]
    pub fn new(num_classes: usize) -> ConfusionCounts {
        ConfusionCounts { num_classes, counts: vec![0; num_classes * num_classes] }
    }

    /// Counts one batch: raw logits (B, `num_classes`) and u32 labels (B,).
    ///
    /// # Errors
    /// Other shapes, labels that are no class, NaN; nothing is counted then.
    pub fn update(&mut self, logits: &Tensor, targets: &Tensor) -> Result<()> {
        let predicted = predicted_classes("confusion matrix", logits)?;
        let targets = target_classes("confusion matrix", targets, logits.dims())?;
        self.record(&targets, &predicted)
    }

    /// Counts pairs of a true and a predicted class.
    ///
    /// # Errors
    /// Lists of different lengths, a number that is no class; nothing is counted then.
    pub fn record(&mut self, targets: &[u32], predicted: &[u32]) -> Result<()> {
        let op = || "confusion matrix".to_owned();
        if targets.len() != predicted.len() {
            return Err(Error::Shape {
                op: op(),
                expected: format!("a prediction for each of {} targets", targets.len()),
                got: format!("{} predictions", predicted.len()),
                hint: "Both lists go sample by sample.".into(),
            });
        }
        if let Some(class) =
            targets.iter().chain(predicted).find(|&&class| class as usize >= self.num_classes)
        {
            return Err(Error::Argument {
                op: op(),
                expected: format!("classes below {}", self.num_classes),
                got: format!("{class}"),
                hint: "Let the last layer have as many outputs as the dataset has classes.".into(),
            });
        }
        for (&target, &predicted) in targets.iter().zip(predicted) {
            self.counts[target as usize * self.num_classes + predicted as usize] += 1;
        }
        Ok(())
    }

    /// The counts, row by row: `counts[t * num_classes + p]` samples of true class `t` were taken for `p`.
    #[must_use]
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }
}
