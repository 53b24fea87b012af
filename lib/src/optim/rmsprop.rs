//! RMSprop (Tieleman and Hinton 2012), after `torch.optim.RMSprop`.

use candle_core::Tensor;

use super::config::OptimizerConfig;
use super::group::ParamGroup;
use super::optimizer::{Optimizer, in_range};
use super::rule::{Float, Moment, Rule, pulled};
use crate::Result;
use crate::ops::Parameter;

/// RMSprop with learning rate `lr`, alpha 0.99, eps 1e-8, no momentum and no weight decay: steps are divided by the
/// root of a running mean of the squared gradient.
pub fn rmsprop(lr: f64) -> RmsProp {
    RmsProp { lr, alpha: 0.99, eps: 1e-8, momentum: 0.0, centered: false, weight_decay: 0.0 }
}

/// How [`rmsprop`] is set up.
#[derive(Debug, Clone, Copy, PartialEq)]
#[must_use]
pub struct RmsProp {
    pub(super) lr: f64,
    alpha: f64,
    eps: f64,
    pub(super) momentum: f64,
    centered: bool,
    pub(super) weight_decay: f64,
}

impl RmsProp {
    /// How slowly the running mean changes, in `[0, 1)`.
    pub fn alpha(mut self, alpha: f64) -> RmsProp {
        self.alpha = alpha;
        self
    }

    /// What is added to the root so that nothing is divided by zero; above 0.
    pub fn eps(mut self, eps: f64) -> RmsProp {
        self.eps = eps;
        self
    }

    /// How much of the last step is kept, in `[0, 1)`.
    pub fn momentum(mut self, momentum: f64) -> RmsProp {
        self.momentum = momentum;
        self
    }

    /// Divides by an estimate of the gradient's standard deviation instead of its root mean square.
    pub fn centered(mut self) -> RmsProp {
        self.centered = true;
        self
    }

    /// The pull to zero, added to the gradient as `weight_decay * weight`; default 0.
    pub fn weight_decay(mut self, weight_decay: f64) -> RmsProp {
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
        let op = "rmsprop";
        in_range(op, "alpha", self.alpha, 0.0..1.0)?;
        in_range(op, "eps", self.eps, f64::MIN_POSITIVE..f64::INFINITY)?;
        in_range(op, "momentum", self.momentum, 0.0..1.0)?;
        in_range(op, "weight_decay", self.weight_decay, 0.0..f64::INFINITY)
    }
}

impl Rule for RmsProp {
    fn kept(&self) -> &'static [&'static str] {
        match (self.centered, self.momentum != 0.0) {
            (true, true) => &["square_avg", "grad_avg", "momentum_buffer"],
            (true, false) => &["square_avg", "grad_avg"],
            (false, true) => &["square_avg", "momentum_buffer"],
            (false, false) => &["square_avg"],
        }
    }

    #[inline(always)]
    fn update<T: Float>(&self, moment: Moment, weight: &mut [T], gradient: &[T], state: &mut [&mut [T]]) {
        let [square, others @ ..] = state else { return };
        let (mean, velocity) = match (self.centered, others) {
            (true, [mean, velocity]) => (Some(mean), Some(velocity)),
            (true, [mean]) => (Some(mean), None),
            (false, [velocity]) => (None, Some(velocity)),
            _ => (None, None),
        };
        let (alpha, new) = (T::from_f64(self.alpha), T::from_f64(1.0 - self.alpha));
        let (decay, eps) = (T::from_f64(moment.weight_decay), T::from_f64(self.eps));
        let (lr, momentum) = (T::from_f64(moment.lr), T::from_f64(self.momentum));
        let mut mean = mean.map(|mean| mean.iter_mut());
        let mut velocity = velocity.map(|velocity| velocity.iter_mut());
        for ((w, &g), v) in weight.iter_mut().zip(gradient).zip(square.iter_mut()) {
            let g = g + decay * *w;
            *v = alpha * *v + new * g * g;
            let spread = match mean.as_mut().and_then(Iterator::next) {
                Some(mean) => {
                    *mean = *mean + new * (g - *mean);
                    // Rounding can bring it below 0.
                    (*v - *mean * *mean).larger(T::from_f64(0.0))
                }
                None => *v,
            };
            let step = g / (spread.sqrt() + eps);
            *w -= lr
                * match velocity.as_mut().and_then(Iterator::next) {
                    Some(velocity) => {
                        *velocity = momentum * *velocity + step;
                        *velocity
                    }
                    None => step,
                };
        }
    }

    fn compose(
        &self,
        moment: Moment,
        weight: &Tensor,
        gradient: &Tensor,
        state: &mut [Tensor],
    ) -> candle_core::Result<Tensor> {
        let [square, others @ ..] = state else { return Ok(weight.clone()) };
        let new = 1.0 - self.alpha;
        let g = pulled(gradient, weight, moment.weight_decay)?;
        *square = ((&*square * self.alpha)? + (g.sqr()? * new)?)?;
        let mut spread = square.clone();
        if self.centered
            && let Some(mean) = others.first_mut()
        {
            *mean = (&*mean + ((&g - &*mean)? * new)?)?;
            spread = (spread - mean.sqr()?)?.relu()?;
        }
        let mut step = g.div(&(spread.sqrt()? + self.eps)?)?;
        if self.momentum != 0.0
            && let Some(velocity) = others.last_mut()
        {
            *velocity = ((&*velocity * self.momentum)? + step)?;
            step = velocity.clone();
        }
        weight - (step * moment.lr)?
    }
}
