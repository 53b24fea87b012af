//! What each operator of the graph computes.

use candle_core::Tensor;

use super::config::{AvgPool2dConfig, Rounds, TargetSize, WeightPrecision};
use super::graph::Node;
use super::infer;
use super::mode::Mode;
use super::model::Model;
use super::observe::bytes_of;
use super::operator::Operator;
use crate::ops::AttentionWeights;
use crate::ops::int8::Quantization;
use crate::{Error, Result, ops};

impl Model {
    /// The output of `node` for its inputs, in their order. `trained` says of each of the graph's tensors whether it
    /// gets a gradient.
    pub(super) fn compute(
        &self,
        node: &Node,
        inputs: &[Tensor],
        mode: Mode,
        trained: &[bool],
    ) -> Result<Tensor> {
        let tensors = node.tensors.iter().map(|&index| match trained[index] {
            true => self.vars[index].as_tensor().clone(),
            false => self.vars[index].as_detached_tensor(),
        });
        let tensors: Vec<Tensor> = tensors.collect();
        match (&node.operator, inputs, tensors.as_slice()) {
            (Operator::BatchNorm { config, .. }, [x], [weight, bias, ..])
                if node.tensors.iter().any(|&index| trained[index]) =>
            {
                let running = (&self.vars[node.tensors[2]], &self.vars[node.tensors[3]]);
                ops::batch_norm_train(x, weight, bias, running, *config)
            }
            (Operator::FakeQuantize { .. }, [x], [_, _]) => {
                let extremes = || Ok([x.min_all()?.to_scalar()?, x.max_all()?.to_scalar()?]);
                fake_quantized(x, self.observed(node, mode, extremes)?)
            }
            (_, inputs, tensors) => evaluate(node, inputs, tensors, mode),
        }
    }
}

