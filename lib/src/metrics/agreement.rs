//! How far predictions and targets agree beyond chance.

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use super::average::Average;
use super::counted::{Counted, Form, Rule};
use super::metric::Metric;
use super::reading::{Infinite, Logits, largest, target_classes};
use super::refused::missing_class;
use super::tally::ClassTally;
use crate::Result;

/// The mean recall of the classes that are in the targets: the accuracy if all of them were equally frequent. Takes logits
/// (B, C) and u32 labels (B,). A class of which there is nothing is left out, as in scikit-learn.
#[must_use]
pub fn balanced_accuracy() -> Metric {
    Agreement::Balanced.metric()
}

/// Matthews' correlation of predictions and targets, from -1 to 1 and 0 for chance (Gorodkin 2004 for more than two
/// classes). Takes logits (B, C) and u32 labels (B,). Where all targets or all predictions are of one class it is 0, as in
/// scikit-learn.
#[must_use]
pub fn mcc() -> Metric {
    Agreement::Matthews.metric()
}

/// Cohen's kappa: by how much predictions agree with targets more often than by chance, from -1 to 1 and 0 for chance
/// (Cohen 1960, with weights 1968). Takes logits (B, C) and u32 labels (B,).
///
/// It has no value, which is an error, where all targets and all predictions are of one and the same class.
#[must_use]
pub fn cohen_kappa(weights: KappaWeights) -> Metric {
    Agreement::Kappa(weights).metric()
}

/// How much a wrong class counts in [`cohen_kappa`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum KappaWeights {
    /// Wrong is wrong.
    #[default]
    Unweighted,
    /// As far as it is away, for classes that are grades.
    Linear,
    /// The square of how far it is away.
    Quadratic,
}

#[derive(Debug, Clone, Copy)]
enum Agreement {
    Balanced,
    Matthews,
    Kappa(KappaWeights),
}

impl Agreement {
    fn metric(self) -> Metric {
        Metric::new(self.op(), Counted::new(self))
    }
}

/// What is known of the samples: no pairs of classes, so that there may be many.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Sums {
    classes: Vec<ClassTally>,
    samples: u64,
    /// How far predictions are from targets, and the squares of that.
    away: u64,
    squared: u64,
}

/// A sample is its target and its prediction.
impl Rule for Agreement {
    type Item = [u32; 2];
    type Sums = Sums;

    fn op(&self) -> &str {
        match self {
            Agreement::Balanced => "balanced_accuracy",
            Agreement::Matthews => "mcc",
            Agreement::Kappa(KappaWeights::Unweighted) => "cohen_kappa",
            Agreement::Kappa(KappaWeights::Linear) => "cohen_kappa_linear",
            Agreement::Kappa(KappaWeights::Quadratic) => "cohen_kappa_quadratic",
        }
    }

    fn items(&self, output: &Tensor, targets: &Tensor) -> Result<(Form, Vec<[u32; 2]>)> {
        let logits = Logits::read(self.op(), output, Infinite::Compared)?;
        let classes = logits.classes();
        let targets = target_classes(self.op(), targets, [logits.len(), classes])?;
        let pairs = logits.rows().zip(targets).map(|(row, target)| [target, largest(row)]);
        Ok((Form::Classes(classes), pairs.collect()))
    }

    fn nothing(&self, form: Form) -> Sums {
        Sums { classes: vec![ClassTally::default(); form.width()], samples: 0, away: 0, squared: 0 }
    }

    fn fits(&self, form: Form, sums: &Sums) -> bool {
        sums.classes.len() == form.width()
    }

    fn add(&self, sums: &mut Sums, &[target, predicted]: &[u32; 2], times: u64) {
        ClassTally::add_pair(&mut sums.classes, [target, predicted], times);
        let away = u64::from(target.abs_diff(predicted));
        sums.samples += times;
        sums.away += away * times;
        sums.squared += away * away * times;
    }

    fn value(&self, sums: &Sums) -> Result<f64> {
        match self {
            Agreement::Balanced => {
                let recall = sums.classes.iter().map(|tally| tally.recall().filter(|_| tally.support() > 0));
                Average::Macro.of(self.op(), &recall.collect::<Vec<_>>(), &[])
            }
            Agreement::Matthews => Ok(sums.matthews()),
            Agreement::Kappa(weights) => sums.kappa(self.op(), *weights),
        }
    }
}

impl Sums {
    /// How often each class is in the targets, and among the predictions.
    fn marginals(&self) -> [Vec<i128>; 2] {
        let targets = self.classes.iter().map(|tally| i128::from(tally.support())).collect();
        let predicted = self.classes.iter();
        let predicted = predicted.map(|tally| i128::from(tally.true_positives + tally.false_positives));
        [targets, predicted.collect()]
    }

    fn right(&self) -> u64 {
        self.classes.iter().map(|tally| tally.true_positives).sum()
    }

    fn matthews(&self) -> f64 {
        let [targets, predicted] = self.marginals();
        let total = i128::from(self.samples);
        let both = i128::from(self.right()) * total - product(&targets, &predicted);
        let [of_targets, of_predicted] = [&targets, &predicted].map(|of| total * total - product(of, of));
        if of_targets == 0 || of_predicted == 0 {
            return 0.0;
        }
        both as f64 / ((of_targets as f64).sqrt() * (of_predicted as f64).sqrt())
    }

    fn kappa(&self, op: &str, weights: KappaWeights) -> Result<f64> {
        let [targets, predicted] = self.marginals();
        let total = i128::from(self.samples);
        // How far predictions are from targets, and how far all predictions are from all targets.
        let (wrong, by_chance) = match weights {
            KappaWeights::Unweighted => {
                (self.samples - self.right(), total * total - product(&targets, &predicted))
            }
            KappaWeights::Linear => (self.away, distances(&targets, &predicted)),
            KappaWeights::Quadratic => (self.squared, squared_distances(&targets, &predicted)),
        };
        if by_chance == 0 {
            let only = targets.iter().position(|&of| of > 0).unwrap_or(0);
            return Err(missing_class(
                op,
                only,
                "two classes or more among targets and predictions",
                format!("class {only} alone"),
                "Chance agrees always then, and there is nothing to compare with.",
            ));
        }
        Ok(1.0 - (i128::from(wrong) * total) as f64 / by_chance as f64)
    }
}

fn product(a: &[i128], b: &[i128]) -> i128 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The sum over all pairs of how far they are apart: between two classes next to each other pass all pairs that have one
/// end on each side.
fn distances(a: &[i128], b: &[i128]) -> i128 {
    let [all_a, all_b] = [a, b].map(|of| of.iter().sum::<i128>());
    let (mut below_a, mut below_b, mut sum) = (0, 0, 0);
    for (of_a, of_b) in a.iter().zip(b) {
        below_a += of_a;
        below_b += of_b;
        sum += below_a * (all_b - below_b) + (all_a - below_a) * below_b;
    }
    sum
}

/// The sum over all pairs of the square of how far they are apart.
fn squared_distances(a: &[i128], b: &[i128]) -> i128 {
    let moment = |of: &[i128], power: u32| (0i128..).zip(of).map(|(at, of)| at.pow(power) * of).sum::<i128>();
    moment(a, 2) * moment(b, 0) + moment(b, 2) * moment(a, 0) - 2 * moment(a, 1) * moment(b, 1)
}
