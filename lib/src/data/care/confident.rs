//! Which labels are likely to be wrong: confident learning (Northcutt, Jiang and Chuang, *Confident Learning:
//! Estimating Uncertainty in Dataset Labels*, JAIR 2021).
//!
//! A model that has not seen an image says how probable each class is. Where it is as sure of another class
//! as it usually is of images that have that class's label, the given label is in doubt. How many of each pair
//! of classes are mixed up is estimated first, and so many are then picked.

use candle_core::{DType, Device, Tensor};

use super::suspects::{LabelErrors, LabelSuspect};
use crate::{Error, Result};

const OP: &str = "label_errors";
/// By so much a row of probabilities may miss 1: f16 and sums of thousands of classes are that exact.
const SLACK: f64 = 5e-3;

/// How suspects are picked, and in which order they come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LabelErrorConfig {
    /// Which images are picked.
    pub pruning: Pruning,
    /// Which of them come first.
    pub ranking: Ranking,
}

/// Which images are picked, once it is estimated how many of each class belong to another. Whatever the rule,
/// only an image for which another class is more probable than the given one is a suspect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pruning {
    /// For each pair of classes as many as are mixed up, those with the largest margin first (the paper's
    /// *prune by noise rate*).
    #[default]
    NoiseRate,
    /// For each class as many as belong to any other, those whose given class is least probable first
    /// (*prune by class*).
    Class,
    /// Those that both of these pick: fewer, and surer.
    Both,
    /// Those that are counted off the diagonal of the confident joint, without calibration.
    ConfidentJoint,
}

/// Which suspects come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ranking {
    /// Those whose given class is least probable.
    #[default]
    SelfConfidence,
    /// Those where the probability of the given class is furthest below that of the most probable other one.
    NormalizedMargin,
}

/// Finds labels that are likely to be wrong.
///
/// `probabilities` are `(N, K)`, of any float type: for each image the probability of each class, as
/// `softmax` gives it, summing to 1. They must be **out of sample**: from a model that was not trained on that
/// image, as the validation parts of [`crate::data::Dataset::folds`] give them for every image in turn. A
/// model has learnt the wrong labels that it was trained on, and finds nothing there. `labels` are the given
/// classes, `N` of them, each below `K`.
///
/// Threshold of class j: the mean probability of j over the images labelled j. An image labelled i counts in
/// the confident joint at (i, j) where j is the most probable of the classes whose thresholds it reaches. Each
/// row of the joint is then brought to the number of images of its class; a class of which no image reaches a
/// threshold is taken to be right.
///
/// ```
/// use sconce::data::care::{LabelErrorConfig, label_errors};
/// use sconce::prelude::*;
///
/// // Three cats and three dogs; the last "dog" is a cat for the model.
/// let cat = [0.9_f32, 0.8, 0.9, 0.1, 0.2, 0.95];
/// let rows: Vec<f32> = cat.iter().flat_map(|&cat| [cat, 1.0 - cat]).collect();
/// let probabilities = Tensor::from_vec(rows, (6, 2), &Device::Cpu)?;
/// let errors = label_errors(&probabilities, &[0, 0, 0, 1, 1, 1], LabelErrorConfig::default())?;
/// assert_eq!((errors.suspects[0].index, errors.suspects[0].suggested), (5, 0));
/// # Ok::<(), sconce::Error>(())
/// ```
///
/// # Errors
/// When the probabilities are not `(N, K)` with at least one image and two classes, not from 0 to 1 or do not
/// sum to 1 (logits, for example), and when the labels are not `N` or one is not below `K`.
pub fn label_errors(probabilities: &Tensor, labels: &[u32], config: LabelErrorConfig) -> Result<LabelErrors> {
    let rows = checked(probabilities, labels)?;
    let given: Vec<usize> = labels.iter().map(|&label| label as usize).collect();
    let learning = Learning::of(&rows, &given);
    let mut suspects: Vec<LabelSuspect> = learning
        .picked(config.pruning)
        .into_iter()
        .filter_map(|index| learning.suspect(index, config.ranking))
        .collect();
    suspects.sort_by(|a, b| a.score.total_cmp(&b.score).then(a.index.cmp(&b.index)));
    Ok(LabelErrors {
        suspects,
        images: labels.len(),
        thresholds: learning.thresholds,
        confident_joint: learning.confident,
        joint: learning.joint,
    })
}

