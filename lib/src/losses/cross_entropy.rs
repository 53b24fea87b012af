use candle_core::{DType, Tensor};

use super::Loss;
use crate::{Error, Result, ops};

/// Cross-entropy of raw logits (B, C) against u32 labels (B,), the mean over the batch, in nats: `ln C` for
/// a model that knows nothing. Softmax is inside; do not put one at the end of the model.
pub fn cross_entropy() -> CrossEntropy {
    CrossEntropy { label_smoothing: 0.0 }
}

/// How [`cross_entropy`] is set up.
#[derive(Debug, Clone, Copy, PartialEq)]
#[must_use]
pub struct CrossEntropy {
    label_smoothing: f64,
}

impl CrossEntropy {
    /// The share of each target that is spread evenly over all classes, in `[0, 1]`; default 0 (Szegedy et
    /// al. 2016).
    pub fn label_smoothing(mut self, share: f64) -> CrossEntropy {
        self.label_smoothing = share;
        self
    }

    /// The loss of logits (B, C) against labels (B,): a tensor without dimensions.
    ///
    /// # Errors
    /// Other shapes or dtypes, a label that is no class, a smoothing outside `[0, 1]`.
    pub fn of(&self, logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
        let fits =
            logits.rank() == 2 && targets.dims() == &logits.dims()[..1] && targets.dtype() == DType::U32;
        if !fits || logits.elem_count() == 0 {
            return Err(Error::Shape {
                op: "cross_entropy".into(),
                expected: "logits (B, C) and targets U32 (B), neither empty".into(),
                got: format!(
                    "logits {:?} {:?} and targets {:?} {:?}",
                    logits.dtype(),
                    logits.dims(),
                    targets.dtype(),
                    targets.dims()
                ),
                hint: "Logits are one score per class for each sample, targets the right class's number."
                    .into(),
            });
        }
        if !(0.0..=1.0).contains(&self.label_smoothing) {
            return Err(Error::Argument {
                op: "cross_entropy".into(),
                expected: "label_smoothing from 0 to 1".into(),
                got: format!("{}", self.label_smoothing),
                hint: "0.1 is the usual amount.".into(),
            });
        }
        ops::softmax_cross_entropy(logits, targets, self.label_smoothing)
    }
}

impl From<CrossEntropy> for Loss {
    fn from(cross_entropy: CrossEntropy) -> Loss {
        Loss::new("cross-entropy", move |logits, targets| cross_entropy.of(logits, targets))
    }
}
