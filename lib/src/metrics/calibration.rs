//! Whether a model is as sure as it is right.

use candle_core::Tensor;

use super::counted::{Counted, Form, Rule};
use super::metric::Metric;
use super::reading::{Answers, Infinite, Logits, largest};
use super::refused::{argument, nothing_taken_in};
use crate::Result;
use crate::plot::{ReliabilityBin, ReliabilityDiagram, number, percent};

/// How sure a model is against how often it is right (Guo et al. 2017). Takes logits (B, C) with u32 labels (B,): the
/// largest probability, and whether that class is the target. Or logits (B, K) with f32 tags (B, K) of 0 and 1: each
/// probability, and whether the class is there.
///
/// Probabilities are put into bins of equal width, each with its lower end, and the last with 1 too. torchmetrics 1.9 puts
/// those of exactly 1 into a bin of their own, which only differs where a model is as sure as that.
///
/// ```
/// use sconce::prelude::*;
///
/// let mut metric = calibration_error(CalibrationConfig::default());
/// let logits = Tensor::new(&[[0f32, 0.], [0., 0.]], &Device::Cpu)?; // one half, and half of them right
/// metric.update(&logits, &Tensor::new(&[0u32, 1], &Device::Cpu)?)?;
/// assert_eq!((metric.name(), metric.value()?), ("calibration_error", 0.0));
/// # Ok::<(), sconce::Error>(())
/// ```
#[must_use]
pub fn calibration_error(config: CalibrationConfig) -> Metric {
    let calibration = Calibration(config);
    Metric::new(calibration.op().to_owned(), Counted::new(calibration))
}

/// How [`calibration_error`] is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CalibrationConfig {
    /// How many bins there are; 15.
    pub bins: usize,
    /// How the gaps of the bins become one number.
    pub norm: CalibrationNorm,
}

impl Default for CalibrationConfig {
    fn default() -> CalibrationConfig {
        CalibrationConfig { bins: 15, norm: CalibrationNorm::Expected }
    }
}

/// How the gaps between confidence and accuracy of all bins become one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CalibrationNorm {
    /// Their mean, each bin by how much is in it: the expected calibration error, ECE (torchmetrics' `l1`).
    Expected,
    /// The largest: the maximum calibration error, MCE.
    Largest,
}

#[derive(Debug, Clone, Copy)]
struct Calibration(CalibrationConfig);

/// The sum of the confidences, how many are right, and how many there are.
type Bin = (f64, u64, u64);

/// Probabilities, and whether each was right.
type Sample = Vec<(f64, bool)>;

impl Rule for Calibration {
    type Item = Sample;
    type Sums = Vec<Bin>;

    fn op(&self) -> &str {
        match self.0.norm {
            CalibrationNorm::Expected => "calibration_error",
            CalibrationNorm::Largest => "max_calibration_error",
        }
    }

    fn items(&self, output: &Tensor, targets: &Tensor) -> Result<(Form, Vec<Sample>)> {
        if !(1..=1_000_000).contains(&self.0.bins) {
            return Err(argument(self.op(), "1 to 1,000,000 bins", self.0.bins.to_string(), "15 is usual."));
        }
        confidences(self.op(), output, targets)
    }

    fn nothing(&self, _: Form) -> Vec<Bin> {
        vec![(0.0, 0, 0); self.0.bins]
    }

    fn fits(&self, _: Form, sums: &Vec<Bin>) -> bool {
        sums.len() == self.0.bins
    }

    fn add(&self, sums: &mut Vec<Bin>, item: &Sample, times: u64) {
        for &(confidence, correct) in item {
            let (sum, right, all) = &mut sums[bin(confidence, self.0.bins)];
            *sum += confidence * times as f64;
            *right += u64::from(correct) * times;
            *all += times;
        }
    }

    fn value(&self, sums: &Vec<Bin>) -> Result<f64> {
        let all: u64 = sums.iter().map(|(_, _, all)| all).sum();
        let gap = |(sum, right, _): &Bin| (*right as f64 - sum).abs();
        Ok(match self.0.norm {
            CalibrationNorm::Expected => sums.iter().map(gap).sum::<f64>() / all as f64,
            CalibrationNorm::Largest => {
                let filled = sums.iter().filter(|(_, _, all)| *all > 0);
                filled.map(|bin| gap(bin) / bin.2 as f64).fold(0.0, f64::max)
            }
        })
    }
}

/// The probabilities of each sample that are to be right as often as they say, and whether they were.
fn confidences(op: &str, output: &Tensor, targets: &Tensor) -> Result<(Form, Vec<Sample>)> {
    let logits = Logits::read(op, output, Infinite::Refused)?;
    let classes = logits.classes();
    let answers = Answers::read(op, targets, [logits.len(), classes])?;
    let rows = logits.rows();
    Ok(match answers {
        Answers::Classes(targets) => {
            let sample = |(row, target): (&[f32], u32)| {
                let class = largest(row);
                let peak = f64::from(row[class as usize]);
                let others: f64 = row.iter().map(|&z| (f64::from(z) - peak).exp()).sum();
                vec![(1.0 / others, class == target)]
            };
            (Form::Classes(classes), rows.zip(targets).map(sample).collect())
        }
        Answers::Tags(targets) => {
            let sample = |(row, tags): (&[f32], &[bool])| {
                row.iter().zip(tags).map(|(&z, &tag)| (1.0 / (1.0 + (-f64::from(z)).exp()), tag)).collect()
            };
            (Form::Tags(classes), rows.zip(targets.chunks_exact(classes)).map(sample).collect())
        }
    })
}

/// In which of so many bins of equal width a probability is.
fn bin(confidence: f64, bins: usize) -> usize {
    let end = |bin: usize| bin as f64 / bins as f64;
    let mut at = ((confidence * bins as f64) as usize).min(bins - 1);
    // The product is rounded.
    while at > 0 && confidence < end(at) {
        at -= 1;
    }
    while at + 1 < bins && confidence >= end(at + 1) {
        at += 1;
    }
    at
}

/// How often a model is right against how sure it is, as a picture: what [`calibration_error`] sums up, from the same
/// logits and targets, in so many bins.
///
/// # Errors
/// What the metric refuses; no samples.
pub fn reliability_diagram(logits: &Tensor, targets: &Tensor, bins: usize) -> Result<ReliabilityDiagram> {
    let rule = Calibration(CalibrationConfig { bins, ..CalibrationConfig::default() });
    let (form, items) = rule.items(logits, targets)?;
    if items.is_empty() {
        return Err(nothing_taken_in("reliability_diagram"));
    }
    let mut sums = rule.nothing(form);
    for item in &items {
        rule.add(&mut sums, item, 1);
    }
    let drawn: Vec<ReliabilityBin> = sums
        .iter()
        .map(|&(sum, right, count)| {
            let of = (count as f64).max(1.0);
            ReliabilityBin { count, confidence: sum / of, accuracy: right as f64 / of }
        })
        .collect();
    let expected = rule.value(&sums)?;
    let mean = |of: &dyn Fn(&Bin) -> f64| sums.iter().map(of).sum::<f64>() / items.len() as f64;
    let per_sample = match form {
        Form::Tags(classes) => classes as f64,
        _ => 1.0,
    };
    let title = format!(
        "{} sure, {} right, calibration error {}",
        percent(mean(&|bin| bin.0) / per_sample),
        percent(mean(&|bin| bin.1 as f64) / per_sample),
        number(expected)
    );
    ReliabilityDiagram::new(&title, &drawn)
}
