//! The tensors that layers own, and what they start as.

use candle_core::{Device, Tensor};

use super::operator::Operator;
use crate::{Result, Seed};

/// A tensor that an operator owns.
pub(super) struct Weight {
    /// Its name after the layer's: `weight`.
    pub(super) name: &'static str,
    pub(super) shape: Vec<usize>,
    pub(super) role: Role,
    pub(super) initial: Initial,
}

/// Who changes a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The optimizer: it is trained.
    Parameter,
    /// The forward pass in training, as batch norm does its running statistics.
    Buffer,
}

/// The values before training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Initial {
    /// The same everywhere.
    Constant(f32),
    /// Uniform in `[-bound, bound)`.
    Uniform {
        /// The largest size.
        bound: f64,
    },
}

impl Initial {
    /// PyTorch's default for convolutions and linear layers, weight and bias alike: within
    /// `1 / sqrt(fan_in)`, which for the weight is Kaiming's uniform distribution (He et al. 2015) with
    /// `a = sqrt(5)`.
    fn by_fan_in(fan_in: usize) -> Initial {
        Initial::Uniform { bound: 1.0 / (fan_in.max(1) as f64).sqrt() }
    }

    pub(super) fn tensor(self, shape: &[usize], seed: Seed, device: &Device) -> Result<Tensor> {
        let count = shape.iter().product();
        let values: Vec<f32> = match self {
            Initial::Constant(value) => vec![value; count],
            Initial::Uniform { bound } => {
                let mut rng = seed.rng();
                (0..count).map(|_| ((2.0 * rng.uniform() - 1.0) * bound) as f32).collect()
            }
        };
        Ok(Tensor::from_vec(values, shape, device)?)
    }
}

impl Operator {
    /// The tensors that the operator owns, in the order it takes them.
    pub(super) fn weights(&self) -> Vec<Weight> {
        let weight =
            |name, shape: &[usize], role, initial| Weight { name, shape: shape.to_vec(), role, initial };
        match *self {
            Operator::Conv2d { in_channels, out_channels, config } => {
                let [height, width] = config.kernel;
                let depth = in_channels / config.groups.max(1);
                let initial = Initial::by_fan_in(depth.saturating_mul(height).saturating_mul(width));
                let shape = [out_channels, depth, height, width];
                let mut weights = vec![weight("weight", &shape, Role::Parameter, initial)];
                if config.bias {
                    weights.push(weight("bias", &[out_channels], Role::Parameter, initial));
                }
                weights
            }
            Operator::Linear { in_features, out_features } => {
                let initial = Initial::by_fan_in(in_features);
                vec![
                    weight("weight", &[out_features, in_features], Role::Parameter, initial),
                    weight("bias", &[out_features], Role::Parameter, initial),
                ]
            }
            Operator::BatchNorm { channels, .. } => {
                let (zero, one) = (Initial::Constant(0.0), Initial::Constant(1.0));
                vec![
                    weight("weight", &[channels], Role::Parameter, one),
                    weight("bias", &[channels], Role::Parameter, zero),
                    weight("running_mean", &[channels], Role::Buffer, zero),
                    weight("running_var", &[channels], Role::Buffer, one),
                ]
            }
            Operator::Input
            | Operator::Activation(_)
            | Operator::MaxPool2d(_)
            | Operator::GlobalAvgPool
            | Operator::Flatten
            | Operator::Dropout { .. }
            | Operator::Add => Vec::new(),
        }
    }
}
