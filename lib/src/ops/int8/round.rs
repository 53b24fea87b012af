//! The one rule of rounding: to the nearest step, halves to even, clamped. It is made of single operations in f32, none
//! fused, so that every CPU gives the same bits.

use super::activations::Quantization;
use crate::{Error, Result};

/// 1.5 · 2^23: a small number added to it is rounded to a whole one, halves to even, which its last bits then hold.
const MAGIC: f32 = 12_582_912.0;

/// The steps that a result may have, seen from the zero point.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clamp {
    pub(super) low: f32,
    pub(super) high: f32,
    pub(super) zero_point: i32,
}

impl Clamp {
    pub(super) fn new(zero_point: u8, low: u8, high: u8) -> Clamp {
        let from_zero = |step: u8| f32::from(step) - f32::from(zero_point);
        Clamp { low: from_zero(low), high: from_zero(high), zero_point: i32::from(zero_point) }
    }
}

/// `clamp(round(value) + zero_point, low, high)`; NaN gives `low`.
#[inline(always)]
pub(super) fn round_within(value: f32, clamp: Clamp) -> u8 {
    // Clamped first: the bounds are whole numbers, so that it is the same, and what is left is small.
    let value = if value > clamp.low { value } else { clamp.low };
    let value = if value < clamp.high { value } else { clamp.high };
    let rounded = (value + MAGIC).to_bits().cast_signed() - MAGIC.to_bits().cast_signed();
    (rounded + clamp.zero_point) as u8
}

/// How sums become steps of the output: `clamp(round(sum · multiplier) + zero_point, low, high)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Requantize {
    /// For each output channel: the scale of the input times that of the weight, divided by that of the output.
    pub multiplier: Vec<f32>,
    /// What the steps of the output stand for.
    pub output: Quantization,
    /// The lowest step: the zero point for a ReLU.
    pub low: u8,
    /// The highest step: what 6 becomes for a ReLU6.
    pub high: u8,
}

impl Requantize {
    /// Without bounds of its own.
    pub fn new(multiplier: Vec<f32>, output: Quantization) -> Requantize {
        Requantize { multiplier, output, low: 0, high: 255 }
    }

    /// With these bounds on the steps.
    pub fn clamped(self, low: u8, high: u8) -> Requantize {
        Requantize { low, high, ..self }
    }

    pub(super) fn check(&self, op: &str, outputs: usize) -> Result<()> {
        check_multiplier(op, &self.multiplier, outputs)?;
        check_bounds(op, self.low, self.high)?;
        self.output.check(op)
    }

    pub(super) fn clamp(&self) -> Clamp {
        Clamp::new(self.output.zero_point, self.low, self.high)
    }
}

/// Refuses multipliers that are not one number for each output.
pub(super) fn check_multiplier(op: &str, multiplier: &[f32], outputs: usize) -> Result<()> {
    let wrong = |got: String| Error::Argument {
        op: op.into(),
        expected: format!("{outputs} finite multipliers, one for each output channel"),
        got,
        hint: "It is the scale of the input times that of the weight, by that of the output.".into(),
    };
    if multiplier.len() != outputs {
        return Err(wrong(multiplier.len().to_string()));
    }
    match multiplier.iter().position(|value| !value.is_finite()) {
        Some(output) => Err(wrong(format!("{} for output {output}", multiplier[output]))),
        None => Ok(()),
    }
}

pub(super) fn check_bounds(op: &str, low: u8, high: u8) -> Result<()> {
    if low <= high {
        return Ok(());
    }
    Err(Error::Argument {
        op: op.into(),
        expected: "a lowest step that is not above the highest".into(),
        got: format!("{low} and {high}"),
        hint: String::new(),
    })
}
