//! How the learning rate goes over a training, by PyTorch's formulas.

mod one_cycle;
mod shape;
mod words;

pub use one_cycle::{Anneal, OneCycleConfig, Phases};
use shape::Shape;

use crate::{Error, Result};

/// What part of the rate a warm-up begins with unless told.
const WARMUP_FROM: f64 = 0.01;

/// How the learning rate goes over a training. It knows nothing of steps and epochs: whoever asks for the rate
/// decides what the units are that it counts, from 0.
///
/// Made by [`constant`], [`step_decay`], [`multi_step`], [`exponential`], [`linear`], [`polynomial`], [`cosine`],
/// [`cosine_restarts`], [`one_cycle`] and from a [`OneCycleConfig`]. Any of them takes a warm-up in front and a floor below:
///
/// ```
/// use sconce::optim::cosine;
/// # fn main() -> sconce::Result<()> {
/// let schedule = cosine().warmup(5).floor(1e-5).over(100);
/// assert_eq!(schedule.rate(0.1, 5)?, 0.1);
/// assert!(schedule.rate(0.1, 0)? < 0.01 && schedule.rate(0.1, 99)? < 1e-3);
/// # Ok(()) }
/// ```
///
/// In a loop by hand: `optimizer.set_learning_rate(schedule.rate(0.1, step)?)?`, and the same with
/// [`Schedule::momentum`].
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Schedule {
    shape: Shape,
    /// In units, those of the warm-up among them.
    length: Option<usize>,
    /// Where the rate comes to instead of 0.
    floor: f64,
    /// Units of the warm-up.
    warmup: usize,
    warmup_from: f64,
}

/// The same rate all the time.
pub fn constant() -> Schedule {
    Shape::Constant.into()
}

/// The rate times `gamma` (above 0) after every `step_size` units; `StepLR` of PyTorch.
pub fn step_decay(step_size: usize, gamma: f64) -> Schedule {
    Shape::Step { size: step_size, gamma }.into()
}

/// The rate times `gamma` (above 0) from each of the `milestones` on; `MultiStepLR` of PyTorch.
pub fn multi_step(milestones: impl Into<Vec<usize>>, gamma: f64) -> Schedule {
    Shape::Milestones { milestones: milestones.into(), gamma }.into()
}

/// The rate times `gamma` (above 0) after every unit; `ExponentialLR` of PyTorch.
pub fn exponential(gamma: f64) -> Schedule {
    Shape::Exponential { gamma }.into()
}

/// From `start` times the rate in a straight line to `end` times the rate, both at least 0, which is reached at
/// the schedule's length and kept; `LinearLR` of PyTorch.
pub fn linear(start: f64, end: f64) -> Schedule {
    Shape::Linear { start, end }.into()
}

/// From the rate down to 0 as what is left of the schedule to the power of `power` (above 0), then kept;
/// `PolynomialLR` of PyTorch.
pub fn polynomial(power: f64) -> Schedule {
    Shape::Polynomial { power }.into()
}

/// From the rate down to 0 along half a cosine; `CosineAnnealingLR` of PyTorch, whose rate rises again, as the cosine
/// does, if training goes on beyond the schedule's length (Loshchilov and Hutter 2017).
pub fn cosine() -> Schedule {
    Shape::Cosine.into()
}

/// Down along half a cosine in `first` units, then again from the rate; `CosineAnnealingWarmRestarts` of PyTorch
/// (Loshchilov and Hutter 2017). [`Schedule::growing`] makes each round longer than the last.
pub fn cosine_restarts(first: usize) -> Schedule {
    Shape::Restarts { first, growth: 1 }.into()
}

/// Up to the rate and far below where it began, while the momentum goes the other way: [`OneCycleConfig`] with its defaults,
/// those of PyTorch's `OneCycleLR`.
pub fn one_cycle() -> Schedule {
    OneCycleConfig::default().into()
}

impl From<Shape> for Schedule {
    fn from(shape: Shape) -> Schedule {
        Schedule { shape, length: None, floor: 0.0, warmup: 0, warmup_from: WARMUP_FROM }
    }
}

impl From<OneCycleConfig> for Schedule {
    fn from(config: OneCycleConfig) -> Schedule {
        Shape::OneCycle(config).into()
    }
}

impl Schedule {
    /// Puts a warm-up of so many units in front: from a hundredth of the rate that the schedule begins with (as torchvision's
    /// training scripts do), in a straight line. Then the schedule begins.
    pub fn warmup(mut self, units: usize) -> Schedule {
        self.warmup = units;
        self
    }

    /// What part of the schedule's first rate the warm-up begins with, from 0 to 1.
    pub fn warmup_from(mut self, factor: f64) -> Schedule {
        self.warmup_from = factor;
        self
    }

