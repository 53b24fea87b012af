//! An image mixed with changed copies of itself.

use super::distribution::dirichlet;
use super::fill::Fill;
use super::filter::Filter;
use super::operation::{Look, Operation, Strengths, Translate, perform};
use super::rand_augment::look_setters;
use super::refused::{refused, unfit};
use super::span::{POSITIVE, Span};
use super::value::{Value, on_pixels};
use crate::data::{Image, Pixels, Sample, Target, Transform};
use crate::{Result, Rng};

/// The operations of the paper.
const OPERATIONS: [Operation; 9] = [
    Operation::ShearX,
    Operation::ShearY,
    Operation::TranslateX,
    Operation::TranslateY,
    Operation::Rotate,
    Operation::Posterize,
    Operation::Solarize,
    Operation::AutoContrast,
    Operation::Equalize,
];

/// Those that tests of robustness are made of too.
const MORE_OPERATIONS: [Operation; 4] =
    [Operation::Brightness, Operation::Color, Operation::Contrast, Operation::Sharpness];

const STRENGTHS: Strengths = Strengths {
    shear: 0.3,
    translate: Translate::Share(1.0 / 3.0),
    rotate: 30.0,
    factor: 0.9,
    bits: [4.0, 0.0],
};

/// Mixes the image with copies that went through chains of random operations (Hendrycks et al. 2019, "AugMix: a
/// simple data processing method to improve robustness and uncertainty"). For classification: copies are turned
/// differently, so that no box or map fits the mixture, and a sample with one is an error.
#[derive(Debug, Clone, PartialEq)]
pub struct AugMix {
    severity: usize,
    chains: usize,
    depth: Option<usize>,
    alpha: f64,
    all_operations: bool,
    look: Look,
}

impl Default for AugMix {
    fn default() -> AugMix {
        AugMix::new()
    }
}

impl AugMix {
    /// Three chains of one to three operations, of severity 3 of 10; brightness, colour, contrast and sharpness
    /// among them, as in torchvision.
    #[must_use]
    pub fn new() -> AugMix {
        let look = Look { filter: Filter::Bilinear, ..Look::default() };
        AugMix { severity: 3, chains: 3, depth: None, alpha: 1.0, all_operations: true, look }
    }

    /// Sets how strong operations are at most, 1 to 10.
    #[must_use]
    pub fn severity(mut self, severity: usize) -> AugMix {
        self.severity = severity;
        self
    }

    /// Sets the number of copies, at least 1.
    #[must_use]
    pub fn chains(mut self, count: usize) -> AugMix {
        self.chains = count;
        self
    }

    /// Sets how many operations a chain has; otherwise 1, 2 or 3.
    #[must_use]
    pub fn depth(mut self, operations: usize) -> AugMix {
        self.depth = Some(operations);
        self
    }

    /// Sets the parameter of the shares: below 1 one copy has most of the mixture, above 1 all have the same.
    #[must_use]
    pub fn alpha(mut self, alpha: f64) -> AugMix {
        self.alpha = alpha;
        self
    }

    /// Leaves out brightness, colour, contrast and sharpness, as the paper does: tests of robustness change
    /// them.
    #[must_use]
    pub fn without_test_operations(mut self) -> AugMix {
        self.all_operations = false;
        self
    }

    look_setters!();

    fn check(&self, op: &str) -> Result<()> {
        let count = |count: usize| (1..=1000).contains(&count);
        if (1..=10).contains(&self.severity) && count(self.chains) && self.depth.is_none_or(count) {
            return Span::from(self.alpha).check(op, "alpha", POSITIVE);
        }
        Err(refused(
            op,
            "a severity from 1 to 10, and chains and operations from 1 to 1000",
            format!("severity {}, {} chains, depth {:?}", self.severity, self.chains, self.depth),
            "The paper has severity 3 and 3 chains.",
        ))
    }

    /// One copy after its chain of operations.
    fn chain(&self, op: &'static str, image: Image, rng: &mut Rng) -> Result<Image> {
        let mut copy = Sample { id: String::new(), image, target: Target::default() };
        let depth = self.depth.unwrap_or_else(|| 1 + rng.below(3));
        let size = [copy.image.height(), copy.image.width()];
        let count = OPERATIONS.len() + if self.all_operations { MORE_OPERATIONS.len() } else { 0 };
        for _ in 0..depth {
            let at = rng.below(count);
            let operation =
                OPERATIONS.get(at).copied().unwrap_or_else(|| MORE_OPERATIONS[at - OPERATIONS.len()]);
            let share = rng.below(self.severity) as f64 / 9.0;
            let strength = operation.drawn(&STRENGTHS, share, size, rng);
            copy = perform(op, copy, operation, strength, &self.look)?;
        }
        Ok(copy.image)
    }
}

impl Transform for AugMix {
    fn apply(&self, sample: Sample, rng: &mut Rng) -> Result<Sample> {
        const OP: &str = "AugMix";
        self.check(OP)?;
        if !sample.target.objects.is_empty() || sample.target.segmentation.is_some() {
            return Err(unfit(
                OP,
                "a sample without objects and segmentation",
                format!("{} objects in sample {:?}", sample.target.objects.len(), sample.id),
                "Take RandAugment or TrivialAugmentWide, whose boxes and maps move along.",
            ));
        }
        let changed = dirichlet(self.alpha, 2, rng)[0] as f32;
        let shares = dirichlet(self.alpha, self.chains, rng);
        let shape = sample.image.shape();
        let mut sums = vec![0.0_f32; shape.iter().product()];
        add(&mut sums, &sample.image, 1.0 - changed);
        for share in shares {
            let copy = self.chain(OP, sample.image.clone(), rng)?;
            add(&mut sums, &copy, changed * share as f32);
        }
        let image = on_pixels!(sample.image, shape, |values| mixed(values, &sums))?;
        Ok(Sample { image, ..sample })
    }
}

fn add(sums: &mut [f32], image: &Image, share: f32) {
    match image.pixels() {
        Pixels::U8(values) => weighted(sums, values, share),
        Pixels::F32(values) => weighted(sums, values, share),
    }
}

fn weighted<T: Value>(sums: &mut [f32], values: &[T], share: f32) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum += share * value.number();
    }
}

/// The sums in the dtype of the original.
fn mixed<T: Value>(_: &[T], sums: &[f32]) -> Vec<T> {
    sums.iter().map(|&sum| T::from_number(sum)).collect()
}
