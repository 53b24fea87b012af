use candle_core::{CpuStorage, CustomOp1, DType, Layout, Shape, Tensor};

use super::composed;
use super::host::{Real, dtype, output, read, values, with_real};
use super::operands::{check, check_shape, shape_error};
use super::record::apply1;
use super::softmax::log_sum_exp;
use crate::{Error, Result};

/// The cross-entropy between `targets` (B), u32 class numbers, and the softmax of raw `logits` (B, C),
/// averaged over the batch: a scalar. `label_smoothing`, in `[0, 1]`, is the share of each target that
/// is spread evenly over all classes (Szegedy et al. 2016); 0 leaves the targets as they are.
/// The targets are checked, and so read, by the CPU; kept there, they cost a GPU no wait.
///
/// # Errors
/// If a target is not a class, the shapes do not fit or are empty, `targets` is not u32, or `logits`
/// is not f32 or f64.
pub fn softmax_cross_entropy(logits: &Tensor, targets: &Tensor, label_smoothing: f64) -> Result<Tensor> {
    let name = "softmax_cross_entropy";
    check(name, &[("logits", logits)])?;
    let &[batch, classes] = logits.dims() else {
        return Err(shape_error(name, "logits (B, C)", logits.dims(), ""));
    };
    if batch == 0 || classes == 0 {
        return Err(shape_error(name, "at least one row and one class", logits.dims(), ""));
    }
    let argument = |expected: String, got: String, hint: &str| Error::Argument {
        op: name.into(),
        expected,
        got,
        hint: hint.into(),
    };
    if targets.dtype() != DType::U32 {
        return Err(argument(
            "targets of dtype u32".into(),
            targets.dtype().as_str().into(),
            "Convert them with `to_dtype(DType::U32)?`.",
        ));
    }
    check_shape(name, ("targets", targets), &[batch])?;
    let smoothing = label_smoothing;
    if !(0.0..=1.0).contains(&smoothing) {
        return Err(argument("a label_smoothing in [0, 1]".into(), smoothing.to_string(), ""));
    }
    let targets = targets.to_vec1::<u32>()?;
    if let Some((index, label)) = targets.iter().enumerate().find(|(_, label)| **label as usize >= classes) {
        return Err(argument(
            format!("labels below {classes}, the number of classes"),
            format!("label {label} at index {index}"),
            "Give the last layer one output per class, or mend the label.",
        ));
    }
    if composed::computes(logits)? {
        return Ok(composed::softmax_cross_entropy(logits, targets, smoothing)?);
    }
    apply1(CrossEntropy { targets, classes, smoothing }, logits)
}

struct CrossEntropy {
    targets: Vec<u32>,
    classes: usize,
    smoothing: f64,
}

impl CrossEntropy {
    /// Each row of logits with its class.
    fn rows<'a, T>(&'a self, logits: &'a [T]) -> impl Iterator<Item = (&'a [T], usize)> {
        logits.chunks(self.classes).zip(self.targets.iter().map(|&target| target as usize))
    }

    fn forward<T: Real>(&self, logits: &[T]) -> f64 {
        let loss = |(row, target): (&[T], usize)| {
            let mean = || row.iter().map(|logit| logit.to_f64()).sum::<f64>() / self.classes as f64;
            let target = (1.0 - self.smoothing) * row[target].to_f64();
            let wanted = if self.smoothing == 0.0 { target } else { target + self.smoothing * mean() };
            log_sum_exp(row) - wanted
        };
        self.rows(logits).map(loss).sum::<f64>() / self.targets.len() as f64
    }

    /// The probabilities less the targets, over the batch's size.
    fn backward<T: Real>(&self, logits: &[T], dy: f64) -> Vec<T> {
        let share = dy / self.targets.len() as f64;
        let spread = self.smoothing / self.classes as f64;
        let mut gradient = Vec::with_capacity(logits.len());
        for (row, target) in self.rows(logits) {
            let total = log_sum_exp(row);
            gradient.extend(row.iter().enumerate().map(|(class, logit)| {
                let wanted = if class == target { 1.0 - self.smoothing + spread } else { spread };
                T::from_f64(((logit.to_f64() - total).exp() - wanted) * share)
            }));
        }
        gradient
    }
}

impl CustomOp1 for CrossEntropy {
    fn name(&self) -> &'static str {
        "softmax_cross_entropy"
    }

    fn cpu_fwd(&self, logits: &CpuStorage, layout: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        with_real!(dtype(logits), self.name(), T => {
            let loss = self.forward::<T>(values(logits, layout)?);
            output::<T>(vec![candle_core::WithDType::from_f64(loss)], [])
        })
    }

    fn bwd(&self, logits: &Tensor, _: &Tensor, dy: &Tensor) -> candle_core::Result<Option<Tensor>> {
        let dy = dy.to_dtype(DType::F64)?.to_scalar::<f64>()?;
        with_real!(logits.dtype(), self.name(), T => {
            let gradient = read([logits], |[logits]: [&[T]; 1]| self.backward(logits, dy))?;
            Tensor::from_vec(gradient, logits.shape(), logits.device()).map(Some)
        })
    }
}
