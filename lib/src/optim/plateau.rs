use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::better::Better;
use crate::{Error, Result};

/// Lowers the learning rate when a value that is followed, mostly the validation loss, stops getting better;
/// `ReduceLROnPlateau` of PyTorch. It knows no optimizer: it says by what the training's rate is to be multiplied.
///
/// ```
/// use sconce::optim::ReduceOnPlateau;
/// # fn main() -> sconce::Result<()> {
/// let mut plateau = ReduceOnPlateau::default().factor(0.5).patience(1);
/// for loss in [1.0, 0.8, 0.9, 0.9] {
///     if let Some(scale) = plateau.observe(loss)? {
///         assert_eq!(scale, 0.5); // optimizer.set_learning_rate(1e-3 * scale)?
///     }
/// }
/// assert_eq!(plateau.scale(), 0.5);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct ReduceOnPlateau {
    wanted: Better,
    factor: f64,
    patience: usize,
    threshold: Threshold,
    cooldown: usize,
    min_scale: f64,
    state: PlateauState,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Threshold {
    Relative(f64),
    Absolute(f64),
}

/// What a [`ReduceOnPlateau`] has seen, to be saved. Its numbers come back from JSON to the last bit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlateauState {
    /// The best value so far.
    #[serde(serialize_with = "as_text", deserialize_with = "from_text")]
    best: Option<f64>,
    /// Values without anything better since then.
    bad: usize,
    /// Values that are still not counted.
    cooldown: usize,
    /// What the rate is multiplied with.
    #[serde(serialize_with = "as_text", deserialize_with = "from_text")]
    scale: Option<f64>,
}

impl Default for ReduceOnPlateau {
    /// A tenth of the rate after more than 10 values without one that is lower by a ten-thousandth.
    fn default() -> ReduceOnPlateau {
        ReduceOnPlateau {
            wanted: Better::Lower,
            factor: 0.1,
            patience: 10,
            threshold: Threshold::Relative(1e-4),
            cooldown: 0,
            min_scale: 0.0,
            state: PlateauState { best: None, bad: 0, cooldown: 0, scale: None },
        }
    }
}

impl ReduceOnPlateau {
    /// For values such as the accuracy. Otherwise lower ones are better.
    pub fn higher_is_better(mut self) -> ReduceOnPlateau {
        self.wanted = Better::Higher;
        self
    }

    /// For values such as a loss, as it is unless told.
    pub fn lower_is_better(mut self) -> ReduceOnPlateau {
        self.wanted = Better::Lower;
        self
    }

    pub(crate) fn better(mut self, better: Better) -> ReduceOnPlateau {
        self.wanted = better;
        self
    }

    /// What the rate is multiplied with at each drop, above 0 and below 1; 0.1.
    pub fn factor(mut self, factor: f64) -> ReduceOnPlateau {
        self.factor = factor;
        self
    }

    /// How many values without a better one are borne; the next one lowers the rate. 10.
    pub fn patience(mut self, values: usize) -> ReduceOnPlateau {
        self.patience = values;
        self
    }

    /// By what part of the best value another must be better to count, from 0 up to and without 1; 0.0001.
    pub fn threshold(mut self, part: f64) -> ReduceOnPlateau {
        self.threshold = Threshold::Relative(part);
        self
    }

    /// By how much a value must be better than the best one to count, at least 0, in place of [`ReduceOnPlateau::threshold`].
    pub fn absolute_threshold(mut self, difference: f64) -> ReduceOnPlateau {
        self.threshold = Threshold::Absolute(difference);
        self
    }

    /// For how many values after a drop none is counted as bad; 0.
    pub fn cooldown(mut self, values: usize) -> ReduceOnPlateau {
        self.cooldown = values;
        self
    }

    /// What part of the training's rate is never gone below, from 0 to 1; 0.
    pub fn min_scale(mut self, scale: f64) -> ReduceOnPlateau {
        self.min_scale = scale;
        self
    }

