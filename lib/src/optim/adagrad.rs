//! Adagrad (Duchi et al. 2011), after `torch.optim.Adagrad`.

use candle_core::Tensor;

use super::config::OptimizerConfig;
use super::group::ParamGroup;
use super::optimizer::{Optimizer, in_range};
use super::rule::{Float, Moment, Rule, pulled};
use crate::Result;
use crate::ops::Parameter;

/// Adagrad with learning rate `lr`, eps 1e-10, no decay of the rate and no weight decay: steps are divided by the
/// root of the sum of all squared gradients so far.
pub fn adagrad(lr: f64) -> Adagrad {
    Adagrad { lr, lr_decay: 0.0, eps: 1e-10, weight_decay: 0.0 }
}

/// How [`adagrad`] is set up.
#[derive(Debug, Clone, Copy, PartialEq)]
#[must_use]
pub struct Adagrad {
    pub(super) lr: f64,
    lr_decay: f64,
    eps: f64,
    pub(super) weight_decay: f64,
}

impl Adagrad {
    /// The rate of step `n` is `lr / (1 + (n - 1) · lr_decay)`; default 0.
    pub fn lr_decay(mut self, lr_decay: f64) -> Adagrad {
        self.lr_decay = lr_decay;
        self
    }

    /// What is added to the root so that nothing is divided by zero; above 0.
    pub fn eps(mut self, eps: f64) -> Adagrad {
        self.eps = eps;
        self
    }

    /// The pull to zero, added to the gradient as `weight_decay * weight`; default 0.
    pub fn weight_decay(mut self, weight_decay: f64) -> Adagrad {
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
        let op = "adagrad";
        in_range(op, "lr_decay", self.lr_decay, 0.0..f64::INFINITY)?;
        in_range(op, "eps", self.eps, f64::MIN_POSITIVE..f64::INFINITY)?;
        in_range(op, "weight_decay", self.weight_decay, 0.0..f64::INFINITY)
    }
}

impl Adagrad {
    /// The learning rate of this step.
    fn rate(&self, moment: Moment) -> f64 {
        moment.lr / (1.0 + (moment.step - 1) as f64 * self.lr_decay)
    }
}

impl Rule for Adagrad {
    fn kept(&self) -> &'static [&'static str] {
        &["sum"]
    }

    #[inline(always)]
    fn update<T: Float>(&self, moment: Moment, weight: &mut [T], gradient: &[T], state: &mut [&mut [T]]) {
        let [sum] = state else { return };
        let lr = T::from_f64(self.rate(moment));
        let (decay, eps) = (T::from_f64(moment.weight_decay), T::from_f64(self.eps));
        for ((w, &g), sum) in weight.iter_mut().zip(gradient).zip(sum.iter_mut()) {
            let g = g + decay * *w;
            *sum += g * g;
            *w -= lr * g / (sum.sqrt() + eps);
        }
    }

    #[cfg(feature = "cuda")]
    fn kernel(&self, moment: Moment) -> Option<super::cuda::Launch> {
        let numbers = vec![self.rate(moment), moment.weight_decay, self.eps];
        Some(super::cuda::Launch { name: "adagrad", numbers })
    }

    fn compose(
        &self,
        moment: Moment,
        weight: &Tensor,
        gradient: &Tensor,
        state: &mut [Tensor],
    ) -> candle_core::Result<Tensor> {
        let [sum] = state else { return Ok(weight.clone()) };
        let lr = self.rate(moment);
        let g = pulled(gradient, weight, moment.weight_decay)?;
        *sum = (&*sum + g.sqr()?)?;
        weight - (g * lr)?.div(&(sum.sqrt()? + self.eps)?)?
    }
}
