use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use super::class_maps::confused_pixels;
use super::reading::{predicted_classes, target_classes};
use super::refused::{argument, shape};
use super::report::ClassReport;
use super::tally::ClassTally;
use crate::Result;

const OP: &str = "confusion matrix";

/// How often each class was taken for each other, gathered batch by batch.
/// [`crate::plot::ConfusionMatrix`] makes a picture of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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

    /// Counts one batch: raw logits (B, `num_classes`) and u32 labels (B,); or, pixel by pixel, logits
    /// (B, `num_classes`, H, W) and u32 class maps (B, H, W), in which 255 is not counted, as in
    /// [`mean_iou`](super::mean_iou).
    ///
    /// # Errors
    /// Other shapes, labels that are no class, NaN; nothing is counted then.
    pub fn update(&mut self, logits: &Tensor, targets: &Tensor) -> Result<()> {
        if logits.rank() > 1 && logits.dims()[1] != self.num_classes {
            return Err(shape(
                OP,
                format!("logits of {} classes", self.num_classes),
                format!("{:?}", logits.dims()),
                "Let the last layer have as many outputs as the dataset has classes.",
            ));
        }
        if logits.rank() == 4 {
            for (cell, pixels) in confused_pixels(OP, logits, targets)?.into_iter().flatten() {
                self.counts[cell as usize] += u64::from(pixels);
            }
            return Ok(());
        }
        let predicted = predicted_classes(OP, logits)?;
        let targets = target_classes(OP, targets, [predicted.len(), self.num_classes])?;
        self.record(&targets, &predicted)
    }

    /// Counts pairs of a true and a predicted class.
    ///
    /// # Errors
    /// Lists of different lengths, a number that is no class; nothing is counted then.
    pub fn record(&mut self, targets: &[u32], predicted: &[u32]) -> Result<()> {
        if targets.len() != predicted.len() {
            return Err(shape(
                OP,
                format!("a prediction for each of {} targets", targets.len()),
                format!("{} predictions", predicted.len()),
                "Both lists go sample by sample.",
            ));
        }
        if let Some(class) =
            targets.iter().chain(predicted).find(|&&class| class as usize >= self.num_classes)
        {
            return Err(argument(
                OP,
                format!("classes below {}", self.num_classes),
                format!("{class}"),
                "Let the last layer have as many outputs as the dataset has classes.",
            ));
        }
        for (&target, &predicted) in targets.iter().zip(predicted) {
            self.add(target as usize * self.num_classes + predicted as usize, 1);
        }
        Ok(())
    }

    /// Whether these are counts of so many classes.
    pub(super) fn is_of(&self, num_classes: usize) -> bool {
        self.num_classes == num_classes && Some(self.counts.len()) == num_classes.checked_mul(num_classes)
    }

    /// Adds to the count of a cell.
    pub(super) fn add(&mut self, cell: usize, times: u64) {
        self.counts[cell] += times;
    }

    /// The number of classes.
    #[must_use]
    pub fn num_classes(&self) -> usize {
        self.num_classes
    }

    /// The counts, row by row: `counts[t * num_classes + p]` samples of true class `t` were taken for `p`.
    #[must_use]
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// How many samples were counted.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// For each class how often it was found, falsely found, and missed.
    #[must_use]
    pub fn tallies(&self) -> Vec<ClassTally> {
        let mut tallies = vec![ClassTally::default(); self.num_classes];
        for (at, &count) in self.counts.iter().enumerate() {
            let (target, predicted) = (at / self.num_classes, at % self.num_classes);
            if target == predicted {
                tallies[target].true_positives += count;
            } else {
                tallies[target].false_negatives += count;
                tallies[predicted].false_positives += count;
            }
        }
        tallies
    }

    /// Precision, recall and F1 of each class: a table.
    ///
    /// # Errors
    /// If there are not as many names as classes.
    pub fn report<S: AsRef<str>>(&self, class_names: &[S]) -> Result<ClassReport> {
        ClassReport::new(class_names, &self.tallies())
    }
}
