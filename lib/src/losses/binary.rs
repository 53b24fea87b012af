//! Losses of questions that are answered with yes or no.

use candle_core::{D, DType, Tensor};

use super::Loss;
use super::refused::{argument, at_least_zero, same_shape};
use crate::{Result, ops};

/// Binary cross-entropy of raw logits against how sure "yes" is, from 0 to 1, both of any one shape: the mean over all
/// values, in nats. The sigmoid is inside, and the result is exact for logits of any size. For tags, where an image may
/// have several classes at once, and for detectors.
pub fn bce_with_logits() -> BceWithLogits {
    BceWithLogits { pos_weights: None }
}

/// How [`bce_with_logits`] is set up.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct BceWithLogits {
    pos_weights: Option<Vec<f64>>,
}

impl BceWithLogits {
    /// How much a "yes" counts for each class, the last dimension; default 1. Of a class that is there in one image of
    /// ten, 9 makes both answers count alike.
    pub fn pos_weights(mut self, weights: impl Into<Vec<f64>>) -> BceWithLogits {
        self.pos_weights = Some(weights.into());
        self
    }

    /// The loss of logits against targets of the same shape and dtype: a tensor without dimensions.
    ///
    /// # Errors
    /// Other shapes or dtypes, targets outside `[0, 1]`, weights that are not one for each class.
    pub fn of(&self, logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
        let op = "bce_with_logits";
        same_shape(op, logits, targets)?;
        check_targets(op, targets, |target| (0.0..=1.0).contains(&target), "targets from 0 to 1")?;
        let [log_yes, log_no] = log_sigmoids(logits)?;
        let mut yes = (log_yes * targets)?;
        if let Some(weights) = &self.pos_weights {
            let classes = logits.dims().last().copied().unwrap_or(1);
            if weights.len() != classes {
                let hint = "Give one weight for each value of the last dimension.";
                return Err(argument(op, format!("{classes} weights"), weights.len().to_string(), hint));
            }
            for &weight in weights {
                at_least_zero(op, "weights", weight, "A weight of 1 changes nothing.")?;
            }
            let weights = Tensor::from_slice(weights, classes, logits.device())?.to_dtype(logits.dtype())?;
            yes = yes.broadcast_mul(&weights)?;
        }
        let no = (log_no * targets.affine(-1.0, 1.0)?)?;
        Ok((yes + no)?.mean_all()?.neg()?)
    }
}

impl From<BceWithLogits> for Loss {
    fn from(bce: BceWithLogits) -> Loss {
        let settings = format!("{bce:?}");
        Loss::new("binary cross-entropy", move |logits, targets| bce.of(logits, targets))
            .with_settings(settings)
    }
}

/// The focal loss of raw logits against targets 0 and 1 of the same shape (Lin et al. 2017, RetinaNet):
/// `-alpha_t (1 - p_t)^gamma log p_t`, where `p_t` is the probability of the right answer. What is answered well hardly
/// counts, so that many easy cases do not drown the few hard ones. `alpha` 0.25 and `gamma` 2, as in the paper.
pub fn sigmoid_focal() -> SigmoidFocal {
    SigmoidFocal { alpha: Some(0.25), gamma: 2.0 }
}

/// How [`sigmoid_focal`] is set up.
#[derive(Debug, Clone, Copy, PartialEq)]
#[must_use]
pub struct SigmoidFocal {
    alpha: Option<f64>,
    gamma: f64,
}

impl SigmoidFocal {
    /// What a "yes" counts, in `[0, 1]`; a "no" counts `1 - alpha`.
    pub fn alpha(mut self, alpha: f64) -> SigmoidFocal {
        self.alpha = Some(alpha);
        self
    }

    /// Both answers count 1.
    pub fn without_alpha(mut self) -> SigmoidFocal {
        self.alpha = None;
        self
    }

    /// How fast what is answered well stops to count, at least 0, where it is cross-entropy.
    pub fn gamma(mut self, gamma: f64) -> SigmoidFocal {
        self.gamma = gamma;
        self
    }

    /// The mean over all values: a tensor without dimensions.
    ///
    /// # Errors
    /// Other shapes or dtypes, targets other than 0 and 1, settings out of their range.
    pub fn of(&self, logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
        Ok(self.each(logits, targets)?.mean_all()?)
    }

    /// The sum over all values, which RetinaNet divides by the number of objects.
    ///
    /// # Errors
    /// As [`SigmoidFocal::of`].
    pub fn sum_of(&self, logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
        Ok(self.each(logits, targets)?.sum_all()?)
    }

    fn each(&self, logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
        let op = "sigmoid_focal";
        same_shape(op, logits, targets)?;
        at_least_zero(op, "gamma", self.gamma, "2 is usual.")?;
        if let Some(alpha) = self.alpha.filter(|alpha| !(0.0..=1.0).contains(alpha)) {
            return Err(argument(op, "alpha from 0 to 1", format!("{alpha}"), "0.25 is usual."));
        }
        check_targets(op, targets, |target| target == 0.0 || target == 1.0, "targets 0 and 1")?;
        let [log_yes, log_no] = log_sigmoids(logits)?;
        let no = targets.affine(-1.0, 1.0)?;
        let right = ((&log_yes * targets)? + (&log_no * &no)?)?;
        let wrong = ((log_yes * &no)? + (log_no * targets)?)?;
        let loss = (right.neg()? * (wrong * self.gamma)?.exp()?)?;
        Ok(match self.alpha {
            None => loss,
            Some(alpha) => (loss * targets.affine(2.0 * alpha - 1.0, 1.0 - alpha)?)?,
        })
    }
}

impl From<SigmoidFocal> for Loss {
    fn from(focal: SigmoidFocal) -> Loss {
        let settings = format!("{focal:?}");
        Loss::new("focal", move |logits, targets| focal.of(logits, targets)).with_settings(settings)
    }
}

/// The logarithms of the probability of yes and of no for raw logits, both exact however large the logits are: they are
/// those of two classes with logits `x` and 0.
fn log_sigmoids(logits: &Tensor) -> Result<[Tensor; 2]> {
    let pairs = Tensor::stack(&[logits, &logits.zeros_like()?], D::Minus1)?; // (…, 2)
    let logs = ops::log_softmax(&pairs, D::Minus1)?;
    let part = |at: usize| logs.narrow(D::Minus1, at, 1)?.reshape(logits.dims());
    Ok([part(0)?, part(1)?])
}

/// Refuses targets that are not as they should be.
fn check_targets(op: &str, targets: &Tensor, good: impl Fn(f64) -> bool, expected: &str) -> Result<()> {
    let values = targets.detach().to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>()?;
    match values.iter().position(|&target| !good(target)) {
        None => Ok(()),
        Some(at) => Err(argument(
            op,
            expected,
            format!("{} at index {at} of {:?}", values[at], targets.dims()),
            "1 is yes and 0 is no.",
        )),
    }
}