/// The probabilities of each image.
fn checked(probabilities: &Tensor, labels: &[u32]) -> Result<Vec<Vec<f64>>> {
    let refused = |expected: String, got: String, hint: &str| Error::Argument {
        op: OP.into(),
        expected,
        got,
        hint: hint.into(),
    };
    let shape = |hint: &str| Error::Shape {
        op: OP.into(),
        expected: "probabilities (N, K): N >= 1 images, K >= 2 classes".into(),
        got: format!("{:?}", probabilities.dims()),
        hint: hint.into(),
    };
    let &[images, classes] = probabilities.dims() else {
        return Err(shape("One row for each image, one column for each class."));
    };
    if images == 0 || classes < 2 {
        return Err(shape("A probability of one class is p of (1 - p, p): give both columns."));
    }
    if !probabilities.dtype().is_float() {
        return Err(refused(
            "probabilities of a float type".into(),
            probabilities.dtype().as_str().into(),
            "Give what softmax gives, not classes.",
        ));
    }
    if labels.len() != images {
        return Err(refused(
            format!("{images} labels, one for each row of probabilities"),
            format!("{} labels", labels.len()),
            "Rows and labels stand in the same order.",
        ));
    }
    if let Some((at, label)) = labels.iter().enumerate().find(|(_, label)| **label as usize >= classes) {
        return Err(refused(
            format!("labels below {classes}, the number of columns"),
            format!("label {label} of image {at}"),
            "A label is the place of its class, from 0.",
        ));
    }
    let rows: Vec<Vec<f64>> = probabilities.to_device(&Device::Cpu)?.to_dtype(DType::F64)?.to_vec2()?;
    for (at, row) in rows.iter().enumerate() {
        let sum: f64 = row.iter().sum();
        // A NaN is in no range.
        let wrong = row.iter().find(|value| !(-SLACK..=1.0 + SLACK).contains(*value));
        if let Some(value) = wrong {
            return Err(refused(
                "probabilities from 0 to 1".into(),
                format!("{value} in row {at}"),
                "Logits become probabilities by softmax over the classes.",
            ));
        }
        if (sum - 1.0).abs() > SLACK {
            return Err(refused(
                "rows of probabilities that sum to 1".into(),
                format!("a sum of {sum} in row {at}"),
                "Logits become probabilities by softmax over the classes; tags that do not exclude each other \
                 are looked at one by one, each as (1 - p, p).",
            ));
        }
    }
    Ok(rows)
}

/// What the probabilities tell about the labels.
struct Learning<'a> {
    rows: &'a [Vec<f64>],
    given: &'a [usize],
    thresholds: Vec<Option<f64>>,
    confident: Vec<Vec<usize>>,
    /// The class of which each image is confident, if any.
    sure_of: Vec<Option<usize>>,
    /// Sums to 1: given class, true class.
    joint: Vec<Vec<f64>>,
}

