//! What the tensors of layers start as.

use std::borrow::Cow;

use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::operator::Operator;
use crate::{Error, Result, Rng, Seed};

/// The values before training. [`crate::nn::Value::initial`] chooses them for a layer.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Initial {
    /// The same everywhere.
    Constant(f32),
    /// Uniform in `[-bound, bound)`.
    Uniform {
        /// The largest size.
        bound: f64,
    },
    /// Normal around 0.
    Normal {
        /// The standard deviation.
        std: f64,
    },
    /// Normal around 0, drawn again where it is larger than `bound`. Papers mean `bound: 2.0 * std`, which
    /// [`Initial::truncated_normal`] is; PyTorch's `trunc_normal_` has `bound: 2.0` whatever `std` is.
    TruncatedNormal {
        /// The standard deviation before it is cut.
        std: f64,
        /// The largest size.
        bound: f64,
    },
    /// Normal with a variance of `2 / fan`, which keeps the size of values (by [`Fan::In`]) or of gradients (by
    /// [`Fan::Out`]) where rectified linear units follow (He et al. 2015). torchvision's networks take [`Fan::Out`].
    KaimingNormal(Fan),
    /// Uniform with a variance of `2 / (fan in + fan out)`, a compromise between values and gradients (Glorot and Bengio
    /// 2010).
    XavierUniform,
}

/// Which connections of a weight (O, I, …) are counted, as PyTorch counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fan {
    /// Those that come in to one output: `I · …`.
    In,
    /// Those that go out from one input: `O · …`, without regard to groups.
    Out,
}

impl Fan {
    fn of(self, shape: &[usize]) -> f64 {
        let (first, second) = (shape.first().copied().unwrap_or(1), shape.get(1).copied().unwrap_or(1));
        let window: f64 = shape.iter().skip(2).map(|&dim| dim as f64).product();
        let channels = match self {
            Fan::In => second,
            Fan::Out => first,
        };
        (channels as f64 * window).max(1.0)
    }
}

impl Initial {
    /// Normal around 0 with standard deviation `std`, cut off at twice that.
    #[must_use]
    pub fn truncated_normal(std: f64) -> Initial {
        Initial::TruncatedNormal { std, bound: 2.0 * std }
    }

    /// PyTorch's default for convolutions and linear layers, weight and bias alike: within
    /// `1 / sqrt(fan_in)`, which for the weight is Kaiming's uniform distribution (He et al. 2015) with
    /// `a = sqrt(5)`.
    pub(super) fn uniform_by_fan_in(fan_in: usize) -> Initial {
        Initial::Uniform { bound: 1.0 / (fan_in.max(1) as f64).sqrt() }
    }

    /// What cannot be drawn from.
    pub(super) fn problem(self) -> Option<&'static str> {
        let size = |value: f64| value.is_finite() && value >= 0.0;
        match self {
            Initial::Constant(value) if !value.is_finite() => Some("a finite number"),
            Initial::Uniform { bound } if !size(bound) => Some("a bound that is not negative"),
            Initial::Normal { std } if !size(std) => Some("a standard deviation that is not negative"),
            Initial::TruncatedNormal { std, bound } if !(size(std) && size(bound)) => {
                Some("a standard deviation and a bound that are not negative")
            }
            _ => None,
        }
    }

    pub(super) fn tensor(self, shape: &[usize], seed: Seed, device: &Device) -> Result<Tensor> {
        let mut rng = seed.rng();
        let mut draw = |next: &dyn Fn(&mut Rng) -> f64| -> Vec<f32> {
            (0..shape.iter().product::<usize>()).map(|_| next(&mut rng) as f32).collect()
        };
        let uniform = |bound: f64| move |rng: &mut Rng| (2.0 * rng.uniform() - 1.0) * bound;
        let normal = |std: f64| move |rng: &mut Rng| rng.normal() * std;
        let values = match self {
            Initial::Constant(value) => draw(&|_| f64::from(value)),
            Initial::Uniform { bound } => draw(&uniform(bound)),
            Initial::Normal { std } => draw(&normal(std)),
            Initial::TruncatedNormal { std, bound } => draw(&|rng| truncated(rng, std, bound)),
            Initial::KaimingNormal(fan) => draw(&normal((2.0 / fan.of(shape)).sqrt())),
            Initial::XavierUniform => draw(&uniform((6.0 / (Fan::In.of(shape) + Fan::Out.of(shape))).sqrt())),
        };
        Ok(Tensor::from_vec(values, shape, device)?)
    }
}

