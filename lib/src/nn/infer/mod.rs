//! Output shapes, without the batch.

mod images;
mod shapes;
mod tokens;

pub(super) use images::target_size;

use crate::nn::operator::Operator;
use crate::ops::{check_probability, shape_text};
use crate::{Error, Result};

/// Values a tensor may have at most: far beyond any memory, far below any overflow.
const MOST_VALUES: usize = 1 << 48;

impl Operator {
    /// The shape of the output for inputs of these shapes.
    ///
    /// # Errors
    /// If they do not fit; the error's `op` is the operator's name.
    pub(super) fn output_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>> {
        let op = self.name();
        let one = inputs.first().copied().unwrap_or_default();
        let other = inputs.get(1).copied().unwrap_or_default();
        let shape = match self {
            Operator::Input | Operator::Activation(_) => one.to_vec(),
            Operator::Conv2d { in_channels, out_channels, config } => {
                images::conv2d(op, one, [*in_channels, *out_channels], config)?
            }
            Operator::ConvTranspose2d { in_channels, out_channels, config } => {
                images::conv_transpose2d(op, one, [*in_channels, *out_channels], config)?
            }
            Operator::MaxPool2d(config) => images::max_pool2d(op, one, config)?,
            Operator::AvgPool2d(config) => images::avg_pool2d(op, one, config)?,
            Operator::AdaptiveAvgPool2d { output } => images::adaptive_avg_pool2d(op, one, *output)?,
            Operator::GlobalAvgPool => vec![image(op, one)?[0]],
            Operator::Interpolate { size, .. } => images::interpolate(op, one, other, *size)?,
            Operator::Pad { padding, mode } => images::pad(op, one, *padding, *mode)?,
            Operator::SinePositionEmbedding(config) => images::sine(op, one, *config)?,
            Operator::BatchNorm { channels, .. } | Operator::GroupNorm { channels, .. }
                if one.first() != Some(channels) =>
            {
                return Err(mismatch(op, format!("{channels} channels"), one, ""));
            }
            Operator::BatchNorm { .. } => one.to_vec(),
            Operator::GroupNorm { config, .. } => images::group_norm(op, one, config)?,
            Operator::LayerNorm2d { channels, .. } => {
                if image(op, one)?[0] != *channels {
                    return Err(mismatch(op, format!("{channels} channels"), one, ""));
                }
                one.to_vec()
            }
            Operator::LayerNorm { features, .. } => {
                tokens::last(op, one, *features)?;
                one.to_vec()
            }
            Operator::Linear { in_features, out_features, .. } => {
                tokens::linear(op, one, [*in_features, *out_features])?
            }
            Operator::ScaledDotProductAttention { num_heads } => tokens::attention(op, inputs, *num_heads)?,
            Operator::MultiHeadAttention { embed_dim, num_heads } => {
                tokens::multi_head_attention(op, inputs, *embed_dim, *num_heads)?
            }
            Operator::RelativeAttention { num_heads, grid } => {
                tokens::relative_attention(op, one, *num_heads, *grid)?
            }
            Operator::ClassToken { embed_dim } => tokens::class_token(op, one, *embed_dim)?,
            Operator::PositionEmbedding { shape } => tokens::position_embedding(op, one, shape)?,
            Operator::Queries { dims } => {
                at_least_one(op, "queries", dims[0])?;
                at_least_one(op, "numbers in a query", dims[1])?;
                dims.to_vec()
            }
            Operator::ImageToTokens => {
                let [channels, height, width] = image(op, one)?;
                vec![height * width, channels]
            }
            Operator::Flatten => vec![one.iter().product()],
            Operator::Reshape { dims } => shapes::reshape(op, one, dims)?,
            Operator::Permute { order } => shapes::permute(op, one, order)?,
            Operator::Slice { dim, range } => shapes::slice(op, one, *dim, range)?,
            Operator::Concat { dim } => shapes::concat(op, inputs, *dim)?,
            Operator::Mean { dims } => shapes::mean(op, one, dims)?,
            Operator::Softmax { dim } | Operator::LogSoftmax { dim } => {
                shapes::check_dim(op, one, *dim)?;
                one.to_vec()
            }
            Operator::Dropout { p } | Operator::StochasticDepth { p } => {
                check_probability(op, *p)?;
                one.to_vec()
            }
            Operator::FakeQuantize { momentum, .. } => {
                if !(0.0..=1.0).contains(momentum) {
                    return Err(Error::Argument {
                        op: op.into(),
                        expected: "a momentum from 0 to 1".into(),
                        got: momentum.to_string(),
                        hint: "0.01 is usual.".into(),
                    });
                }
                one.to_vec()
            }
            Operator::Add => {
                if one != other {
                    let hint =
                        "A 1 x 1 conv2d with the right stride and channels can bring one to the other.";
                    return Err(pair(op, "two inputs of one shape", one, other, hint));
                }
                one.to_vec()
            }
            Operator::Multiply => shapes::multiply(op, one, other)?,
            Operator::Scale { factor } => {
                if !factor.is_finite() {
                    return Err(Error::Argument {
                        op: op.into(),
                        expected: "a finite factor".into(),
                        got: factor.to_string(),
                        hint: String::new(),
                    });
                }
                one.to_vec()
            }
            Operator::Map(map) => map.output_shape(one)?,
            Operator::LayerScale { shape, .. } => shapes::layer_scale(op, one, shape)?,
        };
        let tensors = self.weights().into_iter().map(|weight| weight.shape).chain([shape.clone()]);
        for tensor in tensors {
            check_values(op, &tensor)?;
        }
        Ok(shape)
    }
}

/// Refuses a tensor that could not be.
pub(super) fn check_values(op: &str, shape: &[usize]) -> Result<()> {
    let values = shape.iter().try_fold(1_usize, |values, &dim| values.checked_mul(dim));
    if values.is_some_and(|values| values <= MOST_VALUES) {
        return Ok(());
    }
    Err(Error::Argument {
        op: op.into(),
        expected: "tensors that could fit into a memory".into(),
        got: shape_text(shape),
        hint: "Take fewer channels or a smaller window.".into(),
    })
}

fn image(op: &str, shape: &[usize]) -> Result<[usize; 3]> {
    let fitting = <[usize; 3]>::try_from(shape);
    fitting.map_err(|_| {
        mismatch(op, "images (C, H, W)", shape, "It must come before flatten or pooling to (C).")
    })
}

fn at_least_one(op: &str, what: &str, count: usize) -> Result<()> {
    if count > 0 {
        return Ok(());
    }
    Err(Error::Argument {
        op: op.into(),
        expected: format!("at least 1 of {what}"),
        got: "0".into(),
        hint: String::new(),
    })
}

fn mismatch(op: &str, expected: impl Into<String>, got: &[usize], hint: &str) -> Error {
    Error::Shape { op: op.into(), expected: expected.into(), got: shape_text(got), hint: hint.into() }
}

/// Two inputs that do not fit each other.
fn pair(op: &str, expected: &str, one: &[usize], other: &[usize], hint: &str) -> Error {
    Error::Shape {
        op: op.into(),
        expected: expected.into(),
        got: format!("{} and {}", shape_text(one), shape_text(other)),
        hint: hint.into(),
    }
}
