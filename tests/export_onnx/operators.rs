//! A small model for every operator and for the options that make a difference in other formats.

use candle_core::Device;
use sconce::nn::{
    Activation, AvgPool2dConfig, Conv2dConfig, ConvTranspose2dConfig, Corners, Divisor, GroupNormConfig,
    Interpolation, LayerNormConfig, LinearConfig, Model, PadMode, Padding, Pool2dConfig, Rounding,
    SinePositionConfig, TargetSize, Value,
};
use sconce::{Result, Seed};

type Layers = fn(Value) -> Value;

fn conv(x: &Value, config: Conv2dConfig) -> Value {
    x.conv2d_with(4, config)
}

fn max_pool(x: &Value, kernel: usize, stride: usize, padding: Padding, rounding: Rounding) -> Value {
    x.max_pool2d_with(Pool2dConfig { kernel: [kernel; 2], stride: [stride; 2], padding, rounding })
}

fn avg_pool(x: &Value, padding: Padding, rounding: Rounding, divisor: Divisor) -> Value {
    let window = Pool2dConfig { kernel: [3, 3], stride: [2, 2], padding, rounding };
    x.avg_pool2d_with(AvgPool2dConfig { window, divisor })
}

const UNEVEN: Padding = Padding { top: 1, bottom: 0, left: 0, right: 1 };

