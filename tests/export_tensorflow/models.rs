//! The models that are exported: one for every operator and option, and the zoo in small.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use sconce::compress::{QatConfig, qat};
use sconce::models::{self, ModelConfig, ModelEntry};
use sconce::nn::{
    Activation, Architecture, AvgPool2dConfig, Conv2dConfig, ConvTranspose2dConfig, Corners, Divisor, Inputs,
    Interpolation, LayerNormConfig, LinearConfig, Mode, Model, Outputs, PadMode, Padding, Pool2dConfig,
    Rounding, SinePositionConfig, TargetSize, Value,
};
use sconce::prelude::{Learner, adamw, cross_entropy, datasets};
use sconce::{Result, Rng, Seed};

/// Weights as if trained: nothing at 0 or 1.
pub fn filled(model: Model, seed: Seed) -> Result<Model> {
    let mut rng = seed.derive("filled").rng();
    let mut state = model.state()?;
    for (name, tensor) in &mut state {
        let values = tensor.flatten_all()?.to_vec1::<f32>()?;
        let (one, kind) = (tensor.dims().len() == 1, name.rsplit('.').next());
        let changed: Vec<f32> = values
            .iter()
            .map(|&value| match kind {
                Some("running_mean") => 0.2 * rng.normal() as f32,
                Some("running_var") => 0.5 + rng.uniform() as f32,
                Some("weight") if one => 0.5 + rng.uniform() as f32,
                _ if one => 0.2 * rng.normal() as f32,
                _ if value == 0.0 => 0.1 * rng.normal() as f32,
                _ => value,
            })
            .collect();
        *tensor = Tensor::from_vec(changed, tensor.shape(), &Device::Cpu)?;
    }
    model.set_state(&state)?;
    Ok(model)
}

pub fn images(model: &Model, count: usize, seed: u64) -> Result<Tensor> {
    values(&model.graph().nodes()[0].shape, count, seed)
}

/// A batch of normal numbers for an input of this shape.
pub fn values(shape: &[usize], count: usize, seed: u64) -> Result<Tensor> {
    let dims = [&[count], shape].concat();
    let mut rng: Rng = Seed(seed).rng();
    let values: Vec<f32> = (0..dims.iter().product()).map(|_| rng.normal() as f32).collect();
    Ok(Tensor::from_vec(values, dims, &Device::Cpu)?)
}

/// Two images through the same layers, and an image with what else is known of it.
pub fn several_inputs() -> Vec<(&'static str, Result<Architecture>)> {
    let two = Inputs::new("left", [3, 8, 6]).input("right", [3, 8, 6]);
    let siamese = Model::build_inputs(two, |[left, right]| {
        let left = left.conv2d(4, 3).named("stem").relu().global_avg_pool();
        let right = right.conv2d(4, 3).shares("stem").relu().global_avg_pool();
        left.concat(&[&right], 0).linear(5)
    });
    let mixed = Inputs::new("image", [1, 6, 5]).input("numbers", [4]).input("words", [3, 2]);
    let mixed = Model::build_inputs(mixed, |[image, numbers, words]| {
        let image = image.conv2d(4, 3).batch_norm().relu().flatten().linear(6);
        let words = words.layer_norm().self_attention(1).mean([0]);
        let joined = image.concat(&[&numbers, &words], 0).relu().linear(3);
        Outputs::new("scores", joined).output("gates", numbers.sigmoid())
    });
    vec![("siamese", siamese), ("mixed", mixed)]
}

type Layers = fn(Value) -> Value;