/// By rejection, from whichever of the two simpler distributions is seldom refused.
fn truncated(rng: &mut Rng, std: f64, bound: f64) -> f64 {
    if bound == 0.0 || std == 0.0 {
        return 0.0;
    }
    loop {
        if bound >= std {
            let value = rng.normal() * std;
            if value.abs() <= bound {
                return value;
            }
        } else {
            let value = (2.0 * rng.uniform() - 1.0) * bound;
            if rng.uniform() < (-0.5 * (value / std).powi(2)).exp() {
                return value;
            }
        }
    }
}

impl Operator {
    /// The tensor of the operator that is called `name`: `weight`, or the operator's own name where the only one has the
    /// layer's.
    ///
    /// # Errors
    /// What the operator has instead.
    pub(super) fn tensor_called(&self, name: &str) -> Result<usize> {
        let names: Vec<Cow<str>> = self
            .weights()
            .into_iter()
            .map(|weight| if weight.name.is_empty() { self.name().into() } else { weight.name })
            .collect();
        names.iter().position(|known| known == name).ok_or_else(|| {
            let expected = match names.as_slice() {
                [] => "no tensor's name, because this layer has no tensors".into(),
                names => format!("one of this layer's tensors {}", names.join(", ")),
            };
            let hint = "Put initial(…) right behind the layer whose tensor it is.".into();
            Error::Argument { op: String::new(), expected, got: format!("{name:?}"), hint }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(initial: Initial, shape: &[usize]) -> Result<Vec<f32>> {
        Ok(initial.tensor(shape, Seed(3), &Device::Cpu)?.flatten_all()?.to_vec1()?)
    }

    /// The standard deviation and the largest size.
    fn spread(values: &[f32]) -> (f64, f64) {
        let squares: f64 = values.iter().map(|&value| f64::from(value).powi(2)).sum();
        let largest = values.iter().fold(0.0_f64, |largest, &value| largest.max(f64::from(value.abs())));
        ((squares / values.len() as f64).sqrt(), largest)
    }

    #[test]
    fn distributions_are_as_wide_as_they_say() -> Result<()> {
        // What cutting leaves of the deviation follows from the normal distribution: sqrt(1 - 2 b φ(b) / (2 Φ(b) - 1)).
        let shape = [64, 32, 3, 3];
        let xavier = (6.0_f64 / (32.0 * 9.0 + 64.0 * 9.0)).sqrt();
        for (initial, std, bound) in [
            (Initial::Normal { std: 0.3 }, 0.3, 2.0),
            (Initial::truncated_normal(0.5), 0.5 * 0.879_63, 1.0),
            (Initial::TruncatedNormal { std: 0.5, bound: 2.0 }, 0.5 * 0.999_46, 2.0),
            (Initial::TruncatedNormal { std: 10.0, bound: 0.3 }, 0.3 / 3.0_f64.sqrt(), 0.3),
            (Initial::KaimingNormal(Fan::Out), (2.0 / (64.0_f64 * 9.0)).sqrt(), 1.0),
            (Initial::KaimingNormal(Fan::In), (2.0 / (32.0_f64 * 9.0)).sqrt(), 1.0),
            (Initial::XavierUniform, xavier / 3.0_f64.sqrt(), xavier),
            (Initial::Uniform { bound: 0.3 }, 0.3 / 3.0_f64.sqrt(), 0.3),
        ] {
            let (found, largest) = spread(&values(initial, &shape)?);
            assert!((found / std - 1.0).abs() < 0.02, "{initial:?}: {found}, not {std}");
            assert!(largest <= bound + 1e-6, "{initial:?}: {largest}");
        }
        assert_eq!(values(Initial::truncated_normal(0.0), &[3])?, [0.0; 3]);
        Ok(())
    }
}