    /// Takes the next value; gives what the training's rate is to be multiplied with from now on if that has dropped.
    ///
    /// # Errors
    /// A value that is not finite; a setting out of its range.
    pub fn observe(&mut self, value: f64) -> Result<Option<f64>> {
        self.check()?;
        if !value.is_finite() {
            let hint =
                "A loss that is not finite has gone wrong for good: start again with a lower learning rate.";
            return Err(wrong("a finite value", value, hint));
        }
        let state = &mut self.state;
        if state.best.is_none_or(|best| self.wanted.is_better(value, best, margin(self.threshold, best))) {
            (state.best, state.bad) = (Some(value), 0);
        } else {
            state.bad += 1;
        }
        if state.cooldown > 0 {
            (state.cooldown, state.bad) = (state.cooldown - 1, 0);
        }
        if state.bad <= self.patience {
            return Ok(None);
        }
        (state.cooldown, state.bad) = (self.cooldown, 0);
        let before = state.scale.unwrap_or(1.0);
        let scale = (before * self.factor).max(self.min_scale);
        if scale >= before {
            return Ok(None);
        }
        state.scale = Some(scale);
        Ok(Some(scale))
    }

    /// What the training's rate is to be multiplied with, 1 until the first drop.
    #[must_use]
    pub fn scale(&self) -> f64 {
        self.state.scale.unwrap_or(1.0)
    }

    /// What the rate is multiplied with at each drop.
    #[must_use]
    pub fn scale_at_a_drop(&self) -> f64 {
        self.factor
    }

    /// The best value so far.
    #[must_use]
    pub fn best(&self) -> Option<f64> {
        self.state.best
    }

    /// What it has seen, for [`ReduceOnPlateau::restore`].
    #[must_use]
    pub fn state(&self) -> PlateauState {
        self.state.clone()
    }

    /// Goes on from where another one of the same settings was.
    pub fn restore(&mut self, state: PlateauState) {
        self.state = state;
    }

    /// An error if a setting is out of its range.
    ///
    /// # Errors
    /// That.
    pub fn check(&self) -> Result<()> {
        if !(self.factor > 0.0 && self.factor < 1.0) {
            return Err(wrong("a factor above 0 and below 1", self.factor, "0.1 is the default."));
        }
        if !(0.0..=1.0).contains(&self.min_scale) {
            let hint = "It is a part of the training's learning rate; 0 is the default.";
            return Err(wrong("min_scale between 0 and 1", self.min_scale, hint));
        }
        match self.threshold {
            Threshold::Relative(part) if !(0.0..1.0).contains(&part) => Err(wrong(
                "a threshold of at least 0 and below 1",
                part,
                "It is a part of the best value; 0.0001 is the default.",
            )),
            Threshold::Absolute(difference) if !(0.0..f64::INFINITY).contains(&difference) => Err(wrong(
                "an absolute threshold of at least 0",
                difference,
                "It is in the value's own units.",
            )),
            _ => Ok(()),
        }
    }
}

/// By how much a value must be better than the best one.
fn margin(threshold: Threshold, best: f64) -> f64 {
    match threshold {
        // Of its size: PyTorch takes the value with its sign, so that below 0 a worse one may count as better.
        Threshold::Relative(part) => best.abs() * part,
        Threshold::Absolute(difference) => difference,
    }
}

fn wrong(expected: &str, got: f64, hint: &str) -> Error {
    Error::Argument {
        op: "ReduceOnPlateau".into(),
        expected: expected.into(),
        got: got.to_string(),
        hint: hint.into(),
    }
}

/// As text, because not every reader of JSON gives a number back to the last bit.
fn as_text<S: Serializer>(value: &Option<f64>, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    value.map(|value| value.to_string()).serialize(serializer)
}

fn from_text<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Option<f64>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    let value = text.map(|text| text.parse::<f64>()).transpose().map_err(serde::de::Error::custom)?;
    match value {
        Some(value) if !value.is_finite() => Err(serde::de::Error::custom("a value that is not finite")),
        value => Ok(value),
    }
}
