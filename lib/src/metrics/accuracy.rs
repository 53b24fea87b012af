use candle_core::{DType, Tensor};

use super::metric::{Accumulate, Metric};
use crate::{Error, Result};

/// The fraction of samples whose largest logit is the target's. Takes logits (B, C) and u32 labels (B,);
/// of equal logits the first counts.
#[must_use]
pub fn accuracy() -> Metric {
    Metric::new("accuracy", Accuracy { right: 0, seen: 0 })
}

struct Accuracy {
    right: u64,
    seen: u64,
}

impl Accumulate for Accuracy {
    fn update(&mut self, logits: &Tensor, targets: &Tensor) -> Result<()> {
        let predicted = predicted_classes("accuracy", logits)?;
        let targets = target_classes("accuracy", targets, logits.dims())?;
        self.right += predicted.iter().zip(&targets).filter(|(p, t)| p == t).count() as u64;
        self.seen += targets.len() as u64;
        Ok(())
    }

    fn value(&self) -> Result<f64> {
        if self.seen == 0 {
            return Err(Error::Argument {
                op: "accuracy".into(),
                expected: "at least one sample".into(),
                got: "none".into(),
                hint: "Update it with a batch first.".into(),
            });
        }
        Ok(self.right as f64 / self.seen as f64)
    }

    fn fresh(&self) -> Box<dyn Accumulate> {
        Box::new(Accuracy { right: 0, seen: 0 })
    }
}

/// The class of the largest logit, for each row of logits (B, C). `op` is who asks, for the errors: another
/// shape, or NaN.
pub(crate) fn predicted_classes(op: &str, logits: &Tensor) -> Result<Vec<u32>> {
    if logits.rank() != 2 || logits.dims()[1] == 0 {
        return Err(Error::Shape {
            op: op.into(),
            expected: "logits (B, C), one score for each of C classes".into(),
            got: format!("{:?}", logits.dims()),
            hint: "End the model with linear(num_classes).".into(),
        });
    }
    let rows = logits.to_dtype(DType::F32)?.to_vec2::<f32>()?;
    rows.iter()
        .enumerate()
        .map(|(at, row)| {
            let mut best = 0;
            for (class, score) in row.iter().enumerate() {
                if score.is_nan() {
                    return Err(Error::Argument {
                        op: op.into(),
                        expected: "logits that can be compared".into(),
                        got: format!("NaN for class {class} of sample {at}"),
                        hint: "The model has diverged or its input holds NaN: train anew with a lower \
                               learning rate, and look at the images."
                            .into(),
                    });
                }
                if *score > row[best] {
                    best = class;
                }
            }
            Ok(best as u32)
        })
        .collect()
}

/// The labels (B,) that go with logits of these dimensions.
pub(super) fn target_classes(op: &str, targets: &Tensor, logits: &[usize]) -> Result<Vec<u32>> {
    if targets.dtype() != DType::U32 || targets.rank() != 1 || targets.dims()[0] != logits[0] {
        return Err(Error::Shape {
            op: op.into(),
            expected: format!("targets U32 [{}] beside logits {logits:?}", logits[0]),
            got: format!("{:?} {:?}", targets.dtype(), targets.dims()),
            hint: "A target is the number of the right class, one for each sample.".into(),
        });
    }
    let targets = targets.to_vec1::<u32>()?;
    match targets.iter().position(|&target| target as usize >= logits[1]) {
        None => Ok(targets),
        Some(at) => Err(Error::Argument {
            op: op.into(),
            expected: format!("targets below {}, the number of classes in the logits", logits[1]),
            got: format!("{} for sample {at}", targets[at]),
            hint: "Let the last layer have as many outputs as the dataset has classes.".into(),
        }),
    }
}