/// The output of `node`, whose weights are `tensors`, none of which changes.
pub(crate) fn evaluate(node: &Node, inputs: &[Tensor], tensors: &[Tensor], mode: Mode) -> Result<Tensor> {
    let rounded = match (node.operator.weight_precision(), tensors) {
        (WeightPrecision::Int8, [weight, rest @ ..]) => {
            let weight = ops::fake_quantize_weight(weight)?;
            Some([std::slice::from_ref(&weight), rest].concat())
        }
        _ => None,
    };
    let tensors = rounded.as_deref().unwrap_or(tensors);
    Ok(match (&node.operator, inputs, tensors) {
        (Operator::Input, [x], []) => x.clone(),
        (Operator::Conv2d { config, .. }, [x], [weight, bias @ ..]) => {
            ops::conv2d(x, weight, bias.first(), config.sliding(), config.groups)?
        }
        (Operator::ConvTranspose2d { config, .. }, [x], [weight, bias @ ..]) => {
            let (sliding, output_padding) = (config.sliding(), config.output_padding);
            ops::conv_transpose2d(x, weight, bias.first(), sliding, output_padding, config.groups)?
        }
        (Operator::BatchNorm { config, .. }, [x], [weight, bias, mean, var]) => {
            ops::batch_norm_eval(x, weight, bias, (mean, var), *config)?
        }
        (Operator::LayerNorm { config, .. }, [x], [weight, bias]) => {
            ops::layer_norm(x, weight, bias, config.eps)?
        }
        (Operator::LayerNorm2d { config, .. }, [x], [weight, bias]) => {
            ops::layer_norm2d(x, weight, bias, config.eps)?
        }
        (Operator::GroupNorm { config, .. }, [x], [weight, bias]) => {
            ops::group_norm(x, config.groups, weight, bias, config.eps)?
        }
        (Operator::Activation(activation), [x], []) => ops::activate(x, *activation)?,
        // Dimensions of the graph do not count the batch.
        (Operator::Softmax { dim }, [x], []) => ops::softmax(x, dim + 1)?,
        (Operator::LogSoftmax { dim }, [x], []) => ops::log_softmax(x, dim + 1)?,
        (Operator::MaxPool2d(config), [x], []) => {
            ops::max_pool2d(x, config.kernel, config.sliding(), config.rounding)?
        }
        (Operator::AvgPool2d(AvgPool2dConfig { window, divisor }), [x], []) => {
            ops::avg_pool2d(x, window.kernel, window.sliding(), window.rounding, *divisor)?
        }
        (Operator::AdaptiveAvgPool2d { output }, [x], []) => ops::adaptive_avg_pool2d(x, *output)?,
        (Operator::GlobalAvgPool, [x], []) => ops::global_avg_pool(x)?, // (B, C)
        (Operator::Interpolate { size, interpolation }, [x, like @ ..], []) => {
            ops::interpolate(x, target_size(node, x, like.first(), *size)?, *interpolation)?
        }
        (Operator::Pad { padding, mode }, [x], []) => ops::pad(x, *padding, *mode)?,
        (Operator::Flatten, [x], []) => x.flatten_from(1)?, // (B, C·H·W)
        (Operator::ImageToTokens, [x], []) => x.flatten_from(2)?.transpose(1, 2)?, // (B, H·W, C)
        (Operator::Reshape { dims }, [x], []) => x.reshape([&x.dims()[..1], dims].concat())?, // (B, …)
        (Operator::Permute { order }, [x], []) => {
            let order: Vec<usize> = [0].into_iter().chain(order.iter().map(|dim| dim + 1)).collect();
            x.permute(order)?
        }
        (Operator::Slice { dim, range }, [x], []) => ops::slice(x, dim + 1, range.clone())?,
        (Operator::Concat { dim }, inputs, []) => ops::concat(&inputs.iter().collect::<Vec<_>>(), dim + 1)?,
        (Operator::Mean { dims }, [x], []) => {
            ops::mean(x, &dims.iter().map(|dim| dim + 1).collect::<Vec<_>>())?
        }
        (Operator::Linear { .. }, [x], [weight, bias @ ..]) => ops::linear(x, weight, bias.first())?,
        (Operator::ScaledDotProductAttention { num_heads }, [q, k, v], []) => {
            ops::attention_in_heads(q, k, v, *num_heads)?
        }
        (
            Operator::MultiHeadAttention { num_heads, .. },
            [query, key, value],
            [in_proj_weight, in_proj_bias, out_proj_weight, out_proj_bias],
        ) => {
            let weights = AttentionWeights { in_proj_weight, in_proj_bias, out_proj_weight, out_proj_bias };
            // A node's own handles to one value may not be one tensor any more.
            let inputs = match node.inputs[..] {
                [a, b, c] if a == b && b == c => [query; 3],
                _ => [query, key, value],
            };
            ops::multi_head_attention(inputs, weights, *num_heads)?
        }
        (Operator::RelativeAttention { grid, .. }, [x], [table]) => {
            ops::relative_attention(x, table, *grid)? // (B, N, heads·D)
        }
        (Operator::Dropout { p }, [x], []) => match mode {
            Mode::Train(seed) => ops::dropout(x, *p, seed.derive(&node.name))?,
            Mode::Eval => x.clone(),
        },
        (Operator::StochasticDepth { p }, [x], []) => match mode {
            Mode::Train(seed) => ops::stochastic_depth(x, *p, seed.derive(&node.name))?,
            Mode::Eval => x.clone(),
        },
        (Operator::FakeQuantize { rounds: Rounds::Nothing, .. }, [x], _) => x.clone(),
        (Operator::FakeQuantize { .. }, [x], [range, _]) => fake_quantized(x, bytes_of(range)?)?,
        (Operator::Add, [x, y], []) => (x + y)?,
        (Operator::Multiply, [x, y], []) => x.broadcast_mul(y)?,
        (Operator::Scale { factor }, [x], []) => x.affine(*factor, 0.0)?,
        (Operator::LayerScale { .. }, [x], [factors]) => x.broadcast_mul(factors)?,
        (Operator::ClassToken { embed_dim }, [x], [token]) => {
            let token = token.broadcast_as((x.dim(0)?, 1, *embed_dim))?; // (B, 1, D)
            ops::concat(&[&token, x], 1)? // (B, 1 + N, D)
        }
        (Operator::PositionEmbedding { .. }, [x], [embedding]) => ops::position_embedding(x, embedding)?,
        (Operator::SinePositionEmbedding(config), [x], []) => {
            let &[batch, _, height, width] = x.dims() else {
                return Err(misplaced(node, inputs, tensors));
            };
            let embedding = ops::sine_position_embedding([height, width], *config, x.device())?;
            let embedding = embedding.to_dtype(x.dtype())?;
            embedding.broadcast_as((batch, config.embed_dim, height, width))? // (B, D, H, W)
        }
        (Operator::Queries { dims: [count, features] }, [x], [weight]) => {
            weight.broadcast_as((x.dim(0)?, *count, *features))? // (B, N, D)
        }
        (Operator::Map(map), [x], parameters) => map.call(x, parameters)?,
        (_, inputs, tensors) => return Err(misplaced(node, inputs, tensors)),
    })
}

/// `x`, rounded unless no range is known.
fn fake_quantized(x: &Tensor, bytes: Option<Quantization>) -> Result<Tensor> {
    bytes.map_or_else(|| Ok(x.clone()), |bytes| ops::fake_quantize(x, bytes))
}

/// The size that `x` is brought to; `like` is the second input, if there is one.
fn target_size(node: &Node, x: &Tensor, like: Option<&Tensor>, size: TargetSize) -> Result<[usize; 2]> {
    let &[_, _, height, width] = x.dims() else { return Err(misplaced(node, std::slice::from_ref(x), &[])) };
    let like = like.and_then(|like| like.dims().get(1..)).unwrap_or_default();
    infer::target_size(node.operator.name(), [height, width], like, size)
}

/// A node whose inputs and weights are not those of its operator, which a graph does not have.
fn misplaced(node: &Node, inputs: &[Tensor], tensors: &[Tensor]) -> Error {
    Error::Argument {
        op: node.operator.name().into(),
        expected: "the inputs and weights of this operator".into(),
        got: format!("{} inputs and {} weights", inputs.len(), tensors.len()),
        hint: "Please report this.".into(),
    }
}
