use candle_core::{D, DType, Tensor};

use super::Loss;
use super::refused::{argument, described, shape};
use crate::{Result, ops};

const OP: &str = "cross_entropy";

/// Cross-entropy of raw logits (B, C) against u32 labels (B,), the mean over the batch, in nats: `ln C` for
/// a model that knows nothing. Softmax is inside; do not put one at the end of the model.
///
/// Targets may also be probabilities (B, C), as mixtures of images and distillation have them; and logits
/// (B, C, H, W) go with labels (B, H, W) or probabilities (B, C, H, W), as segmentation has them.
///
/// ```
/// use sconce::losses::cross_entropy;
/// use sconce::prelude::*;
///
/// let logits = Tensor::new(&[[2.0f32, 0.0, 0.0]], &Device::Cpu)?;
/// let label = cross_entropy().of(&logits, &Tensor::new(&[0u32], &Device::Cpu)?)?;
/// let mixed = cross_entropy().of(&logits, &Tensor::new(&[[0.5f32, 0.5, 0.0]], &Device::Cpu)?)?;
/// assert!((mixed.to_scalar::<f32>()? - label.to_scalar::<f32>()? - 1.0).abs() < 1e-6);
/// # Ok::<(), sconce::Error>(())
/// ```
pub fn cross_entropy() -> CrossEntropy {
    CrossEntropy { label_smoothing: 0.0, class_weights: None, ignore_index: None }
}

/// How [`cross_entropy`] is set up.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct CrossEntropy {
    label_smoothing: f64,
    class_weights: Option<Vec<f64>>,
    ignore_index: Option<u32>,
}

impl CrossEntropy {
    /// The share of each target that is spread evenly over all classes, in `[0, 1]`; default 0 (Szegedy et
    /// al. 2016).
    pub fn label_smoothing(mut self, share: f64) -> CrossEntropy {
        self.label_smoothing = share;
        self
    }

    /// How much each class counts, one number of at least 0 for each; default 1 for all. Against labels the
    /// mean is weighted too: it is divided by the sum of the weights of the labels, as in PyTorch. Against
    /// probabilities it is divided by the number of samples.
    pub fn class_weights(mut self, weights: impl Into<Vec<f64>>) -> CrossEntropy {
        self.class_weights = Some(weights.into());
        self
    }

    /// A label that stands for "not to be learnt from": it adds nothing to the loss, and the mean is over the
    /// others. Masks of PASCAL VOC have 255 for it. It has no meaning for probabilities.
    pub fn ignore_index(mut self, label: u32) -> CrossEntropy {
        self.ignore_index = Some(label);
        self
    }

    /// The loss of logits (B, C, …) against u32 labels (B, …) or probabilities (B, C, …): a tensor without
    /// dimensions.
    ///
    /// # Errors
    /// Other shapes or dtypes, a label that is no class, probabilities that are negative or do not add up to
    /// 1, a smoothing outside `[0, 1]`, weights that are not one for each class; when every label is ignored.
    pub fn of(&self, logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
        let labels = targets.dtype() == DType::U32;
        let fits = match logits.dims() {
            [batch, _, places @ ..] if labels => {
                targets.dims().split_first().is_some_and(|(first, rest)| first == batch && rest == places)
            }
            [_, _, ..] => targets.dims() == logits.dims() && targets.dtype() == logits.dtype(),
            _ => false,
        };
        if !fits || logits.elem_count() == 0 {
            return Err(shape(
                OP,
                "logits (B, C, …) and targets U32 (B, …), or probabilities like the logits, neither empty",
                format!("logits {} and targets {}", described(logits), described(targets)),
                "Logits are one score per class for each sample, targets the right class's number or how \
                 probable each class is.",
            ));
        }
        let classes = logits.dims()[1];
        self.check(classes)?;
        // Classes last, and what else there is in rows.
        let rows = |values: &Tensor| -> Result<Tensor> {
            Ok(match values.rank() {
                2 => values.clone(),
                rank => {
                    let order: Vec<usize> = std::iter::once(0).chain(2..rank).chain([1]).collect();
                    values.permute(order)?.reshape(((), classes))? // (N, C)
                }
            })
        };
        let logits = rows(logits)?;
        if !labels {
            return self.of_probabilities(&logits, &rows(targets)?);
        }
        let targets = targets.flatten_all()?;
        if self.class_weights.is_none() && self.ignore_index.is_none() {
            return ops::softmax_cross_entropy(&logits, &targets, self.label_smoothing);
        }
        self.of_weighted_labels(&logits, &targets.to_vec1()?, classes)
    }

