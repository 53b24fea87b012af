//! Stochastic gradient descent with momentum, after `torch.optim.SGD`: the momentum buffer starts as the
//! first gradient, undampened (Sutskever et al. 2013, in the form where the learning rate multiplies the
//! whole step).

use candle_core::Tensor;

use super::config::OptimizerConfig;
use super::group::ParamGroup;
use super::optimizer::{Optimizer, in_range};
use super::rule::{Float, Moment, Rule, pulled};
use crate::ops::Parameter;
use crate::{Error, Result};

/// Stochastic gradient descent with learning rate `lr`, without momentum unless asked for.
pub fn sgd(lr: f64) -> Sgd {
    Sgd { lr, momentum: 0.0, dampening: 0.0, nesterov: false, weight_decay: 0.0 }
}

/// How [`sgd`] is set up.
#[derive(Debug, Clone, Copy, PartialEq)]
#[must_use]
pub struct Sgd {
    pub(super) lr: f64,
    pub(super) momentum: f64,
    dampening: f64,
    nesterov: bool,
    pub(super) weight_decay: f64,
}

impl Sgd {
    /// How much of the last step's direction is kept, in `[0, 1)`. Mostly 0.9.
    pub fn momentum(mut self, momentum: f64) -> Sgd {
        self.momentum = momentum;
        self
    }

    /// How much the gradient's share in the momentum is lowered, in `[0, 1]`; default 0.
    pub fn dampening(mut self, dampening: f64) -> Sgd {
        self.dampening = dampening;
        self
    }

    /// Nesterov's momentum: the step looks ahead along the momentum. Needs a momentum and no dampening.
    pub fn nesterov(mut self) -> Sgd {
        self.nesterov = true;
        self
    }

    /// The pull to zero, added to the gradient as `weight_decay * weight`; default 0.
    pub fn weight_decay(mut self, weight_decay: f64) -> Sgd {
        self.weight_decay = weight_decay;
        self
    }

    /// A group of parameters with a learning rate or weight decay of their own; see
    /// [`param_group`](super::param_group). Comes after the settings that are for all.
    pub fn group(self, group: ParamGroup) -> OptimizerConfig {
        OptimizerConfig::from(self).group(group)
    }

    /// All of these groups, one after the other; see [`layer_decay`](super::layer_decay).
    pub fn groups(self, groups: Vec<ParamGroup>) -> OptimizerConfig {
        OptimizerConfig::from(self).groups(groups)
    }

    /// The optimizer of these parameters, its state empty.
    ///
    /// # Errors
    /// A setting out of its range; a parameter that is not F32 or F64, not contiguous, or given twice.
    pub fn build(self, parameters: &[Parameter]) -> Result<Optimizer> {
        OptimizerConfig::from(self).build(parameters)
    }

    pub(super) fn check(&self) -> Result<()> {
        let op = "sgd";
        in_range(op, "momentum", self.momentum, 0.0..1.0)?;
        in_range(op, "dampening", self.dampening, 0.0..f64::INFINITY)?;
        in_range(op, "weight_decay", self.weight_decay, 0.0..f64::INFINITY)?;
        if self.nesterov && (self.momentum == 0.0 || self.dampening != 0.0) {
            return Err(Error::Argument {
                op: op.into(),
                expected: "a momentum above 0 and no dampening beside nesterov".into(),
                got: format!("momentum {}, dampening {}", self.momentum, self.dampening),
                hint: "Write e.g. sgd(0.1).momentum(0.9).nesterov().".into(),
            });
        }
        Ok(())
    }
}

impl Sgd {
    /// Of the velocity before and of the gradient in the velocity, and of the velocity and of the gradient in the step.
    fn shares(&self, moment: Moment) -> [f64; 4] {
        let [kept, added] = match moment.step {
            1 => [0.0, 1.0],
            _ => [self.momentum, 1.0 - self.dampening],
        };
        // Without Nesterov the step is the velocity itself.
        let [ahead, direct] = if self.nesterov { [self.momentum, 1.0] } else { [1.0, 0.0] };
        [kept, added, ahead, direct]
    }
}

impl Rule for Sgd {
    fn kept(&self) -> &'static [&'static str] {
        if self.momentum == 0.0 { &[] } else { &["momentum_buffer"] }
    }

    #[inline(always)]
    fn update<T: Float>(&self, moment: Moment, weight: &mut [T], gradient: &[T], state: &mut [&mut [T]]) {
        let (lr, decay) = (T::from_f64(moment.lr), T::from_f64(moment.weight_decay));
        let Some(velocity) = state.first_mut() else {
            for (w, &g) in weight.iter_mut().zip(gradient) {
                *w -= lr * (g + decay * *w);
            }
            return;
        };
        let [kept, added, ahead, direct] = self.shares(moment).map(T::from_f64);
        for ((w, &g), v) in weight.iter_mut().zip(gradient).zip(velocity.iter_mut()) {
            let g = g + decay * *w;
            *v = kept * *v + added * g;
            *w -= lr * (direct * g + ahead * *v);
        }
    }

    #[cfg(feature = "cuda")]
    fn kernel(&self, moment: Moment) -> Option<super::cuda::Launch> {
        let mut numbers = vec![moment.lr, moment.weight_decay];
        if self.momentum == 0.0 {
            return Some(super::cuda::Launch { name: "sgd", numbers });
        }
        numbers.extend(self.shares(moment));
        Some(super::cuda::Launch { name: "sgd_momentum", numbers })
    }

    fn compose(
        &self,
        moment: Moment,
        weight: &Tensor,
        gradient: &Tensor,
        state: &mut [Tensor],
    ) -> candle_core::Result<Tensor> {
        let g = pulled(gradient, weight, moment.weight_decay)?;
        let Some(velocity) = state.first_mut() else { return weight - (g * moment.lr)? };
        *velocity = match moment.step {
            // Not the caller's own tensor, which may change later.
            1 => g.copy()?,
            _ => ((&*velocity * self.momentum)? + (&g * (1.0 - self.dampening))?)?,
        };
        let step = if self.nesterov { (g + (&*velocity * self.momentum)?)? } else { velocity.clone() };
        weight - (step * moment.lr)?
    }
}
