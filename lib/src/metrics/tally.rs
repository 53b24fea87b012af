//! Right and wrong, counted for each class.

use serde::{Deserialize, Serialize};

/// How often a class was found, falsely found, and missed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassTally {
    /// Samples of the class that were said to be of it.
    pub true_positives: u64,
    /// Samples of other classes that were said to be of it.
    pub false_positives: u64,
    /// Samples of the class that were said not to be of it.
    pub false_negatives: u64,
}

impl ClassTally {
    /// How many samples of the class there are.
    #[must_use]
    pub fn support(&self) -> u64 {
        self.true_positives + self.false_negatives
    }

    /// Whether the class occurs neither in the targets nor among what was predicted. It has no value then.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        self.support() + self.false_positives == 0
    }

    /// The part of what was said to be of the class that is: 0 where nothing was said to be, as in scikit-learn. `None`
    /// for a class that does not occur.
    #[must_use]
    pub fn precision(&self) -> Option<f64> {
        self.share(self.true_positives + self.false_positives)
    }

    /// The part of the class that was found: 0 where there is nothing of it, as in scikit-learn. `None` for a class that
    /// does not occur.
    #[must_use]
    pub fn recall(&self) -> Option<f64> {
        self.share(self.support())
    }

    /// The harmonic mean of precision and recall in which recall counts `beta` times as much (van Rijsbergen 1979).
    /// `None` for a class that does not occur.
    #[must_use]
    pub fn f_beta(&self, beta: f64) -> Option<f64> {
        let [tp, fp, missed] =
            [self.true_positives, self.false_positives, self.false_negatives].map(|count| count as f64);
        let square = beta * beta;
        (!self.is_absent()).then(|| (1.0 + square) * tp / ((1.0 + square) * tp + square * missed + fp))
    }

    /// The harmonic mean of precision and recall; for pixels it is called the Dice coefficient. `None` for a class that
    /// does not occur.
    #[must_use]
    pub fn f1(&self) -> Option<f64> {
        self.f_beta(1.0)
    }

    /// What is in common over what either covers: intersection over union, or the Jaccard index. `None` for a class that
    /// does not occur.
    #[must_use]
    pub fn iou(&self) -> Option<f64> {
        self.share(self.support() + self.false_positives)
    }

    fn share(&self, of: u64) -> Option<f64> {
        let share = if of == 0 { 0.0 } else { self.true_positives as f64 / of as f64 };
        (!self.is_absent()).then_some(share)
    }

    /// Counts a sample of one class that was said to be of one, so many times.
    pub(super) fn add_pair(classes: &mut [ClassTally], [target, said]: [u32; 2], times: u64) {
        if target == said {
            classes[target as usize].true_positives += times;
        } else {
            classes[target as usize].false_negatives += times;
            classes[said as usize].false_positives += times;
        }
    }

    pub(super) fn plus(self, other: ClassTally) -> ClassTally {
        ClassTally {
            true_positives: self.true_positives + other.true_positives,
            false_positives: self.false_positives + other.false_positives,
            false_negatives: self.false_negatives + other.false_negatives,
        }
    }
}
