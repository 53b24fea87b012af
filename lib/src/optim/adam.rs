//! Adam (Kingma and Ba 2015), AMSGrad (Reddi et al. 2018) and AdamW (Loshchilov and Hutter 2019), after
//! `torch.optim.Adam` and `torch.optim.AdamW`.

use candle_core::Tensor;

use super::config::OptimizerConfig;
use super::group::ParamGroup;
use super::optimizer::{Optimizer, in_range};
use super::rule::{Float, Moment, Rule, pulled};
use crate::Result;
use crate::ops::Parameter;

/// Adam with learning rate `lr`, betas (0.9, 0.999), eps 1e-8 and no weight decay. Its weight decay, where
/// set, is added to the gradient; see [`adamw`] for the other kind.
pub fn adam(lr: f64) -> Adam {
    Adam { lr, betas: (0.9, 0.999), eps: 1e-8, weight_decay: 0.0, decay: Decay::InGradient, amsgrad: false }
}

/// AdamW with learning rate `lr`, betas (0.9, 0.999), eps 1e-8 and weight decay 0.01, which shrinks the
/// weights beside the step instead of going through the moments.
pub fn adamw(lr: f64) -> Adam {
    Adam { weight_decay: 0.01, decay: Decay::BesideStep, ..adam(lr) }
}

/// Where the pull to zero enters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decay {
    InGradient,
    BesideStep,
}

/// What one step multiplies with.
struct Coefficients {
    beta1: f64,
    beta2: f64,
    /// What is left of the weight before the step.
    shrink: f64,
    /// The pull to zero that goes through the moments.
    in_gradient: f64,
    /// How far the mean of the gradient moves the weight.
    size: f64,
    /// What the root of the second moment is divided by.
    correction2: f64,
}

/// How [`adam`] and [`adamw`] are set up.
#[derive(Debug, Clone, Copy, PartialEq)]
#[must_use]
pub struct Adam {
    pub(super) lr: f64,
    pub(super) betas: (f64, f64),
    eps: f64,
    pub(super) weight_decay: f64,
    pub(super) decay: Decay,
    amsgrad: bool,
}

impl Adam {
    /// How slowly the means of the gradient and of its square change, each in `[0, 1)`.
    pub fn betas(mut self, gradient: f64, square: f64) -> Adam {
        self.betas = (gradient, square);
        self
    }

    /// What is added to the root of the second moment so that nothing is divided by zero; above 0.
    pub fn eps(mut self, eps: f64) -> Adam {
        self.eps = eps;
        self
    }

    /// The pull to zero, per unit of learning rate; 0 for none.
    pub fn weight_decay(mut self, weight_decay: f64) -> Adam {
        self.weight_decay = weight_decay;
        self
    }

    /// Divides by the largest second moment so far instead of the present one.
    pub fn amsgrad(mut self) -> Adam {
        self.amsgrad = true;
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

    fn coefficients(&self, moment: Moment) -> Coefficients {
        let (beta1, beta2) = self.betas;
        // The moments start at zero; dividing by this undoes their pull towards it.
        let step = moment.step as f64;
        let (shrink, in_gradient) = match self.decay {
            Decay::InGradient => (1.0, moment.weight_decay),
            Decay::BesideStep => (1.0 - moment.lr * moment.weight_decay, 0.0),
        };
        Coefficients {
            beta1,
            beta2,
            shrink,
            in_gradient,
            size: moment.lr / (1.0 - beta1.powf(step)),
            correction2: (1.0 - beta2.powf(step)).sqrt(),
        }
    }

    pub(super) fn name(&self) -> &'static str {
        match self.decay {
            Decay::InGradient => "adam",
            Decay::BesideStep => "adamw",
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        in_range(self.name(), "first beta", self.betas.0, 0.0..1.0)?;
        in_range(self.name(), "second beta", self.betas.1, 0.0..1.0)?;
        in_range(self.name(), "eps", self.eps, f64::MIN_POSITIVE..f64::INFINITY)?;
        in_range(self.name(), "weight_decay", self.weight_decay, 0.0..f64::INFINITY)
    }
}

impl Rule for Adam {
    fn kept(&self) -> &'static [&'static str] {
        if self.amsgrad { &["exp_avg", "exp_avg_sq", "max_exp_avg_sq"] } else { &["exp_avg", "exp_avg_sq"] }
    }

    #[inline(always)]
    fn update<T: Float>(&self, moment: Moment, weight: &mut [T], gradient: &[T], state: &mut [&mut [T]]) {
        let [mean, square, largest @ ..] = state else { return };
        let Coefficients { beta1, beta2, shrink, in_gradient, size, correction2 } = self.coefficients(moment);
        let new1 = T::from_f64(1.0 - beta1);
        let (beta2, new2) = (T::from_f64(beta2), T::from_f64(1.0 - beta2));
        let (shrink, in_gradient) = (T::from_f64(shrink), T::from_f64(in_gradient));
        let (size, eps) = (T::from_f64(size), T::from_f64(self.eps));
        let correction2 = T::from_f64(correction2);
        let move_one = |w: &mut T, g: T, m: &mut T, v: &mut T, largest: Option<&mut T>| {
            let g = g + in_gradient * *w;
            *m = *m + new1 * (g - *m);
            *v = beta2 * *v + new2 * g * g;
            let second = match largest {
                Some(largest) => {
                    *largest = largest.larger(*v);
                    *largest
                }
                None => *v,
            };
            *w = shrink * *w - size * *m / (second.sqrt() / correction2 + eps);
        };
        let elements = weight.iter_mut().zip(gradient).zip(mean.iter_mut()).zip(square.iter_mut());
        match largest.first_mut() {
            None => elements.for_each(|(((w, &g), m), v)| move_one(w, g, m, v, None)),
            Some(largest) => elements
                .zip(largest.iter_mut())
                .for_each(|((((w, &g), m), v), largest)| move_one(w, g, m, v, Some(largest))),
        }
    }

    #[cfg(feature = "cuda")]
    fn kernel(&self, moment: Moment) -> Option<super::cuda::Launch> {
        let Coefficients { beta1, beta2, shrink, in_gradient, size, correction2 } = self.coefficients(moment);
        let numbers = vec![1.0 - beta1, beta2, 1.0 - beta2, shrink, in_gradient, size, correction2, self.eps];
        Some(super::cuda::Launch { name: if self.amsgrad { "amsgrad" } else { "adam" }, numbers })
    }

    fn compose(
        &self,
        moment: Moment,
        weight: &Tensor,
        gradient: &Tensor,
        state: &mut [Tensor],
    ) -> candle_core::Result<Tensor> {
        let [mean, square, largest @ ..] = state else { return Ok(weight.clone()) };
        let Coefficients { beta1, beta2, shrink, in_gradient, size, correction2 } = self.coefficients(moment);
        let g = pulled(gradient, weight, in_gradient)?;
        *mean = (&*mean + ((&g - &*mean)? * (1.0 - beta1))?)?;
        *square = ((&*square * beta2)? + (g.sqr()? * (1.0 - beta2))?)?;
        let second = match largest.first_mut() {
            Some(largest) => {
                *largest = largest.maximum(&*square)?;
                largest.clone()
            }
            None => square.clone(),
        };
        let spread = ((second.sqrt()? / correction2)? + self.eps)?;
        (weight * shrink)? - (&*mean * size)?.div(&spread)?
    }
}
