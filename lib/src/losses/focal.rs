use candle_core::{D, DType, Tensor};

use super::Loss;
use super::refused::{argument, at_least_zero, described, shape};
use crate::{Result, ops};

/// The focal loss of raw logits (B, C) against u32 labels (B,), the mean over the batch (Lin et al. 2017):
/// `-(1 - p)^gamma log p`, where `p` is the probability of the right class. Where most images are easy, the hard ones
/// are learnt from. `gamma` 2, as in the paper; [`super::sigmoid_focal`] is its form for detectors and tags.
pub fn focal() -> Focal {
    Focal { gamma: 2.0, class_weights: None }
}

/// How [`focal`] is set up.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Focal {
    gamma: f64,
    class_weights: Option<Vec<f64>>,
}

impl Focal {
    /// How fast what is answered well stops to count, at least 0, where it is cross-entropy.
    pub fn gamma(mut self, gamma: f64) -> Focal {
        self.gamma = gamma;
        self
    }

    /// How much each class counts, the paper's alpha; default 1. The mean is over the samples.
    pub fn class_weights(mut self, weights: impl Into<Vec<f64>>) -> Focal {
        self.class_weights = Some(weights.into());
        self
    }

    /// The loss of logits (B, C), of at least two classes, against labels (B,): a tensor without dimensions.
    ///
    /// # Errors
    /// Other shapes or dtypes, a label that is no class, settings out of their range.
    pub fn of(&self, logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
        let op = "focal";
        let &[batch, classes] = logits.dims() else {
            return Err(shape(
                op,
                "logits (B, C)",
                described(logits),
                "End the model with linear(num_classes).",
            ));
        };
        if batch == 0 || classes < 2 || targets.dims() != [batch] || targets.dtype() != DType::U32 {
            let got = format!("logits {} and targets {}", described(logits), described(targets));
            let hint = "Targets are the number of the right class of each sample.";
            return Err(shape(op, "logits (B, C) of at least two classes and targets U32 (B)", got, hint));
        }
        at_least_zero(op, "gamma", self.gamma, "2 is usual.")?;
        if let Some(weights) = &self.class_weights {
            if weights.len() != classes {
                let hint = "Give one weight for each class, in the order of the logits.";
                return Err(argument(
                    op,
                    format!("{classes} class weights"),
                    weights.len().to_string(),
                    hint,
                ));
            }
            for &weight in weights {
                at_least_zero(op, "class weights", weight, "A weight of 1 changes nothing.")?;
            }
        }
        let labels = targets.to_vec1::<u32>()?;
        let mut right = vec![0.0; batch * classes];
        let mut weights = Vec::with_capacity(batch);
        for (at, (row, &label)) in right.chunks_exact_mut(classes).zip(&labels).enumerate() {
            let Some(value) = row.get_mut(label as usize) else {
                let got = format!("label {label} at index {at}");
                let hint = "Give the last layer one output per class, or mend the label.";
                return Err(argument(
                    op,
                    format!("labels below {classes}, the number of classes"),
                    got,
                    hint,
                ));
            };
            *value = 1.0;
            weights.push(self.class_weights.as_ref().map_or(1.0, |weights| weights[label as usize]));
        }
        let like = |values: Vec<f64>, dims: &[usize]| -> Result<Tensor> {
            Ok(Tensor::from_vec(values, dims, logits.device())?.to_dtype(logits.dtype())?)
        };
        let (right, weights) = (like(right, &[batch, classes])?, like(weights, &[batch])?);
        let logs = ops::log_softmax(logits, 1)?;
        let log_right = (&logs * &right)?.sum(D::Minus1)?; // (B)
        // The logarithm of the others' sum: that of 1 - p loses all digits when p is nearly 1.
        let others = (logs - (right * 1e30)?)?;
        let largest = others.detach().max_keepdim(D::Minus1)?;
        let sum = others.broadcast_sub(&largest)?.exp()?.sum(D::Minus1)?; // (B)
        let log_wrong = (sum.log()? + largest.squeeze(D::Minus1)?)?;
        let loss = (log_right.neg()? * (log_wrong * self.gamma)?.exp()?)?;
        Ok((loss * weights)?.mean_all()?)
    }
}

impl From<Focal> for Loss {
    fn from(focal: Focal) -> Loss {
        let settings = format!("{focal:?}");
        Loss::new("focal", move |logits, targets| focal.of(logits, targets)).with_settings(settings)
    }
}
