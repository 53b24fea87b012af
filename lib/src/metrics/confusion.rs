use std::collections::BTreeMap;

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use super::class_maps::confused_pixels;
use super::reading::{predicted_classes, target_classes};
use super::refused::{argument, shape};
use super::report::ClassReport;
use super::tally::ClassTally;
use crate::Result;

const OP: &str = "confusion matrix";

/// How often each class was taken for each other, gathered batch by batch. Only pairs of classes that occur take memory, so
/// that there may be any number of classes. [`crate::plot::ConfusionMatrix`] makes a picture of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfusionCounts {
    num_classes: usize,
    /// By `target * num_classes + predicted`; none is 0.
    counts: BTreeMap<u64, u64>,
}

impl ConfusionCounts {
    /// No counts yet.
    #[must_use]
    pub fn new(num_classes: usize) -> ConfusionCounts {
        ConfusionCounts { num_classes, counts: BTreeMap::new() }
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
                self.add(u64::from(cell), u64::from(pixels));
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
            self.record_pair([target, predicted], 1);
        }
        Ok(())
    }

    /// Whether these are counts of so many classes.
    pub(super) fn is_of(&self, num_classes: usize) -> bool {
        let cells = (num_classes as u64).checked_mul(num_classes as u64);
        let last = self.counts.last_key_value().map(|(cell, _)| *cell);
        self.num_classes == num_classes && cells.is_some_and(|cells| last.is_none_or(|last| last < cells))
    }

    /// Adds to the count of a cell.
    pub(super) fn add(&mut self, cell: u64, times: u64) {
        if times > 0 {
            *self.counts.entry(cell).or_default() += times;
        }
    }

    /// The number of classes.
    #[must_use]
    pub fn num_classes(&self) -> usize {
        self.num_classes
    }

    /// All counts, row by row: `counts[t * num_classes + p]` samples of true class `t` were taken for `p`. Of many classes
    /// that is much, 800 MB of 10,000; [`ConfusionCounts::pairs`] has those that are not 0.
    #[must_use]
    pub fn counts(&self) -> Vec<u64> {
        let mut counts = vec![0; self.num_classes * self.num_classes];
        for ([target, predicted], times) in self.pairs() {
            counts[target as usize * self.num_classes + predicted as usize] = times;
        }
        counts
    }

    /// Counts a pair `[true, predicted]` of classes below `num_classes` so many times.
    pub(crate) fn record_pair(&mut self, [target, predicted]: [u32; 2], times: u64) {
        self.add(u64::from(target) * self.num_classes as u64 + u64::from(predicted), times);
    }

    /// The pairs `[true, predicted]` of classes that occur, in their order, and how often.
    pub fn pairs(&self) -> impl Iterator<Item = ([u32; 2], u64)> {
        let classes = self.num_classes.max(1) as u64;
        self.counts
            .iter()
            .map(move |(cell, &times)| ([(cell / classes) as u32, (cell % classes) as u32], times))
    }

    /// How many samples were counted.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// For each class how often it was found, falsely found, and missed.
    #[must_use]
    pub fn tallies(&self) -> Vec<ClassTally> {
        let mut tallies = vec![ClassTally::default(); self.num_classes];
        for (pair, times) in self.pairs() {
            ClassTally::add_pair(&mut tallies, pair, times);
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
