//! Policies without learning: random operations of one strength, or of any.

use super::fill::Fill;
use super::filter::Filter;
use super::objects::ObjectRule;
use super::operation::{Look, Operation, Strengths, Translate, perform};
use super::refused::refused;
use crate::data::{Sample, Transform};
use crate::{Result, Rng};

/// What both policies choose from.
const OPERATIONS: [Operation; 14] = [
    Operation::Identity,
    Operation::ShearX,
    Operation::ShearY,
    Operation::TranslateX,
    Operation::TranslateY,
    Operation::Rotate,
    Operation::Brightness,
    Operation::Color,
    Operation::Contrast,
    Operation::Sharpness,
    Operation::Posterize,
    Operation::Solarize,
    Operation::AutoContrast,
    Operation::Equalize,
];

/// The strengths of AutoAugment (Cubuk et al. 2018, table 6), which RandAugment takes over.
pub(super) const STANDARD: Strengths = Strengths {
    shear: 0.3,
    // 150 pixels of the paper's images of 331.
    translate: Translate::Share(150.0 / 331.0),
    rotate: 30.0,
    factor: 0.9,
    bits: [8.0, 4.0],
};

/// The wide strengths of TrivialAugment (Müller and Hutter 2021, table 4).
const WIDE: Strengths = Strengths {
    shear: 0.99,
    translate: Translate::Pixels(32.0),
    rotate: 135.0,
    factor: 0.99,
    bits: [8.0, 2.0],
};

/// Setters that all policies have.
macro_rules! look_setters {
    () => {
        /// Sets how pixels of turned and sheared images are made; not by Lanczos.
        #[must_use]
        pub fn filter(mut self, filter: Filter) -> Self {
            self.look.filter = filter;
            self
        }

        /// Sets the colour of what comes from outside.
        #[must_use]
        pub fn fill(mut self, fill: impl Into<Fill>) -> Self {
            self.look.fill = fill.into();
            self
        }
    };
}
pub(super) use look_setters;

/// A few random operations, one after the other, all of one strength (Cubuk et al. 2019, "RandAugment:
/// practical automated data augmentation with a reduced search space"). Boxes, masks and keypoints move along.
#[derive(Debug, Clone, PartialEq)]
pub struct RandAugment {
    operations: usize,
    magnitude: usize,
    bins: usize,
    look: Look,
}

impl Default for RandAugment {
    fn default() -> RandAugment {
        RandAugment::new()
    }
}

impl RandAugment {
    /// Two operations of strength 9 of 0 to 30.
    #[must_use]
    pub fn new() -> RandAugment {
        RandAugment { operations: 2, magnitude: 9, bins: 31, look: Look::default() }
    }

    /// Sets the number of operations, the paper's N.
    #[must_use]
    pub fn operations(mut self, count: usize) -> RandAugment {
        self.operations = count;
        self
    }

    /// Sets the strength, the paper's M, below the number of bins.
    #[must_use]
    pub fn magnitude(mut self, magnitude: usize) -> RandAugment {
        self.magnitude = magnitude;
        self
    }

    /// Sets how many strengths there are from nothing to the most, at least 2.
    #[must_use]
    pub fn bins(mut self, bins: usize) -> RandAugment {
        self.bins = bins;
        self
    }

    look_setters!();

    /// Sets which objects stay.
    #[must_use]
    pub fn objects(mut self, rule: ObjectRule) -> RandAugment {
        self.look.objects = rule;
        self
    }
}

impl Transform for RandAugment {
    fn apply(&self, mut sample: Sample, rng: &mut Rng) -> Result<Sample> {
        const OP: &str = "RandAugment";
        if self.bins < 2 || self.magnitude >= self.bins || self.operations > 1000 {
            return Err(refused(
                OP,
                "at least 2 bins, a magnitude below their number and at most 1000 operations",
                format!("{} bins, magnitude {}, {} operations", self.bins, self.magnitude, self.operations),
                "The paper's magnitudes are 0 to 30: 31 bins.",
            ));
        }
        let share = self.magnitude as f64 / (self.bins - 1) as f64;
        for _ in 0..self.operations {
            let operation = OPERATIONS[rng.below(OPERATIONS.len())];
            let size = [sample.image.height(), sample.image.width()];
            let strength = operation.drawn(&STANDARD, share, size, rng);
            sample = perform(OP, sample, operation, strength, &self.look)?;
        }
        Ok(sample)
    }
}

/// One random operation of random strength, over a wide range (Müller and Hutter 2021, "TrivialAugment:
/// tuning-free yet state-of-the-art data augmentation"). Boxes, masks and keypoints move along.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TrivialAugmentWide {
    look: Look,
}

impl TrivialAugmentWide {
    /// One operation, of one of 31 strengths.
    #[must_use]
    pub fn new() -> TrivialAugmentWide {
        TrivialAugmentWide::default()
    }

    look_setters!();

    /// Sets which objects stay.
    #[must_use]
    pub fn objects(mut self, rule: ObjectRule) -> TrivialAugmentWide {
        self.look.objects = rule;
        self
    }
}

impl Transform for TrivialAugmentWide {
    fn apply(&self, sample: Sample, rng: &mut Rng) -> Result<Sample> {
        let operation = OPERATIONS[rng.below(OPERATIONS.len())];
        let share = rng.below(31) as f64 / 30.0;
        let size = [sample.image.height(), sample.image.width()];
        let strength = operation.drawn(&WIDE, share, size, rng);
        perform("TrivialAugmentWide", sample, operation, strength, &self.look)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strengths_are_those_of_the_papers() {
        let size = [200, 331];
        let standard = |operation: Operation, bin: f64| operation.strength(&STANDARD, bin / 30.0, size);
        assert!((standard(Operation::ShearX, 30.0) - 0.3).abs() < 1e-12);
        assert!((standard(Operation::TranslateX, 30.0) - 150.0).abs() < 1e-9);
        assert!((standard(Operation::TranslateY, 30.0) - 150.0 / 331.0 * 200.0).abs() < 1e-9);
        assert_eq!(standard(Operation::Rotate, 9.0), 9.0);
        assert!((standard(Operation::Color, 9.0) - 0.27).abs() < 1e-12);
        let bits: Vec<f64> = (0..=30).map(|bin| standard(Operation::Posterize, f64::from(bin))).collect();
        // torch: (8 - torch.arange(31) / (30 / 4)).round()
        let expected = [(8.0, 4), (7.0, 8), (6.0, 7), (5.0, 8), (4.0, 4)];
        let expected: Vec<f64> = expected.iter().flat_map(|&(bits, count)| vec![bits; count]).collect();
        assert_eq!(bits, expected);
        assert_eq!([0.0, 15.0, 30.0].map(|bin| standard(Operation::Solarize, bin)), [1.0, 0.5, 0.0]);
        let wide = |operation: Operation| operation.strength(&WIDE, 1.0, size);
        let most =
            [Operation::ShearY, Operation::TranslateX, Operation::Rotate, Operation::Posterize].map(wide);
        assert_eq!(most, [0.99, 32.0, 135.0, 2.0]);
    }
}
