use std::cell::RefCell;

use candle_core::backprop::GradStore;
use candle_core::{DType, Tensor};

use super::gradient::gradient_of;
use super::group::Settings;
use super::in_place::Step;
use super::rule::{Moment, Rule};
use super::state::State;
use crate::ops::Parameter;
use crate::{Error, Result};

/// A parameter with what the optimizer keeps for it.
#[derive(Clone)]
pub(super) struct Slot {
    pub(super) parameter: Parameter,
    pub(super) settings: Settings,
    pub(super) state: State,
    /// Steps taken so far.
    pub(super) steps: u64,
}

impl Slot {
    pub(super) fn new(op: &str, parameter: &Parameter, settings: Settings, kept: usize) -> Result<Slot> {
        if !matches!(parameter.var.dtype(), DType::F32 | DType::F64) {
            return Err(Error::Argument {
                op: op.into(),
                expected: format!("parameter {:?} to be F32 or F64", parameter.name),
                got: format!("{:?}", parameter.var.dtype()),
                hint: "Keep the weights that are trained in F32.".into(),
            });
        }
        if !parameter.var.is_contiguous() {
            return Err(Error::Argument {
                op: op.into(),
                expected: format!("parameter {:?} to be contiguous", parameter.name),
                got: format!("strides {:?} for shape {:?}", parameter.var.stride(), parameter.var.dims()),
                hint: "Make it with Var::from_tensor(&tensor.contiguous()?).".into(),
            });
        }
        let state = State::zeros(&parameter.var, kept)?;
        Ok(Slot { parameter: parameter.clone(), settings, state, steps: 0 })
    }

    /// This parameter's gradient, if it can be used.
    pub(super) fn gradient<'a>(&self, op: &str, gradients: &'a GradStore) -> Result<&'a Tensor> {
        gradient_of(&format!("{op} step"), &self.parameter, gradients)
    }

    /// The learning rate of this parameter when the optimizer's, which began as `initial`, is `lr`.
    pub(super) fn rate(&self, lr: f64, initial: f64) -> f64 {
        match self.settings.own_rate {
            // The ratio of the two is exactly 1 until the rate is changed.
            Some(own) => own * (lr / initial),
            None => lr,
        }
    }

    pub(super) fn step<R: Rule>(&mut self, rule: &R, lr: f64, gradient: &Tensor) -> Result<()> {
        // The count moves with the weights, never alone.
        let moment = Moment { step: self.steps + 1, lr, weight_decay: self.settings.weight_decay };
        let var = &self.parameter.var;
        if let State::Tensors(state) = &mut self.state {
            let (weight, gradient) = (var.as_detached_tensor(), gradient.detach());
            #[cfg(feature = "cuda")]
            let moved = match rule.kernel(moment) {
                Some(launch) => super::cuda::moved(&launch, &weight, &gradient, state)?,
                None => None,
            };
            #[cfg(not(feature = "cuda"))]
            let moved = None;
            let moved = match moved {
                Some(moved) => moved,
                None => rule.compose(moment, &weight, &gradient, state)?,
            };
            var.set(&moved)?;
        } else {
            let step = Step { rule, moment, state: RefCell::new(&mut self.state) };
            // Only a gradient that is a view, e.g. a transposed one, is copied here.
            var.inplace_op2(&gradient.contiguous()?, &step)?;
        }
        self.parameter.mask.apply(&self.parameter.var)?;
        self.steps += 1;
        Ok(())
    }
}