impl Learning<'_> {
    fn of<'a>(rows: &'a [Vec<f64>], given: &'a [usize]) -> Learning<'a> {
        let classes = rows.first().map_or(0, Vec::len);
        let mut counts = vec![0_usize; classes];
        let mut sums = vec![0.0; classes];
        for (row, &label) in rows.iter().zip(given) {
            counts[label] += 1;
            sums[label] += row[label];
        }
        let thresholds: Vec<Option<f64>> =
            counts.iter().zip(&sums).map(|(&n, sum)| (n > 0).then(|| sum / n as f64)).collect();
        let sure_of: Vec<Option<usize>> = rows.iter().map(|row| sure_of(row, &thresholds)).collect();
        let mut confident = vec![vec![0_usize; classes]; classes];
        for (&label, class) in given.iter().zip(&sure_of) {
            if let Some(class) = *class {
                confident[label][class] += 1;
            }
        }
        let all = given.len() as f64;
        let joint = confident
            .iter()
            .enumerate()
            .map(|(label, row)| {
                let share = counts[label] as f64 / all;
                let sum: usize = row.iter().sum();
                let mut joint: Vec<f64> =
                    row.iter().map(|&n| if sum > 0 { n as f64 / sum as f64 * share } else { 0.0 }).collect();
                if sum == 0 {
                    joint[label] = share;
                }
                joint
            })
            .collect();
        Learning { rows, given, thresholds, confident, sure_of, joint }
    }

    /// The images that a rule picks, in their order.
    fn picked(&self, pruning: Pruning) -> Vec<usize> {
        match pruning {
            Pruning::NoiseRate => self.by_noise_rate(),
            Pruning::Class => self.by_class(),
            Pruning::Both => {
                let by_class = self.by_class();
                let both = |index: &usize| by_class.binary_search(index).is_ok();
                self.by_noise_rate().into_iter().filter(both).collect()
            }
            Pruning::ConfidentJoint => {
                let other = |index: &usize| self.sure_of[*index].is_some_and(|j| j != self.given[*index]);
                (0..self.given.len()).filter(other).collect()
            }
        }
    }

    fn by_noise_rate(&self) -> Vec<usize> {
        let mut picked = Vec::new();
        for (label, images) in self.by_given().into_iter().enumerate() {
            for class in (0..self.joint.len()).filter(|&class| class != label) {
                let margin = |index: usize| self.rows[index][class] - self.rows[index][label];
                picked.extend(first(&images, self.amount(self.joint[label][class]), |index| -margin(index)));
            }
        }
        picked.sort_unstable();
        picked.dedup();
        picked
    }

    fn by_class(&self) -> Vec<usize> {
        let mut picked = Vec::new();
        for (label, images) in self.by_given().into_iter().enumerate() {
            let joint = &self.joint[label];
            let others = joint.iter().enumerate().filter(|(class, _)| *class != label);
            let wrong = self.amount(others.map(|(_, share)| share).sum());
            picked.extend(first(&images, wrong, |index| self.rows[index][label]));
        }
        picked.sort_unstable();
        picked
    }

    /// So many images a share of all is.
    fn amount(&self, share: f64) -> usize {
        (share * self.given.len() as f64).round() as usize
    }

    fn by_given(&self) -> Vec<Vec<usize>> {
        let mut images = vec![Vec::new(); self.joint.len()];
        for (index, &label) in self.given.iter().enumerate() {
            images[label].push(index);
        }
        images
    }

    /// An image that was picked; none where no other class is more probable than the given one.
    fn suspect(&self, index: usize, ranking: Ranking) -> Option<LabelSuspect> {
        let (row, given) = (&self.rows[index], self.given[index]);
        let (suggested, probability) = row
            .iter()
            .copied()
            .enumerate()
            .filter(|(class, _)| *class != given)
            .reduce(|best, other| if other.1 > best.1 { other } else { best })?;
        let own = row[given];
        (probability > own).then_some(LabelSuspect {
            index,
            given: given as u32,
            suggested: suggested as u32,
            given_probability: own,
            suggested_probability: probability,
            score: match ranking {
                Ranking::SelfConfidence => own,
                Ranking::NormalizedMargin => own - probability,
            },
        })
    }
}

/// The most probable of the classes whose thresholds are reached; the first of several.
fn sure_of(row: &[f64], thresholds: &[Option<f64>]) -> Option<usize> {
    let mut best: Option<(usize, f64)> = None;
    for (class, (&value, threshold)) in row.iter().zip(thresholds).enumerate() {
        if threshold.is_some_and(|threshold| value >= threshold) && best.is_none_or(|(_, most)| value > most)
        {
            best = Some((class, value));
        }
    }
    best.map(|(class, _)| class)
}

/// The `amount` images for which `key` is least, the earlier of equals.
fn first(images: &[usize], amount: usize, key: impl Fn(usize) -> f64) -> Vec<usize> {
    let mut sorted = images.to_vec();
    sorted.sort_by(|&a, &b| key(a).total_cmp(&key(b)).then(a.cmp(&b)));
    sorted.truncate(amount);
    sorted
}