    /// How many units it takes, those of the warm-up among them. Schedules that need no length (`constant`, `step_decay`,
    /// `multi_step`, `exponential`, `cosine_restarts`) keep the rate that they have come to from there on.
    pub fn over(mut self, units: usize) -> Schedule {
        self.length = Some(units);
        self
    }

    /// The rate that stands in the place of 0: a factor that would halve the rate brings it half the way down to here. At
    /// least 0 and at most the rate that the schedule is asked about. PyTorch's `eta_min`.
    pub fn floor(mut self, rate: f64) -> Schedule {
        self.floor = rate;
        self
    }

    /// How many times as long as the last each round of [`cosine_restarts`] is, at least 1; no other schedule takes it.
    pub fn growing(mut self, times: usize) -> Schedule {
        self.shape = self.shape.growing(times);
        self
    }

    /// This schedule with a length of `total` units, if it needs one and was given none.
    pub fn fitted(&self, total: usize) -> Schedule {
        let needed = self.length.is_none() && self.shape.needs_length();
        Schedule { length: if needed { Some(total) } else { self.length }, ..self.clone() }
    }

    /// How many units it takes, where that is known.
    #[must_use]
    pub fn length(&self) -> Option<usize> {
        self.length
    }

    /// The learning rate at unit `at`, counted from 0, of a training whose own rate is `base`: the highest one for all schedules
    /// but those that grow.
    ///
    /// # Errors
    /// A setting out of its range; a schedule that needs a length and has none; a unit behind the end of [`one_cycle`];
    /// a base rate that is negative, not finite, or below the floor.
    pub fn rate(&self, base: f64, at: usize) -> Result<f64> {
        self.check_at(at)?;
        if !(base.is_finite() && base >= self.floor) {
            let expected = match self.floor {
                0.0 => "a learning rate of at least 0, and finite".into(),
                floor => format!("a learning rate of at least its floor of {floor}, and finite"),
            };
            return Err(wrong(expected, base, "The schedule comes down from it."));
        }
        let of = |factor: f64| self.floor + (base - self.floor) * factor;
        let Some(at) = at.checked_sub(self.warmup) else {
            let way = at as f64 / self.warmup as f64;
            let factor = self.warmup_from + (1.0 - self.warmup_from) * way;
            return Ok(of(self.shape.factor(0, self.own_length())) * factor);
        };
        Ok(of(self.shape.factor(at, self.own_length())))
    }

    /// The momentum at unit `at` for [`Optimizer::set_momentum`](super::Optimizer::set_momentum), if the schedule
    /// has one: only [`one_cycle`] does.
    ///
    /// # Errors
    /// As for [`Schedule::rate`].
    pub fn momentum(&self, at: usize) -> Result<Option<f64>> {
        self.check_at(at)?;
        Ok(self.shape.momentum(at.saturating_sub(self.warmup), self.own_length()))
    }

    /// An error if a setting is out of its range, or a length is needed and not there.
    ///
    /// # Errors
    /// Those.
    pub fn check(&self) -> Result<()> {
        self.shape.check()?;
        if !(0.0..f64::INFINITY).contains(&self.floor) {
            return Err(wrong("a floor of at least 0, and finite", self.floor, "0 is the default."));
        }
        if !(0.0..=1.0).contains(&self.warmup_from) {
            let hint = "It is the part of the rate that the warm-up begins with; 0.01 is the default.";
            return Err(wrong("warmup_from between 0 and 1", self.warmup_from, hint));
        }
        match self.length {
            None if self.shape.needs_length() => Err(wrong(
                format!("a length for {}", self.shape.name()),
                "none",
                "Say how long it is with .over(units); a Learner does it by itself.",
            )),
            Some(length) if length <= self.warmup => Err(wrong(
                format!("a length above the {} units of its warm-up", self.warmup),
                length,
                "Both are in the same units, and the length has the warm-up in it.",
            )),
            _ => Ok(()),
        }
    }

    fn check_at(&self, at: usize) -> Result<()> {
        self.check()?;
        match (&self.shape, self.length) {
            (Shape::OneCycle(_), Some(length)) if at >= length => Err(wrong(
                format!("a unit below {length}, where its one cycle ends"),
                at,
                "Give it the length of the whole training with .over(units), or start another schedule.",
            )),
            _ => Ok(()),
        }
    }

    /// Without the warm-up.
    fn own_length(&self) -> Option<usize> {
        self.length.map(|length| length.saturating_sub(self.warmup))
    }
}

fn wrong(expected: impl Into<String>, got: impl ToString, hint: &str) -> Error {
    Error::Argument {
        op: "Schedule".into(),
        expected: expected.into(),
        got: got.to_string(),
        hint: hint.into(),
    }
}
