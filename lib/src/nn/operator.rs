use serde::{Deserialize, Serialize};
use std::ops::Range;

use super::config::{
    AvgPool2dConfig, Conv2dConfig, ConvTranspose2dConfig, GroupNormConfig, LayerNormConfig, LinearConfig,
    Pool2dConfig, Rounds, TargetSize, WeightPrecision,
};
use super::map::{self, Map};
#[cfg(doc)]
use crate::ops;
use crate::ops::{Activation, BatchNormConfig, Interpolation, PadMode, Padding, SinePositionConfig};

/// What a node of the graph computes, with everything that decides the result but the weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Operator {
    /// The images that go in.
    Input,
    /// [`ops::conv2d`]; parameters `weight` (O, C / groups, KH, KW) and, with `config.bias`, `bias` (O).
    Conv2d {
        /// C, the channels that come in.
        in_channels: usize,
        /// O, the channels that go out.
        out_channels: usize,
        /// The window.
        config: Conv2dConfig,
    },
    /// [`ops::conv_transpose2d`]; parameters `weight` (C, O / groups, KH, KW) and, with `config.bias`, `bias` (O).
    ConvTranspose2d {
        /// C, the channels that come in.
        in_channels: usize,
        /// O, the channels that go out.
        out_channels: usize,
        /// The window.
        config: ConvTranspose2dConfig,
    },
    /// [`ops::batch_norm_train`]; parameters `weight` and `bias`, buffers `running_mean` and `running_var`, all (C).
    BatchNorm {
        /// C.
        channels: usize,
        /// Epsilon and momentum.
        config: BatchNormConfig,
    },
    /// [`ops::layer_norm`] over the last dimension; parameters `weight` and `bias` (D).
    LayerNorm {
        /// D.
        features: usize,
        /// Epsilon.
        config: LayerNormConfig,
    },
    /// [`ops::layer_norm2d`], over the channels of every pixel; parameters `weight` and `bias` (C).
    LayerNorm2d {
        /// C.
        channels: usize,
        /// Epsilon.
        config: LayerNormConfig,
    },
    /// [`ops::group_norm`]; parameters `weight` and `bias` (C).
    GroupNorm {
        /// C.
        channels: usize,
        /// Groups and epsilon.
        config: GroupNormConfig,
    },
    /// [`ops::activate`]: a function of each value by itself.
    Activation(Activation),
    /// [`ops::softmax`]: raw logits to probabilities.
    Softmax {
        /// The dimension that sums to 1, counted without the batch.
        dim: usize,
    },
    /// [`ops::log_softmax`]: raw logits to the logarithms of probabilities.
    LogSoftmax {
        /// The dimension whose probabilities sum to 1, counted without the batch.
        dim: usize,
    },
    /// [`ops::max_pool2d`].
    MaxPool2d(Pool2dConfig),
    /// [`ops::avg_pool2d`].
    AvgPool2d(AvgPool2dConfig),
    /// [`ops::adaptive_avg_pool2d`]: (C, H, W) to (C, OH, OW).
    AdaptiveAvgPool2d {
        /// OH and OW.
        output: [usize; 2],
    },
    /// [`ops::global_avg_pool`]: (C, H, W) to (C).
    GlobalAvgPool,
    /// [`ops::interpolate`]: (C, H, W) to (C, OH, OW).
    Interpolate {
        /// OH and OW. [`TargetSize::Like`] takes a second input.
        size: TargetSize,
        /// How pixels between pixels are made.
        interpolation: Interpolation,
    },
    /// [`ops::pad`]: pixels around an image.
    Pad {
        /// How many.
        padding: Padding,
        /// What they are.
        mode: PadMode,
    },
    /// All values of an image in a row: (C, H, W) to (C·H·W).
    Flatten,
    /// A token for each pixel, row by row: (C, H, W) to (H·W, C).
    ImageToTokens,
    /// The same values in other dimensions, of the same number of values.
    Reshape {
        /// The new dimensions, without the batch.
        dims: Vec<usize>,
    },
    /// Other dimensions first.
    Permute {
        /// The old place of each new dimension, counted without the batch.
        order: Vec<usize>,
    },
    /// [`ops::slice()`].
    Slice {
        /// The dimension, counted without the batch.
        dim: usize,
        /// The entries that are kept.
        range: Range<usize>,
    },
    /// [`ops::concat`] of all inputs.
    Concat {
        /// The dimension along which they follow each other, counted without the batch.
        dim: usize,
    },
    /// [`ops::mean`], without the dimensions it goes over.
    Mean {
        /// Those dimensions, counted without the batch.
        dims: Vec<usize>,
    },
    /// [`ops::linear`] over the last dimension; parameters `weight` (O, I) and, with `config.bias`, `bias` (O).
    Linear {
        /// I, the features that come in.
        in_features: usize,
        /// O, the features that go out.
        out_features: usize,
        /// With or without bias.
        config: LinearConfig,
    },
    /// [`ops::attention_in_heads`] of queries (N, D), keys (M, D) and values (M, E), its three inputs; no parameters.
    ScaledDotProductAttention {
        /// The equal parts of D and E that attend by themselves.
        num_heads: usize,
    },
    /// [`ops::multi_head_attention`] of queries (N, D), keys and values (M, D), its three inputs, in PyTorch's layout:
    /// parameters `in_proj_weight` (3·D, D), `in_proj_bias` (3·D), `out_proj.weight` (D, D) and `out_proj.bias` (D).
    MultiHeadAttention {
        /// D.
        embed_dim: usize,
        /// The equal parts of D that attend by themselves.
        num_heads: usize,
    },
    /// [`ops::relative_attention`] of pixels (N, heads·3·D), its queries, keys and values; the parameter
    /// `relative_position_bias_table` ((2·H - 1)·(2·W - 1), heads) has a bias for each way from one pixel to another.
    RelativeAttention {
        /// The heads, which attend by themselves.
        num_heads: usize,
        /// H and W of the pixels.
        grid: [usize; 2],
    },
    /// [`ops::dropout`] in training, nothing otherwise.
    Dropout {
        /// The share that is dropped.
        p: f64,
    },
    /// [`ops::stochastic_depth`] in training, nothing otherwise.
    StochasticDepth {
        /// The share of the images for which the value becomes 0.
        p: f64,
    },
    /// [`ops::fake_quantize`]: every value rounded to what a byte can stand for, in the range that the buffer `range` (2),
    /// the least and the greatest, has. While the buffer `observing` (1) is 1, it follows what comes in, in training: the
    /// first batch's, and then an average that moves. A range of 0 to 0 has seen nothing and leaves values as they are.
    FakeQuantize {
        /// The share of a batch's range in the average, from 0 to 1.
        momentum: f64,
        /// Whether values are rounded, or only their range is kept.
        #[serde(default, skip_serializing_if = "Rounds::are_values")]
        rounds: Rounds,
    },
    /// The sum of two inputs of one shape.
    Add,
    /// The product, element by element, of two inputs of one shape, or with 1 where one of them repeats.
    Multiply,
    /// Every value times one constant.
    Scale {
        /// That constant.
        factor: f64,
    },
    /// Each channel times a number of its own; the parameter has the layer's name and no other.
    LayerScale {
        /// The parameter's shape: (C, 1, 1) for images, (D) for tokens and features.
        shape: Vec<usize>,
        /// What the numbers are before training.
        initial: f32,
    },
    /// A token before the others, the same for each image: (N, D) to (1 + N, D). The parameter, (1, 1, D), has the
    /// layer's name and no other.
    ClassToken {
        /// D.
        embed_dim: usize,
    },
    /// [`ops::position_embedding`], which is added. The parameter has the layer's name and no other.
    PositionEmbedding {
        /// The parameter's shape: 1 and then that of the input.
        shape: Vec<usize>,
    },
    /// [`ops::sine_position_embedding`] for images of the input's size: (C, H, W) to (D, H, W). No other number of the
    /// input goes in, so that it gets no gradient from here.
    SinePositionEmbedding(SinePositionConfig),
    /// Vectors that are trained, the same for each image, whatever the input is; the parameter `weight` is they.
    Queries {
        /// How many, and of how many numbers.
        dims: [usize; 2],
    },
    /// Code of the user's, into which nothing here can look, nor write it to a file.
    #[serde(skip)]
    Map(Map),
}

