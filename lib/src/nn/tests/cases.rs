//! A small model for every operator.

use crate::Result;
use crate::nn::{
    Activation, Architecture, AvgPool2dConfig, Conv2dConfig, ConvTranspose2dConfig, Corners, Divisor,
    GroupNormConfig, Initial, Interpolation, LayerNormConfig, LinearConfig, Map, Model, Operator, PadMode,
    Padding, Pool2dConfig, Rounding, SinePositionConfig, TargetSize, Value,
};

/// A model, and which operator it is there for.
pub(super) struct Case {
    pub(super) what: &'static str,
    pub(super) architecture: Result<Architecture>,
    pub(super) is_there: fn(&Operator) -> bool,
}

type Layers = fn(Value) -> Value;

/// Each operator with the size of the images and the layers that hold it to account. The patterns must be all there
/// are: an operator without a case does not compile.
macro_rules! cases {
    ($($pattern:pat => $input:expr, $layers:expr;)*) => {
        pub(super) fn cases() -> Vec<Case> {
            vec![$({
                let layers: Layers = $layers;
                Case {
                    what: stringify!($pattern),
                    architecture: Model::build($input, layers),
                    is_there: |operator| matches!(operator, $pattern),
                }
            }),*]
        }

        #[allow(dead_code, unreachable_patterns)]
        fn every_operator_has_a_case(operator: &Operator) {
            match operator {
                $($pattern => (),)*
            }
        }
    };
}

