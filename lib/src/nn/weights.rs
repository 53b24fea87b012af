//! The tensors that layers own, and what they start as.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;

use super::initial::Initial;
use super::operator::Operator;
use crate::ops::table_rows;

/// A tensor that an operator owns.
pub(super) struct Weight {
    /// Its name after the layer's: `weight`. Empty if the layer's name is its own.
    pub(super) name: Cow<'static, str>,
    pub(super) shape: Vec<usize>,
    pub(super) role: Role,
    pub(super) initial: Initial,
}

/// Who changes a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// The optimizer: it is trained.
    Parameter,
    /// The forward pass in training, as batch norm does its running statistics.
    Buffer,
}

impl Operator {
    /// The tensors that the operator owns, in the order it takes them.
    pub(super) fn weights(&self) -> Vec<Weight> {
        let (zero, one) = (Initial::Constant(0.0), Initial::Constant(1.0));
        let buffer =
            |name, length, initial| Weight { role: Role::Buffer, ..parameter(name, &[length], initial) };
        match self {
            Operator::Conv2d { in_channels, out_channels, config } => {
                let depth = in_channels / config.groups.max(1);
                let shape = [*out_channels, depth, config.kernel[0], config.kernel[1]];
                by_fan_in(&shape, config.bias.then_some(*out_channels))
            }
            Operator::ConvTranspose2d { in_channels, out_channels, config } => {
                let depth = out_channels / config.groups.max(1);
                let shape = [*in_channels, depth, config.kernel[0], config.kernel[1]];
                by_fan_in(&shape, config.bias.then_some(*out_channels))
            }
            Operator::Linear { in_features, out_features, config } => {
                by_fan_in(&[*out_features, *in_features], config.bias.then_some(*out_features))
            }
            Operator::BatchNorm { channels: count, .. } => {
                let mut weights = scale_and_shift(*count);
                weights.extend([buffer("running_mean", *count, zero), buffer("running_var", *count, one)]);
                weights
            }
            Operator::LayerNorm { features: count, .. }
            | Operator::LayerNorm2d { channels: count, .. }
            | Operator::GroupNorm { channels: count, .. } => scale_and_shift(*count),
            Operator::MultiHeadAttention { embed_dim, .. } => {
                let (features, three) = (*embed_dim, embed_dim.saturating_mul(3));
                let out = Initial::uniform_by_fan_in(features);
                vec![
                    parameter("in_proj_weight", &[three, features], Initial::XavierUniform),
                    parameter("in_proj_bias", &[three], zero),
                    parameter("out_proj.weight", &[features, features], out),
                    parameter("out_proj.bias", &[features], zero),
                ]
            }
            Operator::RelativeAttention { num_heads, grid } => {
                let shape = [table_rows(*grid), *num_heads];
                vec![parameter("relative_position_bias_table", &shape, Initial::Normal { std: 0.02 })]
            }
            Operator::LayerScale { shape, initial } => {
                vec![parameter("", shape, Initial::Constant(*initial))]
            }
            Operator::ClassToken { embed_dim } => vec![parameter("", &[1, 1, *embed_dim], zero)],
            Operator::PositionEmbedding { shape } => {
                vec![parameter("", shape, Initial::Normal { std: 0.02 })]
            }
            Operator::Map(map) => {
                let weight = |(name, shape, initial): &(String, Vec<usize>, Initial)| Weight {
                    name: name.clone().into(),
                    ..parameter("", shape, *initial)
                };
                map.parameters.iter().map(weight).collect()
            }
            Operator::FakeQuantize { .. } => vec![buffer("range", 2, zero), buffer("observing", 1, one)],
            Operator::Queries { dims } => vec![parameter("weight", dims, Initial::Normal { std: 1.0 })],
            Operator::Input
            | Operator::Activation(_)
            | Operator::Softmax { .. }
            | Operator::LogSoftmax { .. }
            | Operator::MaxPool2d(_)
            | Operator::AvgPool2d(_)
            | Operator::AdaptiveAvgPool2d { .. }
            | Operator::GlobalAvgPool
            | Operator::Interpolate { .. }
            | Operator::Pad { .. }
            | Operator::Flatten
            | Operator::ImageToTokens
            | Operator::Reshape { .. }
            | Operator::Permute { .. }
            | Operator::Slice { .. }
            | Operator::Concat { .. }
            | Operator::Mean { .. }
            | Operator::ScaledDotProductAttention { .. }
            | Operator::Dropout { .. }
            | Operator::StochasticDepth { .. }
            | Operator::Add
            | Operator::Multiply
            | Operator::Scale { .. }
            | Operator::SinePositionEmbedding(_) => Vec::new(),
        }
    }
}

fn parameter(name: &'static str, shape: &[usize], initial: Initial) -> Weight {
    Weight { name: name.into(), shape: shape.to_vec(), role: Role::Parameter, initial }
}

/// A weight and, if it has a length, a bias, as PyTorch starts them. What it calls fan in is the product of all
/// dimensions but the first, for transposed convolutions too.
fn by_fan_in(shape: &[usize], bias: Option<usize>) -> Vec<Weight> {
    let fan_in = shape[1..].iter().fold(1_usize, |product, &dim| product.saturating_mul(dim));
    let initial = Initial::uniform_by_fan_in(fan_in);
    let mut weights = vec![parameter("weight", shape, initial)];
    weights.extend(bias.map(|length| parameter("bias", &[length], initial)));
    weights
}

/// The weight and bias of a norm.
fn scale_and_shift(count: usize) -> Vec<Weight> {
    let [weight, bias] = [("weight", 1.0), ("bias", 0.0)];
    let norm = |(name, value)| parameter(name, &[count], Initial::Constant(value));
    vec![norm(weight), norm(bias)]
}
