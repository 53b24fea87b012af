use std::cell::RefCell;
use std::fmt;
use std::ops::Range;

use candle_core::backprop::GradStore;
use candle_core::{DType, Tensor};

use super::adagrad::Adagrad;
use super::adam::Adam;
use super::in_place::{State, Step};
use super::rmsprop::RmsProp;
use super::rule::{Moment, Rule};
use super::sgd::Sgd;
use crate::ops::Parameter;
use crate::{Error, Result};

/// Any optimizer's configuration, for whoever builds it later.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OptimizerConfig {
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Sgd(Sgd),
    Adam(Adam),
    RmsProp(RmsProp),
    Adagrad(Adagrad),
}

impl From<Sgd> for OptimizerConfig {
    fn from(sgd: Sgd) -> OptimizerConfig {
        OptimizerConfig { kind: Kind::Sgd(sgd) }
    }
}

impl From<Adam> for OptimizerConfig {
    fn from(adam: Adam) -> OptimizerConfig {
        OptimizerConfig { kind: Kind::Adam(adam) }
    }
}

impl From<RmsProp> for OptimizerConfig {
    fn from(rmsprop: RmsProp) -> OptimizerConfig {
        OptimizerConfig { kind: Kind::RmsProp(rmsprop) }
    }
}

impl From<Adagrad> for OptimizerConfig {
    fn from(adagrad: Adagrad) -> OptimizerConfig {
        OptimizerConfig { kind: Kind::Adagrad(adagrad) }
    }
}

impl OptimizerConfig {
    /// The optimizer of these parameters, its state empty. To freeze a parameter, leave it out.
    ///
    /// # Errors
    /// A setting out of its range; a parameter that is not F32 or F64, not contiguous, or given twice.
    pub fn build(self, parameters: &[Parameter]) -> Result<Optimizer> {
        let lr = self.learning_rate();
        in_range(self.name(), "learning rate", lr, 0.0..f64::INFINITY)?;
        let kept = match &self.kind {
            Kind::Sgd(sgd) => sgd.check().map(|()| sgd.state_per_element())?,
            Kind::Adam(adam) => adam.check().map(|()| adam.state_per_element())?,
            Kind::RmsProp(rmsprop) => rmsprop.check().map(|()| rmsprop.state_per_element())?,
            Kind::Adagrad(adagrad) => adagrad.check().map(|()| adagrad.state_per_element())?,
        };
        let mut slots = Vec::with_capacity(parameters.len());
        for (at, parameter) in parameters.iter().enumerate() {
            if let Some(twin) = parameters[..at].iter().find(|other| other.var.id() == parameter.var.id()) {
                return Err(Error::Argument {
                    op: self.name().into(),
                    expected: "each parameter once".into(),
                    got: format!("one tensor as both {:?} and {:?}", twin.name, parameter.name),
                    hint: "A parameter that layers share is listed once.".into(),
                });
            }
            slots.push(Slot::new(self.name(), parameter, kept)?);
        }
        Ok(Optimizer { config: self, lr, slots })
    }

    /// The learning rate that training starts with.
    #[must_use]
    pub fn learning_rate(&self) -> f64 {
        match self.kind {
            Kind::Sgd(sgd) => sgd.lr,
            Kind::Adam(adam) => adam.lr,
            Kind::RmsProp(rmsprop) => rmsprop.lr,
            Kind::Adagrad(adagrad) => adagrad.lr,
        }
    }

    /// `sgd`, `adam`, `adamw`, `rmsprop` or `adagrad`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self.kind {
            Kind::Sgd(_) => "sgd",
            Kind::Adam(adam) => adam.name(),
            Kind::RmsProp(_) => "rmsprop",
            Kind::Adagrad(_) => "adagrad",
        }
    }
}

/// An optimizer and what it keeps for its parameters: momentum, moments, the number of steps.
#[derive(Clone)]
pub struct Optimizer {
    config: OptimizerConfig,
    lr: f64,
    slots: Vec<Slot>,
}

#[derive(Clone)]
struct Slot {
    parameter: Parameter,
    state: State,
    /// Steps taken so far.
    steps: u64,
}