/// Name, [C, H, W] of the images, layers.
const CASES: &[(&str, [usize; 3], Layers)] = &[
    ("nothing", [2, 3, 3], |x| x),
    ("dropout_alone", [2, 3, 3], |x| x.dropout(0.5)),
    ("conv2d", [2, 6, 5], |x| x.conv2d(3, 3)),
    ("conv2d_uneven", [4, 7, 6], |x| {
        let padding = Padding { top: 1, bottom: 0, left: 2, right: 1 };
        conv(
            &x,
            Conv2dConfig {
                kernel: [2, 3],
                stride: [1, 2],
                padding,
                groups: 2,
                bias: false,
                ..Conv2dConfig::default()
            },
        )
    }),
    ("conv2d_dilated", [2, 9, 8], |x| {
        conv(&x, Conv2dConfig { dilation: [2, 3], padding: 2.into(), ..Conv2dConfig::default() })
    }),
    ("conv_transpose2d", [2, 3, 4], |x| {
        x.conv_transpose2d_with(
            3,
            ConvTranspose2dConfig {
                kernel: [3, 2],
                output_padding: [1, 0],
                ..ConvTranspose2dConfig::default()
            },
        )
    }),
    ("conv_transpose2d_uneven", [4, 5, 4], |x| {
        x.conv_transpose2d_with(
            6,
            ConvTranspose2dConfig {
                kernel: [4, 3],
                stride: [2, 1],
                padding: UNEVEN,
                dilation: [1, 2],
                groups: 2,
                bias: false,
                ..ConvTranspose2dConfig::default()
            },
        )
    }),
    ("batch_norm_folded", [3, 5, 5], |x| x.conv2d(4, 3).batch_norm().relu()),
    ("batch_norm_alone", [3, 3, 2], |x| x.relu().batch_norm()),
    ("batch_norm_tokens", [3, 2, 2], |x| x.image_to_tokens().batch_norm()),
    ("batch_norm_features", [3, 2, 1], |x| x.flatten().batch_norm()),
    ("layer_norm", [4, 2, 3], |x| x.image_to_tokens().layer_norm()),
    ("layer_norm_eps", [2, 3, 4], |x| x.layer_norm_with(LayerNormConfig { eps: 0.1 })),
    ("layer_norm2d", [4, 2, 3], |x| x.layer_norm2d()),
    ("group_norm", [4, 2, 3], |x| x.group_norm(2)),
    ("group_norm_tokens", [3, 2, 2], |x| {
        x.image_to_tokens().group_norm_with(GroupNormConfig { groups: 2, eps: 1e-3 })
    }),
    ("relu", [2, 3, 4], |x| x.relu()),
    ("leaky_relu", [2, 3, 4], |x| x.leaky_relu(0.2)),
    ("gelu", [2, 3, 4], |x| x.gelu()),
    ("gelu_tanh", [2, 3, 4], |x| x.gelu_tanh()),
    ("silu", [2, 3, 4], |x| x.silu()),
    ("sigmoid", [2, 3, 4], |x| x.sigmoid()),
    ("hardswish", [2, 3, 4], |x| x.scale(4.0).hardswish()),
    ("relu6", [2, 3, 4], |x| x.scale(8.0).activation(Activation::Relu6)),
    ("hardsigmoid", [2, 3, 4], |x| x.scale(4.0).activation(Activation::Hardsigmoid)),
    ("tanh", [2, 3, 4], |x| x.activation(Activation::Tanh)),
    ("softmax", [3, 2, 2], |x| x.softmax(0)),
    ("log_softmax", [2, 2, 3], |x| x.log_softmax(2)),
    ("max_pool2d", [2, 5, 4], |x| x.max_pool2d(2)),
    ("max_pool2d_uneven", [2, 7, 6], |x| max_pool(&x, 3, 2, UNEVEN, Rounding::Floor)),
    ("max_pool2d_ceil", [2, 6, 7], |x| max_pool(&x, 3, 2, Padding::default(), Rounding::Ceil)),
    ("max_pool2d_ceil_padded", [2, 6, 8], |x| max_pool(&x, 3, 2, 1.into(), Rounding::Ceil)),
    ("max_pool2d_ceil_gaps", [2, 6, 7], |x| max_pool(&x, 2, 3, Padding::default(), Rounding::Ceil)),
    ("avg_pool2d", [2, 5, 4], |x| x.avg_pool2d(2)),
    ("avg_pool2d_padded", [2, 7, 6], |x| avg_pool(&x, 1.into(), Rounding::Floor, Divisor::WithPadding)),
    ("avg_pool2d_pixels", [2, 7, 6], |x| avg_pool(&x, 1.into(), Rounding::Floor, Divisor::PixelsOnly)),
    ("avg_pool2d_uneven", [2, 7, 6], |x| avg_pool(&x, UNEVEN, Rounding::Floor, Divisor::WithPadding)),
    ("avg_pool2d_ceil", [2, 6, 8], |x| avg_pool(&x, 1.into(), Rounding::Ceil, Divisor::WithPadding)),
    ("avg_pool2d_ceil_pixels", [2, 6, 8], |x| avg_pool(&x, 1.into(), Rounding::Ceil, Divisor::PixelsOnly)),
    ("avg_pool2d_ceil_plain", [2, 6, 8], |x| {
        avg_pool(&x, Padding::default(), Rounding::Ceil, Divisor::WithPadding)
    }),
    ("adaptive_avg_pool2d", [2, 6, 4], |x| x.adaptive_avg_pool2d([3, 2])),
    ("adaptive_avg_pool2d_parts", [2, 5, 3], |x| x.adaptive_avg_pool2d([2, 4])),
    ("adaptive_avg_pool2d_mixed", [2, 7, 4], |x| x.adaptive_avg_pool2d([3, 4])),
    ("adaptive_avg_pool2d_one", [2, 5, 3], |x| x.adaptive_avg_pool2d([1, 1])),
    ("global_avg_pool", [3, 2, 3], |x| x.global_avg_pool()),
    ("nearest", [2, 3, 2], |x| x.interpolate(TargetSize::Pixels([4, 5]), Interpolation::Nearest)),
    ("nearest_down", [2, 9, 14], |x| x.interpolate(TargetSize::Pixels([6, 6]), Interpolation::Nearest)),
    ("nearest_times", [2, 3, 2], |x| x.interpolate(TargetSize::Times([2, 3]), Interpolation::Nearest)),
    ("bilinear_times", [2, 3, 2], |x| {
        x.interpolate(TargetSize::Times([2, 3]), Interpolation::Bilinear(Corners::Edges))
    }),
    ("bilinear_corners", [2, 3, 4], |x| {
        x.interpolate(TargetSize::Pixels([5, 6]), Interpolation::Bilinear(Corners::Centres))
    }),
    ("bilinear_down", [2, 7, 9], |x| {
        x.interpolate(TargetSize::Pixels([5, 4]), Interpolation::Bilinear(Corners::Edges))
    }),
    ("bilinear_to_one", [2, 7, 9], |x| {
        x.interpolate(TargetSize::Pixels([1, 4]), Interpolation::Bilinear(Corners::Centres))
    }),
    ("bilinear_like", [2, 5, 3], |x| {
        let small = max_pool(&x, 2, 2, Padding::default(), Rounding::Ceil);
        small.interpolate_like(&x, Interpolation::Bilinear(Corners::Centres)) * x
    }),
    ("pad_constant", [2, 3, 2], |x| x.pad(UNEVEN, PadMode::Constant(0.5))),
    ("pad_reflect", [2, 3, 3], |x| x.pad(2, PadMode::Reflect)),
    ("pad_replicate", [2, 3, 2], |x| x.pad([0, 2], PadMode::Replicate)),
    ("flatten", [2, 3, 2], |x| x.flatten()),
    ("image_to_tokens", [2, 3, 2], |x| x.image_to_tokens()),
    ("reshape", [2, 3, 4], |x| x.reshape([4, 6])),
    ("permute", [2, 3, 4], |x| x.permute([1, 2, 0])),
    ("slice", [3, 3, 2], |x| x.slice(0, 1..3)),
    ("concat", [2, 3, 2], |x| x.concat(&[&x.sigmoid(), &x], 0)),
    ("mean", [3, 2, 4], |x| x.mean([2, 0])),
    ("mean_all", [3, 2, 2], |x| x.mean([0, 1, 2])),
    ("linear", [2, 3, 2], |x| x.flatten().linear(4)),
    ("linear_tokens", [3, 2, 2], |x| x.image_to_tokens().linear(4)),
    ("linear_image", [2, 3, 4], |x| {
        x.linear_with(3, LinearConfig { bias: false, ..LinearConfig::default() })
    }),
    ("linear_features_no_bias", [2, 3, 2], |x| {
        x.flatten().linear_with(3, LinearConfig { bias: false, ..LinearConfig::default() })
    }),
    ("attention", [4, 3, 1], |x| {
        let tokens = x.image_to_tokens();
        let (key, value) = (tokens.slice(0, 0..2).sigmoid(), tokens.slice(0, 1..3).linear(6));
        tokens.scaled_dot_product_attention(&key, &value, 2)
    }),
    ("attention_of_rows", [3, 4, 4], |x| x.scaled_dot_product_attention(&x.sigmoid(), &x, 2)),
    ("self_attention", [4, 3, 1], |x| x.image_to_tokens().self_attention(2)),
    ("cross_attention", [4, 3, 1], |x| {
        let tokens = x.image_to_tokens();
        tokens.multi_head_attention(&tokens.slice(0, 1..3), &tokens.slice(0, 0..2), 2)
    }),
    ("relative_attention", [12, 3, 2], |x| x.image_to_tokens().relative_attention(2, [3, 2])),
    ("stochastic_depth", [2, 3, 2], |x| x.relu().stochastic_depth(0.3)),
    ("fake_quantize_unseen", [2, 3, 2], |x| x.fake_quantize(0.1)),
    ("add", [2, 3, 2], |x| x.sigmoid() + x),
    ("multiply", [3, 3, 2], |x| x.adaptive_avg_pool2d([1, 1]).conv2d(3, 1).sigmoid() * x),
    ("scale", [2, 3, 2], |x| x.scale(-1.5)),
    ("layer_scale", [3, 2, 2], |x| x.layer_scale(0.5)),
    ("layer_scale_tokens", [3, 2, 2], |x| x.image_to_tokens().layer_scale(0.5)),
    ("class_token", [3, 2, 2], |x| x.image_to_tokens().class_token()),
    ("position_embedding", [3, 2, 2], |x| x.image_to_tokens().position_embedding()),
    ("position_embedding_image", [3, 2, 2], |x| x.position_embedding()),
    ("sine_position_embedding", [4, 2, 3], |x| {
        x.sine_position_embedding(SinePositionConfig { embed_dim: 4, ..SinePositionConfig::default() }) * x
    }),
    ("queries", [3, 2, 2], |x| x.queries([4, 3]) * x.image_to_tokens()),
    // The same weights as a matrix and turned, and names that others have.
    ("shared", [3, 2, 2], |x| {
        let one = x.image_to_tokens().linear(3).named("input_2");
        one.mean([0]).linear(3).shares("input_2")
    }),
];

/// Each with weights of its own.
pub fn operators() -> impl Iterator<Item = Result<(String, Model)>> {
    CASES.iter().enumerate().map(|(at, (name, image, layers))| {
        let model = Model::build(*image, *layers)?.init(Seed(at as u64), &Device::Cpu)?;
        Ok(((*name).to_owned(), model))
    })
}