    fn check(&self, classes: usize) -> Result<()> {
        if !(0.0..=1.0).contains(&self.label_smoothing) {
            let hint = "0.1 is the usual amount.";
            return Err(argument(
                OP,
                "label_smoothing from 0 to 1",
                format!("{}", self.label_smoothing),
                hint,
            ));
        }
        let Some(weights) = &self.class_weights else { return Ok(()) };
        if weights.len() != classes {
            let hint = "Give one weight for each class, in the order of the logits.";
            return Err(argument(OP, format!("{classes} class weights"), weights.len().to_string(), hint));
        }
        match weights.iter().position(|weight| !(weight.is_finite() && *weight >= 0.0)) {
            None => Ok(()),
            Some(class) => Err(argument(
                OP,
                "class weights of at least 0",
                format!("{} for class {class}", weights[class]),
                "A weight of 0 leaves a class out; the inverse of how often a class occurs is usual.",
            )),
        }
    }

    fn weight(&self, class: usize) -> f64 {
        self.class_weights.as_ref().and_then(|weights| weights.get(class)).copied().unwrap_or(1.0)
    }

    /// Against labels as a matrix of what each class of each sample counts.
    fn of_weighted_labels(&self, logits: &Tensor, targets: &[u32], classes: usize) -> Result<Tensor> {
        let mut counts = vec![0.0; targets.len() * classes];
        let mut total = 0.0;
        let mut learnt = 0_usize;
        for (at, (row, &label)) in counts.chunks_exact_mut(classes).zip(targets).enumerate() {
            if self.ignore_index == Some(label) {
                continue;
            }
            let right = label as usize;
            if right >= classes {
                return Err(argument(
                    OP,
                    format!("labels below {classes}, the number of classes"),
                    format!("label {label} at index {at}"),
                    "Give the last layer one output per class, mend the label, or let it be ignored with \
                     ignore_index.",
                ));
            }
            total += self.weight(right);
            learnt += 1;
            let spread = self.label_smoothing / classes as f64;
            for (class, count) in row.iter_mut().enumerate() {
                let share = if class == right { 1.0 - self.label_smoothing } else { 0.0 };
                *count = self.weight(class) * (share + spread);
            }
        }
        if total == 0.0 {
            let got = if learnt == 0 {
                format!("{} labels that are all to be ignored", targets.len())
            } else {
                format!("{learnt} labels of classes whose weight is 0")
            };
            let hint = "The mean over nothing is no number: leave such a batch out.";
            return Err(argument(OP, "at least one label to learn from", got, hint));
        }
        counts.iter_mut().for_each(|count| *count /= total);
        let counts = Tensor::from_vec(counts, logits.dims(), logits.device())?.to_dtype(logits.dtype())?;
        weighed(logits, &counts)
    }

    fn of_probabilities(&self, logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
        if let Some(label) = self.ignore_index {
            return Err(argument(
                OP,
                "labels, of which one is to be ignored",
                format!("probabilities, and ignore_index({label})"),
                "Leave ignore_index out; a row to be left out must not be in the batch.",
            ));
        }
        check_probabilities(targets)?;
        let (samples, classes) = targets.dims2()?;
        let spread = self.label_smoothing / classes as f64;
        let mut targets = targets.affine(1.0 - self.label_smoothing, spread)?;
        if self.class_weights.is_some() {
            let weights: Vec<f64> = (0..classes).map(|class| self.weight(class)).collect();
            let weights = Tensor::from_vec(weights, (1, classes), targets.device())?;
            targets = targets.broadcast_mul(&weights.to_dtype(targets.dtype())?)?;
        }
        weighed(logits, &(targets / samples as f64)?)
    }
}

/// `-Σ counts · log p`, with `p` the probabilities of logits (N, C).
fn weighed(logits: &Tensor, counts: &Tensor) -> Result<Tensor> {
    Ok((ops::log_softmax(logits, D::Minus1)? * counts)?.sum_all()?.neg()?)
}

fn check_probabilities(targets: &Tensor) -> Result<()> {
    let rows = targets.detach().to_dtype(DType::F64)?.to_vec2::<f64>()?;
    for (at, row) in rows.iter().enumerate() {
        let sum: f64 = row.iter().sum();
        if row.iter().any(|share| share.is_nan() || *share < 0.0) || (sum - 1.0).abs() > 1e-3 {
            let shown: Vec<String> = row.iter().take(6).map(|share| format!("{share:.3}")).collect();
            let more = if row.len() > 6 { ", …" } else { "" };
            return Err(argument(
                OP,
                "probabilities of at least 0 that add up to 1 over the classes",
                format!("[{}{more}], in sum {sum:.4}, at index {at}", shown.join(", ")),
                "For several classes at once take bce_with_logits(); raw logits of a teacher need a softmax.",
            ));
        }
    }
    Ok(())
}

impl From<CrossEntropy> for Loss {
    fn from(cross_entropy: CrossEntropy) -> Loss {
        let settings = format!("{cross_entropy:?}");
        Loss::new("cross-entropy", move |logits, targets| cross_entropy.of(logits, targets))
            .with_settings(settings)
    }
}
