//! Metrics that look at the order of scores, and so need all of them.

use std::borrow::Borrow;

use candle_core::Tensor;

use super::average::Average;
use super::counted::same_form;
use super::metric::{Accumulate, Metric, Redrawn};
use super::ranked::{Ranked, ranked_classes, ranked_together};
use super::ranking_state;
use super::reading::{Answers, Infinite, Logits};
use super::refused::{argument, missing_class, nothing_taken_in};
use crate::{Error, Result};

/// The area under the ROC curve: how often a sample of a class scores higher for it than a sample of another class, ties
/// as one half; 0.5 for chance. Takes logits (B, C) with u32 labels (B,), each class against the rest, where with two
/// classes macro, weighted and either class are the same; or logits (B, K) with f32 tags (B, K) of 0 and 1.
///
/// It has no value for a class of which there is nothing, or nothing else: the error names the class. It keeps the logits
/// of all samples as f32 and their targets: 4 bytes a logit, and 4 a label or 1 a tag, and puts them in order class by class
/// when it is asked for its value; an interval, and [`Average::Micro`], keep the order of all classes, 16 bytes a logit
/// more. Scores are the logarithms of odds, so that very sure predictions do not become ties as their probabilities would.
///
/// ```
/// use sconce::prelude::*;
///
/// let mut metric = roc_auc(Average::Macro);
/// let logits = Tensor::new(&[[0f32, -2.], [0., 1.], [0., 0.], [0., 3.]], &Device::Cpu)?;
/// metric.update(&logits, &Tensor::new(&[0u32, 0, 1, 1], &Device::Cpu)?)?;
/// assert_eq!((metric.name(), metric.value()?), ("roc_auc_macro", 0.75));
/// # Ok::<(), sconce::Error>(())
/// ```
#[must_use]
pub fn roc_auc(average: Average) -> Metric {
    Ordered::metric("roc_auc", Quality::RocAuc, average)
}

/// The average precision: the mean precision at each sample of a class that is found, going down the scores; the area
/// under the precision-recall curve in steps, as scikit-learn has it. With [`Average::Macro`] it is the mean average
/// precision (mAP) of tags. Takes and keeps what [`roc_auc`] does; with two classes `Class(1)` is scikit-learn's.
///
/// A class of which there is nothing is left out of the mean, as COCO and PASCAL VOC do, and has no value of its own.
#[must_use]
pub fn average_precision(average: Average) -> Metric {
    Ordered::metric("average_precision", Quality::AveragePrecision, average)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quality {
    RocAuc,
    AveragePrecision,
}

/// All scores so far, and what is asked of their order.
#[derive(Debug, Clone)]
struct Ordered {
    op: String,
    quality: Quality,
    average: Average,
    taken: Option<(Logits, Answers)>,
}

impl Ordered {
    fn metric(name: &str, quality: Quality, average: Average) -> Metric {
        let op = average.named(name);
        Metric::new(op.clone(), Ordered { op, quality, average, taken: None })
    }

    fn read(&self, output: &Tensor, targets: &Tensor) -> Result<(Logits, Answers)> {
        let logits = Logits::read(&self.op, output, Infinite::Refused)?;
        let answers = Answers::read(&self.op, targets, [logits.len(), logits.classes()])?;
        if matches!(answers, Answers::Classes(_)) && logits.classes() == 1 {
            let hint = "For one question of yes or no give F32 targets (B, 1) of 0 and 1.";
            return Err(argument(&self.op, "two classes or more", "1", hint));
        }
        Ok((logits, answers))
    }

    fn asked(&self, logits: &Logits, answers: &Answers) -> Result<Asked> {
        let classes = logits.classes();
        let two = classes == 2 && matches!(answers, Answers::Classes(_));
        let asked = match self.average {
            Average::Class(class) if class >= classes => {
                let expected = format!("a class below {classes}");
                return Err(argument(&self.op, expected, class.to_string(), "Classes count from 0."));
            }
            Average::Class(class) => vec![class],
            Average::Macro | Average::Weighted => (0..classes).collect(),
            Average::Micro => vec![0],
        };
        Ok(Asked { classes: asked, two })
    }

    /// The scores in order, class by class, or all in one.
    fn ordered<'a>(
        &self,
        logits: &'a Logits,
        answers: &'a Answers,
        classes: &'a [usize],
    ) -> Box<dyn Iterator<Item = Ranked> + 'a> {
        match self.average {
            Average::Micro => Box::new(std::iter::once_with(|| ranked_together(logits, answers))),
            _ => Box::new(ranked_classes(logits, answers, classes)),
        }
    }

    /// The metric of scores in order, of which one at a time need be there.
    fn of<R: Borrow<Ranked>>(
        &self,
        asked: &Asked,
        ranked: impl Iterator<Item = R>,
        times: Option<&[u32]>,
    ) -> Result<f64> {
        let mut values = Vec::with_capacity(asked.classes.len());
        let mut support = Vec::with_capacity(asked.classes.len());
        for (&class, ranked) in asked.classes.iter().zip(ranked) {
            let (value, totals) = match self.quality {
                Quality::RocAuc => ranked.borrow().roc_auc(times),
                Quality::AveragePrecision => ranked.borrow().average_precision(times),
            };
            let alone = matches!(self.average, Average::Class(_) | Average::Micro);
            if value.is_none() && (self.quality == Quality::RocAuc || alone) {
                return Err(undefined(&self.op, class, asked, self.average, totals));
            }
            values.push(value);
            support.push(totals[0]);
        }
        let average = if self.average == Average::Weighted { self.average } else { Average::Macro };
        average.of(&self.op, &values, &support)
    }
}