impl Operator {
    /// How the weight is rounded before it is used.
    pub(crate) fn weight_precision(&self) -> WeightPrecision {
        match self {
            Operator::Conv2d { config, .. } => config.weights,
            Operator::Linear { config, .. } => config.weights,
            _ => WeightPrecision::Float,
        }
    }

    /// The operator's name, as the unnamed layers and the errors carry it: `conv2d`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Operator::Input => "input",
            Operator::Conv2d { .. } => "conv2d",
            Operator::ConvTranspose2d { .. } => "conv_transpose2d",
            Operator::BatchNorm { .. } => "batch_norm",
            Operator::LayerNorm { .. } => "layer_norm",
            Operator::LayerNorm2d { .. } => "layer_norm2d",
            Operator::GroupNorm { .. } => "group_norm",
            Operator::Activation(activation) => activation.name(),
            Operator::Softmax { .. } => "softmax",
            Operator::LogSoftmax { .. } => "log_softmax",
            Operator::MaxPool2d(_) => "max_pool2d",
            Operator::AvgPool2d(_) => "avg_pool2d",
            Operator::AdaptiveAvgPool2d { .. } => "adaptive_avg_pool2d",
            Operator::GlobalAvgPool => "global_avg_pool",
            Operator::Interpolate { .. } => "interpolate",
            Operator::Pad { .. } => "pad",
            Operator::Flatten => "flatten",
            Operator::ImageToTokens => "image_to_tokens",
            Operator::Reshape { .. } => "reshape",
            Operator::Permute { .. } => "permute",
            Operator::Slice { .. } => "slice",
            Operator::Concat { .. } => "concat",
            Operator::Mean { .. } => "mean",
            Operator::Linear { .. } => "linear",
            Operator::ScaledDotProductAttention { .. } => "scaled_dot_product_attention",
            Operator::MultiHeadAttention { .. } => "multi_head_attention",
            Operator::RelativeAttention { .. } => "relative_attention",
            Operator::Dropout { .. } => "dropout",
            Operator::StochasticDepth { .. } => "stochastic_depth",
            Operator::FakeQuantize { .. } => "fake_quantize",
            Operator::Add => "add",
            Operator::Multiply => "multiply",
            Operator::Scale { .. } => "scale",
            Operator::LayerScale { .. } => "layer_scale",
            Operator::ClassToken { .. } => "class_token",
            Operator::PositionEmbedding { .. } => "position_embedding",
            Operator::SinePositionEmbedding(_) => "sine_position_embedding",
            Operator::Queries { .. } => "queries",
            Operator::Map(_) => map::NAME,
        }
    }
}
