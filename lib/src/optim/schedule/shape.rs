use std::f64::consts::PI;

use super::one_cycle::OneCycleConfig;
use super::wrong;
use crate::Result;

/// What a schedule looks like, apart from warm-up, floor and length.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shape {
    Constant,
    Step {
        size: usize,
        gamma: f64,
    },
    Milestones {
        milestones: Vec<usize>,
        gamma: f64,
    },
    Exponential {
        gamma: f64,
    },
    Linear {
        start: f64,
        end: f64,
    },
    Polynomial {
        power: f64,
    },
    Cosine,
    Restarts {
        first: usize,
        growth: usize,
    },
    OneCycle(OneCycleConfig),
    /// A setting was given that this one does not have.
    Growing(&'static str),
}

impl Shape {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Shape::Constant => "constant",
            Shape::Step { .. } => "step_decay",
            Shape::Milestones { .. } => "multi_step",
            Shape::Exponential { .. } => "exponential",
            Shape::Linear { .. } => "linear",
            Shape::Polynomial { .. } => "polynomial",
            Shape::Cosine => "cosine",
            Shape::Restarts { .. } => "cosine_restarts",
            Shape::OneCycle(_) => "one_cycle",
            Shape::Growing(name) => name,
        }
    }

    pub(super) fn needs_length(&self) -> bool {
        matches!(self, Shape::Linear { .. } | Shape::Polynomial { .. } | Shape::Cosine | Shape::OneCycle(_))
    }

    /// The setting of the restarts; what has none keeps the mistake for [`Shape::check`].
    pub(super) fn growing(self, growth: usize) -> Shape {
        match self {
            Shape::Restarts { first, .. } => Shape::Restarts { first, growth },
            other => Shape::Growing(other.name()),
        }
    }

    /// What the rate is multiplied with at unit `at`. The settings are good and a length that is needed is there.
    pub(super) fn factor(&self, at: usize, length: Option<usize>) -> f64 {
        let held = length.map_or(at, |length| at.min(length));
        // Of those that need a length, how far they have come.
        let way = |at: usize| at as f64 / length.unwrap_or(1) as f64;
        match self {
            Shape::Constant | Shape::Growing(_) => 1.0,
            Shape::Step { size, gamma } => gamma.powf((held / size) as f64),
            Shape::Milestones { milestones, gamma } => {
                gamma.powf(milestones.iter().filter(|&&milestone| milestone <= held).count() as f64)
            }
            Shape::Exponential { gamma } => gamma.powf(held as f64),
            Shape::Linear { start, end } => start + (end - start) * way(held),
            Shape::Polynomial { power } => (1.0 - way(held)).powf(*power),
            Shape::Cosine => half_cosine(way(at)),
            Shape::Restarts { first, growth } => {
                let at_end = length.is_some_and(|length| at >= length);
                let (mut at, mut round) = (held, *first);
                if *growth == 1 {
                    at %= round;
                }
                while at >= round {
                    at -= round;
                    round = round.saturating_mul(*growth);
                }
                // Where it ends with a round, the next one does not begin.
                if at_end && at == 0 { 0.0 } else { half_cosine(at as f64 / round as f64) }
            }
            Shape::OneCycle(config) => config.factor(at, length.unwrap_or(1)),
        }
    }

    pub(super) fn momentum(&self, at: usize, length: Option<usize>) -> Option<f64> {
        match self {
            Shape::OneCycle(config) => config.momentum_at(at, length.unwrap_or(1)),
            _ => None,
        }
    }

    /// An error if a setting is out of its range.
    pub(super) fn check(&self) -> Result<()> {
        let name = self.name();
        let above_0 = |setting: &str, value: f64| match value > 0.0 && value.is_finite() {
            true => Ok(()),
            false => {
                let hint = "PyTorch's settings of the same names work here.";
                Err(wrong(format!("{name}'s {setting} above 0, and finite"), value, hint))
            }
        };
        match self {
            Shape::Constant | Shape::Cosine => Ok(()),
            Shape::Step { size: 0, .. } => {
                Err(wrong("step_decay's step_size of at least 1", 0, "It is how many units a step lasts."))
            }
            Shape::Milestones { milestones, .. } if milestones.is_empty() => Err(wrong(
                "at least one milestone for multi_step",
                "none",
                "They are the units at which the rate drops; constant() never drops.",
            )),
            Shape::Step { gamma, .. } | Shape::Milestones { gamma, .. } | Shape::Exponential { gamma } => {
                above_0("gamma", *gamma)
            }
            Shape::Linear { start, end } => {
                match [start, end].into_iter().find(|&&v| !(0.0..f64::INFINITY).contains(&v)) {
                    Some(value) => Err(wrong(
                        "linear's factors at least 0, and finite",
                        value,
                        "They are what the rate is multiplied with at the start and at the end.",
                    )),
                    None => Ok(()),
                }
            }
            Shape::Polynomial { power } => above_0("power", *power),
            Shape::Restarts { first: 0, .. } => {
                Err(wrong("a first round of at least 1 unit for cosine_restarts", 0, "Try 10 epochs."))
            }
            Shape::Restarts { growth: 0, .. } => Err(wrong(
                "cosine_restarts to grow at least 1 times",
                0,
                "1 keeps all rounds as long as the first.",
            )),
            Shape::Restarts { .. } => Ok(()),
            Shape::OneCycle(config) => config.check(),
            Shape::Growing(name) => Err(wrong(
                "growing(..) on cosine_restarts only",
                format!("it on {name}"),
                "Leave it out, or write cosine_restarts(first).growing(2).",
            )),
        }
    }
}

/// From 1 to 0 as `way` goes from 0 to 1.
pub(super) fn half_cosine(way: f64) -> f64 {
    (1.0 + (PI * way).cos()) / 2.0
}