/// The classes whose order is asked for.
struct Asked {
    classes: Vec<usize>,
    /// Whether what is not of the one class is of the other.
    two: bool,
}

/// There is nothing of a class, or nothing else.
fn undefined(op: &str, class: usize, asked: &Asked, average: Average, totals: [u64; 2]) -> Error {
    let hint = "Without both it has no value: take a larger part of the data, or split it by class.";
    if average == Average::Micro {
        let got = format!("{} that are and {} that are not", totals[0], totals[1]);
        return argument(op, "classes that are there and classes that are not", got, hint);
    }
    let other = if asked.two { format!("class {}", 1 - class.min(1)) } else { "others".to_owned() };
    // Of two classes it is the other one that is missing where there is nothing else.
    let missing = if asked.two && totals[0] > 0 { 1 - class.min(1) } else { class };
    missing_class(
        op,
        missing,
        format!("samples of class {class} and of {other}"),
        format!("{} of class {class} and {} of {other}", totals[0], totals[1]),
        hint,
    )
}

impl Accumulate for Ordered {
    fn update(&mut self, output: &Tensor, targets: &Tensor) -> Result<()> {
        let (logits, answers) = self.read(output, targets)?;
        match &mut self.taken {
            None => self.taken = Some((logits, answers)),
            Some((all, known)) => {
                same_form(&self.op, Some(known.form(all.classes())), answers.form(logits.classes()))?;
                all.extend(logits);
                known.extend(answers);
            }
        }
        Ok(())
    }

    fn value(&self) -> Result<f64> {
        match &self.taken {
            Some((logits, answers)) if logits.len() > 0 => {
                let asked = self.asked(logits, answers)?;
                self.of(&asked, self.ordered(logits, answers, &asked.classes), None)
            }
            _ => Err(nothing_taken_in(&self.op)),
        }
    }

    fn fresh(&self) -> Box<dyn Accumulate> {
        Box::new(Ordered { taken: None, ..self.clone() })
    }

    fn state(&self) -> Option<String> {
        ranking_state::written(self.taken.as_ref())
    }

    fn restore(&mut self, state: &str) -> bool {
        let Some(taken) = ranking_state::read(state) else { return false };
        self.taken = taken;
        true
    }

    fn redrawn(&self, output: &Tensor, targets: &Tensor) -> Result<Redrawn> {
        let (logits, answers) = self.read(output, targets)?;
        let asked = self.asked(&logits, &answers)?;
        // Put in order once for all resamples: 16 bytes a logit.
        let ranked: Vec<Ranked> = self.ordered(&logits, &answers, &asked.classes).collect();
        let metric = Ordered { taken: None, ..self.clone() };
        Ok(Box::new(move |times| metric.of(&asked, ranked.iter(), Some(times))))
    }
}
