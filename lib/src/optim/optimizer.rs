use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

use candle_core::backprop::GradStore;

use super::config::{Kind, OptimizerConfig};
use super::group::Settings;
use super::slot::Slot;
use crate::ops::Parameter;
use crate::{Error, Result};

/// An optimizer and what it keeps for its parameters: momentum, moments, the number of steps.
#[derive(Clone)]
pub struct Optimizer {
    pub(super) config: OptimizerConfig,
    pub(super) lr: f64,
    /// The one that was last set, if any was.
    pub(super) momentum: Option<f64>,
    pub(super) slots: Vec<Slot>,
}

/// What one parameter is moved with. See [`Optimizer::settings`].
#[derive(Debug, Clone, PartialEq)]
pub struct ParamSettings {
    /// The parameter's name.
    pub name: String,
    /// The learning rate of its next step.
    pub learning_rate: f64,
    /// Its pull to zero.
    pub weight_decay: f64,
}

impl Optimizer {
    pub(super) fn new(
        config: OptimizerConfig,
        parameters: &[Parameter],
        settings: Vec<Settings>,
    ) -> Result<Optimizer> {
        let op = config.name();
        let mut slots = Vec::with_capacity(parameters.len());
        let mut known = HashMap::with_capacity(parameters.len());
        for (parameter, settings) in parameters.iter().zip(settings) {
            if let Some(twin) = known.insert(parameter.var.id(), &parameter.name) {
                return Err(Error::Argument {
                    op: op.into(),
                    expected: "each parameter once".into(),
                    got: format!("one tensor as both {:?} and {:?}", twin, parameter.name),
                    hint: "A parameter that layers share is listed once.".into(),
                });
            }
            slots.push(Slot::new(op, parameter, settings, config.kept().len())?);
        }
        Ok(Optimizer { lr: config.learning_rate(), momentum: None, config, slots })
    }

    /// Moves every parameter one step along its gradient, in place.
    ///
    /// # Errors
    /// A parameter has no gradient, or one of another shape or dtype: the message names it, and no
    /// parameter has moved.
    pub fn step(&mut self, gradients: &GradStore) -> Result<()> {
        let (op, lr, initial) = (self.config.name(), self.lr, self.config.learning_rate());
        let kind = self.present();
        // All are looked at before the first one moves.
        for slot in &self.slots {
            slot.gradient(op, gradients)?;
        }
        for slot in &mut self.slots {
            let (gradient, lr) = (slot.gradient(op, gradients)?, slot.rate(lr, initial));
            match &kind {
                Kind::Sgd(sgd) => slot.step(sgd, lr, gradient)?,
                Kind::Adam(adam) => slot.step(adam, lr, gradient)?,
                Kind::RmsProp(rmsprop) => slot.step(rmsprop, lr, gradient)?,
                Kind::Adagrad(adagrad) => slot.step(adagrad, lr, gradient)?,
            }
        }
        Ok(())
    }

    /// The learning rate of the next step, where no group has another.
    #[must_use]
    pub fn learning_rate(&self) -> f64 {
        self.lr
    }

    /// Sets the learning rate of the next steps; momentum and moments stay. Groups with rates of their own
    /// follow in the ratio to the optimizer's rate that they started with.
    ///
    /// # Errors
    /// A rate that is negative or not finite.
    pub fn set_learning_rate(&mut self, lr: f64) -> Result<()> {
        in_range(self.config.name(), "learning rate", lr, 0.0..f64::INFINITY)?;
        self.lr = lr;
        Ok(())
    }

    /// How it was set up.
    pub fn config(&self) -> &OptimizerConfig {
        &self.config
    }

    /// The parameters it moves.
    #[must_use]
    pub fn parameters(&self) -> Vec<Parameter> {
        self.slots.iter().map(|slot| slot.parameter.clone()).collect()
    }

    /// What each parameter is moved with: what the groups have made of the optimizer's settings.
    #[must_use]
    pub fn settings(&self) -> Vec<ParamSettings> {
        let initial = self.config.learning_rate();
        let settings = self.slots.iter().map(|slot| ParamSettings {
            name: slot.parameter.name.clone(),
            learning_rate: slot.rate(self.lr, initial),
            weight_decay: slot.settings.weight_decay,
        });
        settings.collect()
    }
}

impl fmt::Debug for Optimizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let elements: usize = self.slots.iter().map(|slot| slot.parameter.var.elem_count()).sum();
        let steps = self.slots.iter().map(|slot| slot.steps).max().unwrap_or(0);
        write!(
            f,
            "{}, learning rate {}, {} tensors of {elements} numbers, {steps} steps taken",
            self.config.name(),
            self.lr,
            self.slots.len()
        )
    }
}

/// An error unless `value` lies in `range`.
pub(super) fn in_range(op: &str, setting: &str, value: f64, range: Range<f64>) -> Result<()> {
    if range.contains(&value) {
        return Ok(());
    }
    let expected = match (range.start, range.end) {
        (start, f64::INFINITY) if start > 0.0 => format!("{setting} above 0 and finite"),
        (start, f64::INFINITY) => format!("{setting} at least {start} and finite"),
        (f64::MIN_POSITIVE, end) => format!("{setting} above 0 and below {end}"),
        (start, end) => format!("{setting} at least {start} and below {end}"),
    };
    Err(Error::Argument {
        op: op.into(),
        expected,
        got: format!("{value}"),
        hint: "PyTorch's settings of the same names work here.".into(),
    })
}
