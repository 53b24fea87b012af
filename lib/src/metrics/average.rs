//! One number for many classes.

use super::refused::{argument, missing_class};
use crate::{Error, Result};

/// How the values of classes become one.
///
/// A class that is neither in the targets nor among what was predicted has no value and is left out, as scikit-learn and
/// torchmetrics do it for samples of one class each: what does not occur must not make a good model look bad. For tags
/// those two count it as 0; here it is left out there, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Average {
    /// All decisions count alike, whichever class they are of. Where each sample has one class, micro precision, recall
    /// and F1 are all the accuracy.
    Micro,
    /// All classes count alike, also rare ones.
    Macro,
    /// Each class counts as often as it is in the targets.
    Weighted,
    /// The value of this class alone, from 0, against all others: with two classes, `Class(1)` is what scikit-learn calls
    /// `binary`.
    Class(usize),
}

impl Average {
    /// A metric's name with this average, as scikit-learn spells it: `f1_macro`.
    pub(super) fn named(self, metric: &str) -> String {
        match self {
            Average::Micro => format!("{metric}_micro"),
            Average::Macro => format!("{metric}_macro"),
            Average::Weighted => format!("{metric}_weighted"),
            Average::Class(class) => format!("{metric}_class_{class}"),
        }
    }

    /// The mean of the values of classes, which are `None` where there is none, by how often each is in the targets.
    /// [`Average::Micro`] has its value from elsewhere.
    pub(super) fn of(self, op: &str, values: &[Option<f64>], support: &[u64]) -> Result<f64> {
        if let Average::Class(class) = self {
            return match values.get(class) {
                Some(Some(value)) => Ok(*value),
                Some(None) => Err(absent(op, class)),
                None => Err(argument(
                    op,
                    format!("a class below {}", values.len()),
                    class.to_string(),
                    "Classes count from 0.",
                )),
            };
        }
        let weight = |class: usize| match self {
            Average::Weighted => support.get(class).copied().unwrap_or(0) as f64,
            _ => 1.0,
        };
        let (mut sum, mut weights) = (0.0, 0.0);
        for (class, value) in values.iter().enumerate() {
            if let Some(value) = value {
                sum += value * weight(class);
                weights += weight(class);
            }
        }
        if weights > 0.0 {
            return Ok(sum / weights);
        }
        Err(argument(
            op,
            "targets in which at least one class is there",
            "none",
            "Without a class that is there, there is nothing to find.",
        ))
    }
}

/// A class that does not occur.
pub(super) fn absent(op: &str, class: usize) -> Error {
    missing_class(
        op,
        class,
        format!("class {class} in the targets or among what was predicted"),
        "neither",
        "Without it there is no value: look at a larger part of the data, or split it by class.",
    )
}