impl Slot {
    fn new(op: &str, parameter: &Parameter, kept: usize) -> Result<Slot> {
        let elements = parameter.var.elem_count();
        let state = match parameter.var.dtype() {
            DType::F32 => State::F32(vec![vec![0.0; elements]; kept]),
            DType::F64 => State::F64(vec![vec![0.0; elements]; kept]),
            other => {
                return Err(Error::Argument {
                    op: op.into(),
                    expected: format!("parameter {:?} to be F32 or F64", parameter.name),
                    got: format!("{other:?}"),
                    hint: "Keep the weights that are trained in F32.".into(),
                });
            }
        };
        if !parameter.var.is_contiguous() {
            return Err(Error::Argument {
                op: op.into(),
                expected: format!("parameter {:?} to be contiguous", parameter.name),
                got: format!("strides {:?} for shape {:?}", parameter.var.stride(), parameter.var.dims()),
                hint: "Make it with Var::from_tensor(&tensor.contiguous()?).".into(),
            });
        }
        Ok(Slot { parameter: parameter.clone(), state, steps: 0 })
    }

    /// This parameter's gradient, if it can be used.
    fn gradient<'a>(&self, op: &str, gradients: &'a GradStore) -> Result<&'a Tensor> {
        let Parameter { name, var } = &self.parameter;
        let Some(gradient) = gradients.get(var) else {
            return Err(Error::Argument {
                op: format!("{op} step"),
                expected: format!("a gradient for every parameter, {name:?} too"),
                got: format!("none for {name:?}"),
                hint: "The loss does not depend on it: check that the forward pass uses it in Mode::Train, \
                       or build the optimizer without it."
                    .into(),
            });
        };
        if gradient.dims() != var.dims() || gradient.dtype() != var.dtype() {
            return Err(Error::Shape {
                op: format!("{op} step, parameter {name:?}"),
                expected: format!("a gradient {:?} {:?}", var.dtype(), var.dims()),
                got: format!("{:?} {:?}", gradient.dtype(), gradient.dims()),
                hint: "An operator of your own gives back a gradient of another shape.".into(),
            });
        }
        Ok(gradient)
    }

    fn step<R: Rule>(&mut self, rule: &R, lr: f64, gradient: &Tensor) -> Result<()> {
        // The count moves with the weights, never alone.
        let moment = Moment { step: self.steps + 1, lr };
        let step = Step { rule, moment, state: RefCell::new(&mut self.state) };
        // Only a gradient that is a view, e.g. a transposed one, is copied here.
        self.parameter.var.inplace_op2(&gradient.contiguous()?, &step)?;
        self.steps += 1;
        Ok(())
    }
}

impl Optimizer {
    /// Moves every parameter one step along its gradient, in place.
    ///
    /// # Errors
    /// A parameter has no gradient, or one of another shape or dtype: the message names it, and no
    /// parameter has moved. A parameter that is not on the CPU.
    pub fn step(&mut self, gradients: &GradStore) -> Result<()> {
        let op = self.config.name();
        // All are looked at before the first one moves.
        let gradients: Vec<&Tensor> =
            self.slots.iter().map(|slot| slot.gradient(op, gradients)).collect::<Result<_>>()?;
        for (slot, gradient) in self.slots.iter_mut().zip(gradients) {
            match &self.config.kind {
                Kind::Sgd(sgd) => slot.step(sgd, self.lr, gradient)?,
                Kind::Adam(adam) => slot.step(adam, self.lr, gradient)?,
                Kind::RmsProp(rmsprop) => slot.step(rmsprop, self.lr, gradient)?,
                Kind::Adagrad(adagrad) => slot.step(adagrad, self.lr, gradient)?,
            }
        }
        Ok(())
    }

    /// The learning rate of the next step.
    #[must_use]
    pub fn learning_rate(&self) -> f64 {
        self.lr
    }

    /// Sets the learning rate of the next steps; momentum and moments stay.
    ///
    /// # Errors
    /// A rate that is negative or not finite.
    pub fn set_learning_rate(&mut self, lr: f64) -> Result<()> {
        in_range(self.config.name(), "learning rate", lr, 0.0..f64::INFINITY)?;
        self.lr = lr;
        Ok(())
    }

    /// How it was set up.
    #[must_use]
    pub fn config(&self) -> OptimizerConfig {
        self.config
    }

    /// The parameters it moves.
    #[must_use]
    pub fn parameters(&self) -> Vec<Parameter> {
        self.slots.iter().map(|slot| slot.parameter.clone()).collect()
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
        (start, end) => format!("{setting} at least {start} and below {end}"),
    };
    Err(Error::Argument {
        op: op.into(),
        expected,
        got: format!("{value}"),
        hint: "PyTorch's settings of the same names work here.".into(),
    })
}
