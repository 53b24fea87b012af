//! How far predictions and targets agree beyond chance.

use candle_core::Tensor;

use super::average::Average;
use super::confusion::ConfusionCounts;
use super::counted::{Counted, Form, Rule};
use super::metric::Metric;
use super::reading::{Infinite, Logits, largest, target_classes};
use super::refused::missing_class;
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

/// A sample is the place of its target and its prediction in the counts.
impl Rule for Agreement {
    type Item = usize;
    type Sums = ConfusionCounts;

    fn op(&self) -> &str {
        match self {
            Agreement::Balanced => "balanced_accuracy",
            Agreement::Matthews => "mcc",
            Agreement::Kappa(KappaWeights::Unweighted) => "cohen_kappa",
            Agreement::Kappa(KappaWeights::Linear) => "cohen_kappa_linear",
            Agreement::Kappa(KappaWeights::Quadratic) => "cohen_kappa_quadratic",
        }
    }

    fn items(&self, output: &Tensor, targets: &Tensor) -> Result<(Form, Vec<usize>)> {
        let logits = Logits::read(self.op(), output, Infinite::Compared)?;
        let classes = logits.classes();
        let targets = target_classes(self.op(), targets, [logits.len(), classes])?;
        let cell = |(row, target): (&[f32], u32)| target as usize * classes + largest(row) as usize;
        Ok((Form::Classes(classes), logits.rows().zip(targets).map(cell).collect()))
    }

    fn nothing(&self, form: Form) -> ConfusionCounts {
        ConfusionCounts::new(form.width())
    }

    fn fits(&self, form: Form, sums: &ConfusionCounts) -> bool {
        sums.is_of(form.width())
    }

    fn add(&self, sums: &mut ConfusionCounts, item: &usize, times: u64) {
        sums.add(*item, times);
    }

    fn value(&self, sums: &ConfusionCounts) -> Result<f64> {
        match self {
            Agreement::Balanced => {
                let recall = sums.tallies().into_iter();
                let recall = recall.map(|tally| tally.recall().filter(|_| tally.support() > 0));
                Average::Macro.of(self.op(), &recall.collect::<Vec<_>>(), &[])
            }
            Agreement::Matthews => Ok(matthews(sums)),
            Agreement::Kappa(weights) => kappa(self.op(), sums, *weights),
        }
    }
}

/// How often each class is in the targets, and among the predictions.
fn marginals(counts: &ConfusionCounts) -> [Vec<i128>; 2] {
    let tallies = counts.tallies();
    let targets = tallies.iter().map(|tally| i128::from(tally.support())).collect();
    let predicted = tallies.iter().map(|tally| i128::from(tally.true_positives + tally.false_positives));
    [targets, predicted.collect()]
}

fn matthews(counts: &ConfusionCounts) -> f64 {
    let [targets, predicted] = marginals(counts);
    let total = i128::from(counts.total());
    let right: u64 = counts.tallies().iter().map(|tally| tally.true_positives).sum();
    let product = |a: &[i128], b: &[i128]| a.iter().zip(b).map(|(a, b)| a * b).sum::<i128>();
    let both = i128::from(right) * total - product(&targets, &predicted);
    let [of_targets, of_predicted] = [&targets, &predicted].map(|of| total * total - product(of, of));
    if of_targets == 0 || of_predicted == 0 {
        return 0.0;
    }
    both as f64 / ((of_targets as f64).sqrt() * (of_predicted as f64).sqrt())
}

fn kappa(op: &str, counts: &ConfusionCounts, weights: KappaWeights) -> Result<f64> {
    let [targets, predicted] = marginals(counts);
    let weight = |target: usize, predicted: usize| match (weights, target.abs_diff(predicted) as i128) {
        (KappaWeights::Unweighted, away) => away.min(1),
        (KappaWeights::Linear, away) => away,
        (KappaWeights::Quadratic, away) => away * away,
    };
    let (mut wrong, mut by_chance) = (0, 0);
    for (target, &of_target) in targets.iter().enumerate() {
        for (class, &of_class) in predicted.iter().enumerate() {
            let count = counts.counts()[target * counts.num_classes() + class];
            wrong += weight(target, class) * i128::from(count);
            by_chance += weight(target, class) * of_target * of_class;
        }
    }
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
    Ok(1.0 - (wrong * i128::from(counts.total())) as f64 / by_chance as f64)
}
