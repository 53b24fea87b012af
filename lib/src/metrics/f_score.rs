//! Precision, recall and what is between them.

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use super::average::Average;
use super::counted::{Counted, Form, Rule};
use super::metric::Metric;
use super::reading::{Answers, Infinite, Logits, largest, target_tags};
use super::refused::argument;
use super::tally::ClassTally;
use crate::Result;

/// The part of what was said to be of a class that is. Takes logits (B, C) with u32 labels (B,), of which the largest is
/// said; or logits (B, K) with f32 tags (B, K) of 0 and 1, of which those above 0 are said.
///
/// A class of which nothing was said has precision 0, as in scikit-learn; one that does not occur at all is left out.
///
/// ```
/// use sconce::prelude::*;
///
/// let mut metric = precision(Average::Macro);
/// let logits = Tensor::new(&[[2f32, 0.], [2., 0.], [0., 2.]], &Device::Cpu)?;
/// metric.update(&logits, &Tensor::new(&[0u32, 1, 1], &Device::Cpu)?)?;
/// assert_eq!((metric.name(), metric.value()?), ("precision_macro", 0.75));
/// # Ok::<(), sconce::Error>(())
/// ```
#[must_use]
pub fn precision(average: Average) -> Metric {
    metric("precision", Score::Precision, average)
}

/// The part of a class that was found. Takes what [`precision`] takes.
///
/// A class that is only among what was predicted has recall 0, as in scikit-learn; one that does not occur at all is left
/// out, and [`balanced_accuracy`](super::balanced_accuracy) leaves out both.
#[must_use]
pub fn recall(average: Average) -> Metric {
    metric("recall", Score::Recall, average)
}

/// The harmonic mean of precision and recall. Takes what [`precision`] takes; a mean over classes is the mean of their
/// F1, not the F1 of mean precision and mean recall.
#[must_use]
pub fn f1(average: Average) -> Metric {
    metric("f1", Score::FBeta(1.0), average)
}

/// The harmonic mean of precision and recall in which recall counts `beta` times as much (van Rijsbergen 1979); `beta` is
/// above 0. Takes what [`precision`] takes.
#[must_use]
pub fn f_beta(beta: f64, average: Average) -> Metric {
    metric(&format!("f_{beta}"), Score::FBeta(beta), average)
}

/// The fraction of right answers to "is this class there?", over all samples and classes: 1 less the Hamming loss. Takes
/// logits (B, K) and f32 tags (B, K) of 0 and 1; a class is said to be there when its logit is above 0.
#[must_use]
pub fn tag_accuracy() -> Metric {
    let op = "tag_accuracy".to_owned();
    Metric::new(op.clone(), Counted::new(Found { op, asked: Asked::RightTags }))
}

fn metric(name: &str, score: Score, average: Average) -> Metric {
    let op = average.named(name);
    Metric::new(op.clone(), Counted::new(Found { op, asked: Asked::Mean(score, average) }))
}

#[derive(Debug, Clone, Copy)]
enum Score {
    Precision,
    Recall,
    FBeta(f64),
}

impl Score {
    fn of(self, tally: &ClassTally) -> Option<f64> {
        match self {
            Score::Precision => tally.precision(),
            Score::Recall => tally.recall(),
            Score::FBeta(beta) => tally.f_beta(beta),
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Asked {
    Mean(Score, Average),
    RightTags,
}

/// What was found of each class.
#[derive(Debug, Clone)]
struct Found {
    op: String,
    asked: Asked,
}

/// A sample: its class and the one that was said, or both for each tag.
enum Sample {
    Class { target: u32, said: u32 },
    Tags(Box<[(bool, bool)]>),
}

#[derive(Serialize, Deserialize)]
struct Tallies {
    classes: Vec<ClassTally>,
    samples: u64,
}

impl Rule for Found {
    type Item = Sample;
    type Sums = Tallies;

    fn op(&self) -> &str {
        &self.op
    }

    fn items(&self, output: &Tensor, targets: &Tensor) -> Result<(Form, Vec<Sample>)> {
        if let Asked::Mean(Score::FBeta(beta), _) = self.asked
            && !((beta * beta).is_finite() && beta > 0.0)
        {
            let hint = "1 weighs precision and recall alike, 2 recall more, 0.5 precision more.";
            return Err(argument(&self.op, "a beta above 0", beta.to_string(), hint));
        }
        let logits = Logits::read(&self.op, output, Infinite::Compared)?;
        let (classes, dims) = (logits.classes(), [logits.len(), logits.classes()]);
        let answers = match self.asked {
            Asked::RightTags => Answers::Tags(target_tags(&self.op, targets, dims)?),
            Asked::Mean(..) => Answers::read(&self.op, targets, dims)?,
        };
        let rows = logits.rows();
        Ok(match answers {
            Answers::Classes(targets) => {
                let samples =
                    rows.zip(targets).map(|(row, target)| Sample::Class { target, said: largest(row) });
                (Form::Classes(classes), samples.collect())
            }
            Answers::Tags(targets) => {
                let tags = |(row, tags): (&[f32], &[bool])| {
                    Sample::Tags(tags.iter().zip(row).map(|(&tag, z)| (tag, *z > 0.0)).collect())
                };
                (Form::Tags(classes), rows.zip(targets.chunks_exact(classes)).map(tags).collect())
            }
        })
    }

    fn nothing(&self, form: Form) -> Tallies {
        Tallies { classes: vec![ClassTally::default(); form.width()], samples: 0 }
    }

    fn fits(&self, form: Form, sums: &Tallies) -> bool {
        sums.classes.len() == form.width()
    }

    fn add(&self, sums: &mut Tallies, item: &Sample, times: u64) {
        sums.samples += times;
        match item {
            &Sample::Class { target, said } => ClassTally::add_pair(&mut sums.classes, [target, said], times),
            Sample::Tags(tags) => {
                for (tally, &(tag, said)) in sums.classes.iter_mut().zip(tags) {
                    tally.true_positives += u64::from(tag && said) * times;
                    tally.false_positives += u64::from(!tag && said) * times;
                    tally.false_negatives += u64::from(tag && !said) * times;
                }
            }
        }
    }

    fn value(&self, sums: &Tallies) -> Result<f64> {
        let all = || sums.classes.iter().copied().fold(ClassTally::default(), ClassTally::plus);
        match self.asked {
            Asked::RightTags => {
                let decisions = sums.samples * sums.classes.len() as u64;
                let wrong = all().false_positives + all().false_negatives;
                Ok((decisions - wrong) as f64 / decisions as f64)
            }
            Asked::Mean(score, Average::Micro) => Average::Macro.of(&self.op, &[score.of(&all())], &[]),
            Asked::Mean(score, average) => {
                let values: Vec<Option<f64>> = sums.classes.iter().map(|tally| score.of(tally)).collect();
                let support: Vec<u64> = sums.classes.iter().map(ClassTally::support).collect();
                average.of(&self.op, &values, &support)
            }
        }
    }
}