/// A small model for every operator and for each of its options that changes what a file holds.
pub fn operators() -> Vec<(&'static str, Result<Architecture>)> {
    let mut all: Vec<(&'static str, Result<Architecture>)> = Vec::new();
    let mut add = |name, input: [usize; 3], layers: Layers| all.push((name, Model::build(input, layers)));
    let activations: [(&str, Layers); 10] = [
        ("relu", |x| x.relu()),
        ("relu6", |x| x.scale(4.0).activation(Activation::Relu6)),
        ("leaky_relu", |x| x.leaky_relu(0.2)),
        ("gelu", |x| x.gelu()),
        ("gelu_tanh", |x| x.gelu_tanh()),
        ("silu", |x| x.silu()),
        ("sigmoid", |x| x.sigmoid()),
        ("hardswish", |x| x.scale(3.0).hardswish()),
        ("hardsigmoid", |x| x.scale(3.0).activation(Activation::Hardsigmoid)),
        ("tanh", |x| x.activation(Activation::Tanh)),
    ];
    for (name, layers) in activations {
        add(name, [2, 3, 4], layers);
    }
    add("input", [2, 3, 4], |x| x);
    add("conv", [2, 4, 5], |x| x.conv2d(3, 3).relu());
    add("conv_same", [3, 7, 6], |x| {
        x.conv2d_with(4, Conv2dConfig { padding: 1.into(), ..Conv2dConfig::default() })
    });
    add("conv_strided", [3, 8, 8], |x| {
        // Where TensorFlow's padding would lie elsewhere.
        let config = Conv2dConfig { padding: 1.into(), stride: [2, 2], ..Conv2dConfig::default() };
        x.conv2d_with(4, config).conv2d_with(5, config)
    });
    add("conv_uneven", [4, 7, 6], |x| {
        let padding = Padding { top: 1, bottom: 0, left: 2, right: 1 };
        let config =
            Conv2dConfig { kernel: [2, 3], stride: [1, 2], padding, bias: false, ..Conv2dConfig::default() };
        x.conv2d_with(4, config)
    });
    add("conv_dilated", [3, 9, 8], |x| {
        let config = Conv2dConfig { padding: [2, 1].into(), dilation: [2, 1], ..Conv2dConfig::default() };
        x.conv2d_with(4, config)
    });
    add("conv_groups", [4, 6, 5], |x| {
        let config = Conv2dConfig { padding: 1.into(), groups: 2, ..Conv2dConfig::default() };
        x.conv2d_with(6, config).relu()
    });
    add("depthwise", [4, 6, 5], |x| {
        let config = Conv2dConfig { padding: 1.into(), groups: 4, ..Conv2dConfig::default() };
        x.conv2d_with(4, config).activation(Activation::Relu6)
    });
    add("depthwise_twice", [3, 6, 5], |x| {
        x.conv2d_with(6, Conv2dConfig { groups: 3, stride: [2, 2], ..Conv2dConfig::default() })
    });
    add("depthwise_dilated", [3, 8, 7], |x| {
        let config =
            Conv2dConfig { groups: 3, dilation: [2, 2], padding: 2.into(), ..Conv2dConfig::default() };
        x.conv2d_with(3, config)
    });
    add("depthwise_strides", [3, 8, 7], |x| {
        x.conv2d_with(3, Conv2dConfig { groups: 3, stride: [1, 2], ..Conv2dConfig::default() })
    });
    add("transposed", [2, 3, 2], |x| x.conv_transpose2d_with(3, ConvTranspose2dConfig::default()).relu());
    add("transposed_padded", [2, 4, 5], |x| {
        let padding = Padding { top: 1, bottom: 0, left: 0, right: 1 };
        x.conv_transpose2d_with(
            4,
            ConvTranspose2dConfig {
                kernel: [3, 4],
                stride: [2, 3],
                padding,
                output_padding: [1, 2],
                bias: false,
                ..ConvTranspose2dConfig::default()
            },
        )
    });
    add("transposed_groups", [4, 3, 3], |x| {
        let config =
            ConvTranspose2dConfig { groups: 2, dilation: [2, 1], ..ConvTranspose2dConfig::default() };
        x.conv_transpose2d_with(6, config)
    });
    add("batch_norm", [3, 3, 2], |x| x.sigmoid().batch_norm());
    add("batch_norm_folded", [3, 5, 5], |x| x.conv2d(4, 3).batch_norm().relu());
    add("batch_norm_tokens", [3, 2, 2], |x| x.image_to_tokens().batch_norm());
    add("batch_norm_row", [3, 2, 2], |x| x.flatten().batch_norm());
    add("layer_norm", [4, 2, 3], |x| x.image_to_tokens().layer_norm());
    add("layer_norm_columns", [2, 3, 4], |x| x.layer_norm_with(LayerNormConfig { eps: 0.1 }));
    add("layer_norm2d", [4, 2, 3], |x| x.layer_norm2d());
    add("group_norm", [4, 2, 3], |x| x.group_norm(2));
    add("group_norm_tokens", [3, 2, 2], |x| x.image_to_tokens().group_norm(2));
    add("softmax", [3, 2, 2], |x| x.softmax(0));
    add("softmax_columns", [3, 2, 2], |x| x.softmax(2));
    add("log_softmax", [2, 2, 3], |x| x.log_softmax(1));
    add("max_pool", [2, 4, 4], |x| x.max_pool2d(2));
    add("max_pool_padded", [2, 7, 6], |x| {
        let config = Pool2dConfig { kernel: [3, 3], padding: 1.into(), ..Pool2dConfig::default() };
        x.max_pool2d_with(config)
    });
    add("max_pool_ceil", [1, 5, 4], |x| {
        let rounding = Rounding::Ceil;
        x.max_pool2d_with(Pool2dConfig {
            kernel: [3, 2],
            padding: [1, 0].into(),
            rounding,
            ..Pool2dConfig::default()
        })
    });
    add("avg_pool", [2, 4, 4], |x| x.avg_pool2d(2));
    add("avg_pool_same", [2, 5, 4], |x| {
        let window =
            Pool2dConfig { kernel: [3, 3], stride: [1, 1], padding: 1.into(), ..Pool2dConfig::default() };
        x.avg_pool2d_with(AvgPool2dConfig { window, divisor: Divisor::PixelsOnly })
    });
    add("avg_pool_zeros", [2, 5, 4], |x| {
        let window =
            Pool2dConfig { kernel: [3, 3], stride: [1, 1], padding: 1.into(), ..Pool2dConfig::default() };
        x.avg_pool2d_with(AvgPool2dConfig { window, divisor: Divisor::WithPadding })
    });
    add("avg_pool_ceil", [2, 6, 5], |x| {
        let window = Pool2dConfig {
            kernel: [3, 3],
            padding: 1.into(),
            rounding: Rounding::Ceil,
            ..Pool2dConfig::default()
        };
        x.avg_pool2d_with(AvgPool2dConfig { window, divisor: Divisor::PixelsOnly })
    });
    add("adaptive", [2, 5, 3], |x| x.adaptive_avg_pool2d([2, 4]));
    add("adaptive_whole", [2, 6, 4], |x| x.adaptive_avg_pool2d([3, 2]));
    add("global", [3, 2, 3], |x| x.global_avg_pool());
    add("nearest", [2, 3, 2], |x| x.interpolate(TargetSize::Pixels([4, 5]), Interpolation::Nearest));
    add("nearest_smaller", [2, 7, 10], |x| x.interpolate(TargetSize::Pixels([3, 7]), Interpolation::Nearest));
    add("bilinear", [2, 3, 2], |x| {
        x.interpolate(TargetSize::Times([2, 3]), Interpolation::Bilinear(Corners::Edges))
    });
    add("bilinear_like", [2, 4, 3], |x| {
        x.avg_pool2d(2).interpolate_like(&x, Interpolation::Bilinear(Corners::Centres)) * x
    });
    add("pad", [2, 3, 2], |x| x.pad([1, 2], PadMode::Constant(0.5)));
    add("pad_zeros", [2, 3, 2], |x| x.pad([0, 2], PadMode::Constant(0.0)));
    add("pad_reflect", [2, 3, 3], |x| x.pad(2, PadMode::Reflect));
    add("pad_replicate", [2, 3, 2], |x| x.pad([1, 2], PadMode::Replicate));
    add("flatten", [2, 3, 2], |x| x.flatten());
    add("flatten_linear", [2, 3, 2], |x| x.flatten().relu().linear(4).relu());
    add("tokens", [2, 3, 2], |x| x.image_to_tokens());
    add("reshape", [2, 3, 4], |x| x.reshape([4, 6]));
    add("reshape_permuted", [2, 3, 4], |x| x.reshape([6, 4]).permute([1, 0]).reshape([2, 2, 6]));
    add("shuffle", [6, 3, 4], |x| {
        x.reshape([2, 3, 3, 4]).permute([1, 0, 2, 3]).reshape([6, 3, 4]).conv2d(2, 1)
    });
    add("permute", [2, 3, 4], |x| x.permute([1, 2, 0]));
    add("slice", [3, 3, 2], |x| x.slice(0, 1..3).slice(1, 0..2));
    add("slice_row", [3, 3, 2], |x| x.flatten().slice(0, 3..9).linear(2));
    add("concat", [2, 3, 2], |x| x.concat(&[&x.sigmoid(), &x], 0).conv2d(3, 1));
    add("concat_rows", [2, 3, 2], |x| x.concat(&[&x.sigmoid()], 1));
    add("concat_flat", [2, 3, 2], |x| x.flatten().concat(&[&x.sigmoid().flatten()], 0).linear(3));
    add("mean", [3, 2, 4], |x| x.mean([2, 0]));
    add("mean_rows", [3, 2, 4], |x| x.mean([1]));
    add("mean_all", [3, 2, 2], |x| x.mean([0, 1, 2]));
    add("linear_tokens", [3, 2, 2], |x| x.image_to_tokens().linear(4).relu());
    add("linear_columns", [2, 3, 4], |x| {
        x.linear_with(3, LinearConfig { bias: false, ..LinearConfig::default() })
    });
    add("attention", [4, 3, 1], |x| {
        let tokens = x.image_to_tokens();
        let (key, value) = (tokens.slice(0, 0..2).sigmoid(), tokens.slice(0, 1..3));
        tokens.scaled_dot_product_attention(&key, &value, 2)
    });
    add("attention_of_images", [4, 3, 2], |x| x.scaled_dot_product_attention(&x.sigmoid(), &x, 2));
    add("self_attention", [4, 3, 1], |x| x.image_to_tokens().self_attention(2));
    add("cross_attention", [4, 3, 1], |x| {
        let tokens = x.image_to_tokens();
        tokens.multi_head_attention(&tokens.slice(0, 1..3), &tokens.slice(0, 0..2), 1)
    });
    add("relative", [6, 3, 2], |x| x.image_to_tokens().relative_attention(2, [3, 2]));
    add("dropout", [2, 4, 4], |x| x.conv2d(2, 1).dropout(0.4).relu().stochastic_depth(0.3));
    add("add", [2, 3, 2], |x| (x.sigmoid() + &x).relu());
    add("add_turned", [2, 3, 3], |x| x.permute([0, 2, 1]) + x);
    add("multiply", [2, 3, 2], |x| x.sigmoid() * x);
    add("squeeze", [3, 3, 2], |x| x.adaptive_avg_pool2d([1, 1]).conv2d(3, 1).sigmoid() * x);
    add("scale", [2, 3, 2], |x| x.scale(-1.5));
    add("layer_scale", [3, 2, 2], |x| x.layer_scale(0.5));
    add("layer_scale_row", [3, 2, 2], |x| x.flatten().layer_scale(0.5));
    add("layer_scale_tokens", [3, 2, 2], |x| x.image_to_tokens().layer_scale(0.5));
    add("class_token", [3, 2, 2], |x| x.image_to_tokens().class_token());
    add("position", [3, 2, 2], |x| x.image_to_tokens().position_embedding());
    add("position_image", [3, 2, 2], |x| x.position_embedding());
    add("position_row", [3, 2, 2], |x| x.flatten().position_embedding());
    add("sine", [4, 2, 2], |x| {
        x.sine_position_embedding(SinePositionConfig { embed_dim: 4, ..SinePositionConfig::default() }) * x
    });
    add("queries", [3, 2, 2], |x| x.queries([4, 3]) * x.image_to_tokens());
    add("shared", [3, 4, 4], |x| {
        let one = x.conv2d(3, 1).named("shared");
        let other = one.relu().conv2d(3, 1).shares("shared");
        one + other
    });
    let two = Model::build_outputs([3, 4, 4], |x| {
        let y = x.conv2d(4, 3).relu();
        Outputs::new("scores", y.flatten().linear(3)).output("map", y.clone()).output("again", y)
    });
    all.push(("two_outputs", two));
    all
}

/// The smallest architecture of each family of the zoo, on small images, but for those with more parameters than these.
pub fn zoo() -> Result<Vec<(&'static str, Model)>> {
    let most = if cfg!(debug_assertions) { 12_000_000 } else { 60_000_000 };
    let mut smallest: BTreeMap<&str, (usize, &str, Architecture)> = BTreeMap::new();
    for entry in models::list().entries() {
        let architecture = small(entry)?;
        let size = architecture.summary().num_parameters();
        let smaller = smallest.get(entry.family).is_none_or(|(other, ..)| size < *other);
        if size <= most && smaller {
            smallest.insert(entry.family, (size, entry.name, architecture));
        }
    }
    let made = smallest.into_values().map(|(_, name, architecture)| {
        Ok((name, filled(architecture.init(Seed(3), &Device::Cpu)?, Seed(3))?))
    });
    made.collect()
}

/// The models that have reference values and are not the smallest of their families.
pub fn large() -> impl Iterator<Item = Result<(&'static str, Model)>> {
    const LARGE: [&str; 4] = ["resnet50", "detr_resnet50", "vgg11_bn", "vit_b_16"];
    LARGE.into_iter().map(|name| {
        let architecture = small(models::entry(name)?)?;
        Ok((name, filled(architecture.init(Seed(3), &Device::Cpu)?, Seed(3))?))
    })
}

/// For small images of ten classes.
fn small(entry: &ModelEntry) -> Result<Architecture> {
    let least = match entry.family {
        "DETR" | "FCOS" | "CoAtNet" => 64,
        _ => 32,
    };
    let sides = entry.smallest.map(|side| side.max(least));
    let image = [entry.defaults.image[0], sides[0], sides[1]];
    entry.architecture(ModelConfig::default().num_classes(10).image(image))
}

/// Small models whose layers run on integers.
pub fn for_integers() -> Result<Vec<(&'static str, Model)>> {
    let depthwise = Conv2dConfig { padding: 1.into(), groups: 8, bias: false, ..Conv2dConfig::default() };
    let strided = Conv2dConfig { padding: 1.into(), stride: [2, 2], groups: 2, ..Conv2dConfig::default() };
    let models = [
        ("int8_plain", Model::build([3, 8, 8], |x| x.conv2d(8, 3).batch_norm().relu().flatten().linear(5))?),
        (
            "int8_residual",
            Model::build([3, 8, 8], |x| {
                let x = x.conv2d(8, 3).relu();
                let y = x.conv2d_with(8, depthwise).activation(Activation::Relu6).conv2d(8, 1);
                (x + y).relu().global_avg_pool().linear(5)
            })?,
        ),
        (
            "int8_joined",
            Model::build([3, 12, 12], |x| {
                let x = x.conv2d(8, 3).relu();
                let y = x.conv2d(4, 1);
                let window = Pool2dConfig {
                    kernel: [3, 3],
                    stride: [1, 1],
                    padding: 1.into(),
                    ..Pool2dConfig::default()
                };
                let x = x.concat(&[&y, &x.max_pool2d_with(window)], 0);
                x.conv2d_with(12, strided).relu().avg_pool2d(2).slice(0, 1..9).flatten().linear(5)
            })?,
        ),
        (
            "int8_pools",
            Model::build([3, 14, 14], |x| {
                let window = Pool2dConfig { kernel: [3, 3], padding: 1.into(), ..Pool2dConfig::default() };
                let inside = AvgPool2dConfig { window, divisor: Divisor::PixelsOnly };
                let x = x.conv2d(8, 3).relu().avg_pool2d(2).conv2d(8, 1).avg_pool2d_with(inside);
                x.conv2d(8, 1).relu().adaptive_avg_pool2d([2, 1]).flatten().linear(6).relu()
            })?,
        ),
        (
            "int8_image",
            Model::build([3, 8, 8], |x| {
                let x = x.conv2d(6, 3).relu();
                let y = x.conv2d(6, 1);
                (&x + &y).concat(&[&x.conv2d(2, 1)], 0)
            })?,
        ),
        (
            "int8_outputs",
            Model::build_outputs([3, 8, 8], |x| {
                let x = x.conv2d(8, 3).relu();
                Outputs::new("scores", x.flatten().linear(5))
                    .output("map", x.clone())
                    .output("mean", x.global_avg_pool())
            })?,
        ),
        (
            "int8_probabilities",
            Model::build([3, 8, 8], |x| {
                let gate = x.conv2d(8, 3).sigmoid();
                gate.conv2d(8, 3).relu().global_avg_pool().linear(5).softmax(0)
            })?,
        ),
        (
            "int8_mixed",
            Model::build([3, 12, 12], |x| {
                let x = x.conv2d(8, 3).hardswish().conv2d(8, 3);
                let gate = x.adaptive_avg_pool2d([1, 1]).conv2d(8, 1).sigmoid();
                (&x * &gate)
                    .conv2d(6, 1)
                    .relu()
                    .image_to_tokens()
                    .layer_norm()
                    .linear(8)
                    .gelu()
                    .mean([0])
                    .linear(5)
            })?,
        ),
    ];
    let ready = models.into_iter().enumerate().map(|(seed, (name, architecture))| {
        let seed = Seed(seed as u64);
        Ok((name, filled(architecture.init(seed, &Device::Cpu)?, seed)?))
    });
    ready.collect()
}

/// A network that knows the digits, the same trained further as it will be rounded, batches to calibrate it with, and
/// images that it has not seen.
pub fn digits() -> Result<(Model, Model, Vec<Tensor>, Tensor)> {
    let data = datasets::digits()?.split([0.7, 0.15, 0.15], Seed(42))?;
    let net = Model::build([1, 8, 8], |x| {
        x.conv2d(8, 3).batch_norm().relu().conv2d(16, 3).batch_norm().relu().flatten().linear(10)
    })?
    .init(Seed(1), &Device::Cpu)?;
    let calibration =
        data.train.batches(64).take(4).map(|batch| Ok(batch?.images)).collect::<Result<Vec<_>>>()?;
    let unseen = data.test.batches(300).take(1).map(|batch| Ok(batch?.images)).collect::<Result<Vec<_>>>()?;
    let trained = |net: &Model, epochs: usize, rate: f64| {
        let learner = Learner::new(net.clone(), data.clone()).loss(cross_entropy()).optimizer(adamw(rate));
        learner.batch_size(32).seed(Seed(3)).fit(epochs).map(|_| ())
    };
    // A learner trains the weights that its model is a handle to.
    trained(&net, 3, 2e-3)?;
    let aware = qat(&net, &calibration, &QatConfig::default())?;
    trained(&aware, 1, 1e-4)?;
    // Lest these are cut off where they lie outside of the ranges.
    aware.forward(&unseen[0], Mode::Train(Seed(1)))?;
    Ok((net, aware, calibration, unseen[0].clone()))
}
