//! How many samples are right.

use candle_core::Tensor;

use super::counted::{Counted, Form, Rule};
use super::metric::Metric;
use super::reading::{Infinite, Logits, largest, target_classes, target_tags};
use super::refused::argument;
use crate::Result;

/// The fraction of samples whose largest logit is the target's. Takes logits (B, C) and u32 labels (B,);
/// of equal logits the first counts.
#[must_use]
pub fn accuracy() -> Metric {
    Right::Class.metric()
}

/// The fraction of samples whose target is among the `k` largest logits, `k` below the number of classes. Takes logits
/// (B, C) and u32 labels (B,); of equal logits the first count, as in [`accuracy`], so that a model that says the same of
/// every class is right only by chance.
///
/// ```
/// use sconce::metrics::top_k;
/// use sconce::prelude::*;
///
/// let mut metric = top_k(2);
/// metric.update(&Tensor::new(&[[3f32, 2., 1.], [3., 2., 1.]], &Device::Cpu)?, &Tensor::new(&[1u32, 2], &Device::Cpu)?)?;
/// assert_eq!((metric.name(), metric.value()?), ("top_2", 0.5));
/// # Ok::<(), sconce::Error>(())
/// ```
#[must_use]
pub fn top_k(k: usize) -> Metric {
    Right::TopK { k, op: format!("top_{k}") }.metric()
}

/// The fraction of samples of which every class is said right, present or not: scikit-learn's `accuracy_score` of tags.
/// Takes logits (B, K) and f32 tags (B, K) of 0 and 1; a class is said to be there when its logit is above 0, which is a
/// probability above one half.
#[must_use]
pub fn subset_accuracy() -> Metric {
    Right::Tags.metric()
}

/// What counts as right.
#[derive(Debug, Clone)]
enum Right {
    Class,
    TopK { k: usize, op: String },
    Tags,
}

impl Right {
    fn metric(self) -> Metric {
        Metric::new(self.op().to_owned(), Counted::new(self))
    }
}

impl Rule for Right {
    type Item = bool;
    /// Right ones, and all.
    type Sums = [u64; 2];

    fn op(&self) -> &str {
        match self {
            Right::Class => "accuracy",
            Right::TopK { op, .. } => op,
            Right::Tags => "subset_accuracy",
        }
    }

    fn items(&self, output: &Tensor, targets: &Tensor) -> Result<(Form, Vec<bool>)> {
        let op = self.op();
        let logits = Logits::read(op, output, Infinite::Compared)?;
        let (classes, dims) = (logits.classes(), [logits.len(), logits.classes()]);
        let rows = logits.rows();
        Ok(match self {
            Right::Class => {
                let targets = target_classes(op, targets, dims)?;
                (
                    Form::Classes(classes),
                    rows.zip(targets).map(|(row, target)| largest(row) == target).collect(),
                )
            }
            Right::TopK { k, .. } => {
                if *k == 0 || *k >= classes {
                    return Err(argument(
                        op,
                        format!("k from 1 to {}, below the number of classes", classes - 1),
                        k.to_string(),
                        "Among as many as there are classes every target is found.",
                    ));
                }
                let targets = target_classes(op, targets, dims)?;
                let right = rows.zip(targets).map(|(row, target)| rank(row, target as usize) < *k);
                (Form::Classes(classes), right.collect())
            }
            Right::Tags => {
                let targets = target_tags(op, targets, dims)?;
                let all =
                    |(row, tags): (&[f32], &[bool])| row.iter().zip(tags).all(|(z, &tag)| (*z > 0.0) == tag);
                (Form::Tags(classes), rows.zip(targets.chunks_exact(classes)).map(all).collect())
            }
        })
    }

    fn nothing(&self, _: Form) -> [u64; 2] {
        [0, 0]
    }

    fn fits(&self, _: Form, [right, all]: &[u64; 2]) -> bool {
        right <= all
    }

    fn add(&self, [right, all]: &mut [u64; 2], item: &bool, times: u64) {
        *right += u64::from(*item) * times;
        *all += times;
    }

    fn value(&self, [right, all]: &[u64; 2]) -> Result<f64> {
        Ok(*right as f64 / *all as f64)
    }
}

/// How many classes come before one.
fn rank(row: &[f32], class: usize) -> usize {
    let own = row[class];
    row.iter().enumerate().filter(|&(other, &z)| z > own || (z == own && other < class)).count()
}