cases! {
    Operator::Input => [2, 3, 3], |x| x;
    Operator::Conv2d { .. } => [2, 4, 5], |x| x.conv2d(3, 3);
    Operator::Conv2d { config: Conv2dConfig { groups: 2, .. }, .. } => [4, 4, 3], |x| {
        let padding = Padding { top: 1, bottom: 0, left: 2, right: 1 };
        let config = Conv2dConfig { kernel: [2, 3], stride: [1, 2], padding, groups: 2, bias: false, ..Conv2dConfig::default() };
        x.conv2d_with(4, config)
    };
    Operator::ConvTranspose2d { .. } => [2, 3, 2], |x| {
        let config = ConvTranspose2dConfig { kernel: [3, 2], output_padding: [1, 0], ..ConvTranspose2dConfig::default() };
        x.conv_transpose2d_with(3, config)
    };
    Operator::BatchNorm { .. } => [3, 3, 2], |x| x.batch_norm();
    // Tokens are channels too, each normalized over its numbers, and features are channels of one number.
    Operator::BatchNorm { .. } => [3, 2, 2], |x| x.image_to_tokens().batch_norm();
    Operator::BatchNorm { .. } => [3, 2, 1], |x| x.flatten().batch_norm();
    Operator::LayerNorm { .. } => [4, 2, 3], |x| x.image_to_tokens().layer_norm();
    Operator::LayerNorm { .. } => [2, 3, 4], |x| x.layer_norm_with(LayerNormConfig { eps: 0.1 });
    Operator::LayerNorm2d { .. } => [4, 2, 3], |x| x.layer_norm2d();
    Operator::GroupNorm { .. } => [4, 2, 3], |x| x.group_norm(2);
    Operator::GroupNorm { config: GroupNormConfig { groups: 1, .. }, .. } => [3, 2, 2], |x| x.image_to_tokens().group_norm(1);
    Operator::Activation(Activation::Relu) => [2, 3, 4], |x| x.relu();
    Operator::Activation(Activation::LeakyRelu { .. }) => [2, 3, 4], |x| x.leaky_relu(0.2);
    Operator::Activation(Activation::Gelu) => [2, 3, 4], |x| x.gelu();
    Operator::Activation(Activation::GeluTanh) => [2, 3, 4], |x| x.gelu_tanh();
    Operator::Activation(Activation::Silu) => [2, 3, 4], |x| x.silu();
    Operator::Activation(Activation::Sigmoid) => [2, 3, 4], |x| x.sigmoid();
    Operator::Activation(Activation::Hardswish) => [2, 3, 4], |x| x.hardswish();
    Operator::Activation(Activation::Relu6) => [2, 3, 4], |x| x.activation(Activation::Relu6);
    Operator::Activation(Activation::Hardsigmoid) => [2, 3, 4], |x| x.activation(Activation::Hardsigmoid);
    Operator::Activation(Activation::Tanh) => [2, 3, 4], |x| x.activation(Activation::Tanh);
    Operator::Softmax { .. } => [3, 2, 2], |x| x.softmax(0);
    Operator::LogSoftmax { .. } => [2, 2, 3], |x| x.log_softmax(2);
    Operator::MaxPool2d(_) => [2, 4, 4], |x| x.max_pool2d(2);
    Operator::MaxPool2d(_) => [1, 5, 4], |x| {
        let config = Pool2dConfig { kernel: [3, 2], padding: [1, 0].into(), rounding: Rounding::Ceil, ..Pool2dConfig::default() };
        x.max_pool2d_with(config)
    };
    Operator::AvgPool2d(_) => [2, 4, 4], |x| x.avg_pool2d(2);
    Operator::AvgPool2d(AvgPool2dConfig { divisor: Divisor::PixelsOnly, .. }) => [1, 5, 4], |x| {
        let window = Pool2dConfig { kernel: [3, 3], padding: 1.into(), ..Pool2dConfig::default() };
        x.avg_pool2d_with(AvgPool2dConfig { window, divisor: Divisor::PixelsOnly })
    };
    Operator::AdaptiveAvgPool2d { .. } => [2, 5, 3], |x| x.adaptive_avg_pool2d([2, 4]);
    Operator::GlobalAvgPool => [3, 2, 3], |x| x.global_avg_pool();
    Operator::Interpolate { .. } => [2, 3, 2], |x| x.interpolate(TargetSize::Pixels([4, 5]), Interpolation::Nearest);
    Operator::Interpolate { size: TargetSize::Times(_), .. } => [2, 3, 2], |x| {
        x.interpolate(TargetSize::Times([2, 3]), Interpolation::Bilinear(Corners::Edges))
    };
    Operator::Interpolate { size: TargetSize::Like, .. } => [2, 4, 3], |x| {
        let small = x.avg_pool2d(2);
        small.interpolate_like(&x, Interpolation::Bilinear(Corners::Centres)) * x
    };
    Operator::Pad { mode: PadMode::Constant(_), .. } => [2, 3, 2], |x| x.pad([1, 2], PadMode::Constant(0.5));
    Operator::Pad { mode: PadMode::Reflect, .. } => [2, 3, 3], |x| x.pad(2, PadMode::Reflect);
    Operator::Pad { mode: PadMode::Replicate, .. } => [2, 3, 2], |x| x.pad([0, 2], PadMode::Replicate);
    Operator::Flatten => [2, 3, 2], |x| x.flatten();
    Operator::ImageToTokens => [2, 3, 2], |x| x.image_to_tokens();
    Operator::Reshape { .. } => [2, 3, 4], |x| x.reshape([4, 6]);
    Operator::Permute { .. } => [2, 3, 4], |x| x.permute([1, 2, 0]);
    Operator::Slice { .. } => [3, 3, 2], |x| x.slice(0, 1..3);
    Operator::Concat { .. } => [2, 3, 2], |x| x.concat(&[&x.sigmoid(), &x], 0);
    Operator::Mean { .. } => [3, 2, 4], |x| x.mean([2, 0]);
    Operator::Mean { .. } => [3, 2, 2], |x| x.mean([0, 1, 2]);
    Operator::Linear { .. } => [2, 3, 2], |x| x.flatten().linear(4);
    Operator::Linear { .. } => [3, 2, 2], |x| x.image_to_tokens().linear(4);
    Operator::Linear { config: LinearConfig { bias: false, .. }, .. } => [2, 3, 4], |x| {
        x.linear_with(3, LinearConfig { bias: false, ..LinearConfig::default() })
    };
    Operator::ScaledDotProductAttention { .. } => [4, 3, 1], |x| {
        let tokens = x.image_to_tokens();
        let (key, value) = (tokens.slice(0, 0..2).sigmoid(), tokens.slice(0, 1..3));
        tokens.scaled_dot_product_attention(&key, &value, 2)
    };
    Operator::MultiHeadAttention { .. } => [4, 3, 1], |x| x.image_to_tokens().self_attention(2);
    Operator::MultiHeadAttention { .. } => [4, 3, 1], |x| {
        let tokens = x.image_to_tokens();
        tokens.multi_head_attention(&tokens.slice(0, 1..3), &tokens.slice(0, 0..2), 2)
    };
    Operator::RelativeAttention { .. } => [6, 3, 2], |x| x.image_to_tokens().relative_attention(2, [3, 2]);
    Operator::Dropout { .. } => [2, 4, 4], |x| x.dropout(0.4);
    Operator::StochasticDepth { .. } => [2, 3, 2], |x| x.stochastic_depth(0.3);
    Operator::FakeQuantize { .. } => [2, 3, 2], |x| x.fake_quantize(0.1);
    Operator::Add => [2, 3, 2], |x| x.sigmoid() + x;
    Operator::Multiply => [2, 3, 2], |x| x.sigmoid() * x;
    Operator::Multiply => [3, 3, 2], |x| x.adaptive_avg_pool2d([1, 1]).conv2d(3, 1).sigmoid() * x;
    Operator::Scale { .. } => [2, 3, 2], |x| x.scale(-1.5);
    Operator::LayerScale { .. } => [3, 2, 2], |x| x.layer_scale(0.5);
    Operator::LayerScale { .. } => [3, 2, 2], |x| x.image_to_tokens().layer_scale(0.5);
    Operator::ClassToken { .. } => [3, 2, 2], |x| x.image_to_tokens().class_token();
    Operator::PositionEmbedding { .. } => [3, 2, 2], |x| x.image_to_tokens().position_embedding();
    Operator::PositionEmbedding { .. } => [3, 2, 2], |x| x.position_embedding();
    // Nothing of the input goes into the next two but its size, so it goes in beside them.
    Operator::SinePositionEmbedding(_) => [4, 2, 2], |x| {
        x.sine_position_embedding(SinePositionConfig { embed_dim: 4, ..SinePositionConfig::default() }) * x
    };
    Operator::Queries { .. } => [3, 2, 2], |x| x.queries([4, 3]) * x.image_to_tokens();
    Operator::Map(_) => [2, 3, 2], |x| x.map("square", |x| Ok(x.sqr()?));
    Operator::Map(_) => [2, 3, 2], |x| {
        let scale = Map::new(|x, parameters| Ok(x.broadcast_mul(&parameters[0])?.sqr()?));
        x.map_with("scale", scale.parameter("factor", [3, 1], Initial::Constant(0.5)).output([2, 3, 2]))
    };
}
