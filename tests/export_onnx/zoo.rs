//! Whole models, small enough to be run in moments.

use candle_core::Device;
use sconce::compress::{PruneConfig, prune_channels};
use sconce::models::{self, FcosBackbone, FcosConfig, ModelConfig};
use sconce::nn::{
    Conv2dConfig, Corners, Inputs, Interpolation, Model, Outputs, Pool2dConfig, Rounding, TargetSize,
};
use sconce::{Result, Seed};

/// Architectures with the size of their images; those behind `true` only where code is optimized.
const MODELS: &[(&str, [usize; 3], bool)] = &[
    ("lenet", [3, 32, 32], false),
    ("resnet20", [3, 16, 16], false),
    ("mobilenet_v3_small", [3, 32, 32], false),
    ("unet_small", [3, 32, 32], false),
    ("detr_small", [3, 64, 64], false),
    ("vit_ti_16", [3, 32, 48], false),
    ("resnet18", [3, 64, 64], true),
    ("resnet50", [3, 64, 64], true),
    ("googlenet", [3, 64, 64], true),
    ("inception_v3", [3, 299, 299], true),
    ("mobilenet_v2", [3, 64, 64], true),
    ("efficientnet_b0", [3, 64, 64], true),
    ("convnext_tiny", [3, 64, 64], true),
    ("coatnet_0", [3, 64, 64], true),
    ("fcos_resnet18_fpn", [3, 64, 96], true),
    ("vit_b_16", [3, 32, 32], true),
    ("detr_resnet50", [3, 64, 96], true),
];

/// Those whose linear layers have most of their weights, with most of these cut away first.
const PRUNED: &[(&str, [usize; 3])] = &[("alexnet", [3, 96, 96]), ("vgg11_bn", [3, 64, 64])];

pub fn models() -> impl Iterator<Item = Result<(String, Model)>> {
    let whole = MODELS.iter().filter(|(_, _, large)| !large || !cfg!(debug_assertions));
    let whole = whole.map(|&(name, image, _)| Ok((name.to_owned(), created(name, image)?)));
    let pruned = PRUNED.iter().filter(|_| !cfg!(debug_assertions)).map(|&(name, image)| {
        Ok((name.to_owned(), prune_channels(&created(name, image)?, &PruneConfig::ratio(0.8))?.model))
    });
    whole.chain(pruned)
}

fn created(name: &str, image: [usize; 3]) -> Result<Model> {
    models::create(name, ModelConfig::default().image(image))?.init(Seed(1), &Device::Cpu)
}

/// Models of convolutions alone, with sizes (B, H, W) for which they were not built.
pub fn of_any_size() -> impl Iterator<Item = Result<(String, Model, Vec<[usize; 3]>)>> {
    let sizes = vec![[1, 32, 32], [2, 48, 64]];
    let of_zoo =
        |name: &str| Ok((name.to_owned(), created(name, [3, 32, 32])?, vec![[1, 32, 32], [2, 48, 64]]));
    let pyramid = || {
        let config = FcosConfig {
            num_classes: 4,
            image: [3, 64, 64],
            backbone: FcosBackbone::ResNet18,
            channels: 32,
            head_layers: 1,
        };
        // Sizes that are no multiple of the strides: maps grow by other than whole times.
        let sizes = vec![[1, 64, 64], [1, 72, 104]];
        Ok(("fcos".to_owned(), config.architecture()?.init(Seed(3), &Device::Cpu)?, sizes))
    };
    let other = move || Ok(("convolutions".to_owned(), convolutions()?, sizes));
    [other(), of_zoo("unet_small"), of_zoo("resnet20")]
        .into_iter()
        .chain((!cfg!(debug_assertions)).then(pyramid))
}

/// All that an image of any size can go through.
fn convolutions() -> Result<Model> {
    Model::build([3, 16, 16], |x| {
        let same = Conv2dConfig { padding: 1.into(), ..Conv2dConfig::default() };
        let x = x.conv2d_with(8, same).batch_norm().relu();
        let low = x.max_pool2d_with(Pool2dConfig {
            rounding: Rounding::Ceil,
            kernel: [3, 3],
            ..Pool2dConfig::default()
        });
        let low = low.group_norm(2).gelu().layer_norm2d();
        let up = low.interpolate_like(&x, Interpolation::Bilinear(Corners::Centres));
        let near = low.interpolate_like(&x, Interpolation::Nearest);
        let twice = low.interpolate(TargetSize::Times([2, 2]), Interpolation::Bilinear(Corners::Edges));
        let weights = twice.adaptive_avg_pool2d([1, 1]).conv2d(8, 1).sigmoid();
        let x = (up + near) * weights;
        let small = x.interpolate(TargetSize::Pixels([5, 7]), Interpolation::Nearest);
        let tokens = x.avg_pool2d(4).image_to_tokens().class_token().self_attention(2).layer_norm();
        tokens.mean([0]).concat(&[&small.global_avg_pool()], 0).linear(5)
    })?
    .init(Seed(2), &Device::Cpu)
}

/// Two images through the same layers.
pub fn twins() -> Result<Model> {
    let architecture =
        Model::build_inputs(Inputs::new("left", [3, 8, 8]).input("right", [3, 8, 8]), |[a, b]| {
            let a = a.conv2d(6, 3).named("conv").batch_norm().named("norm").relu().global_avg_pool();
            let b = b.conv2d(6, 3).shares("conv").batch_norm().shares("norm").relu().global_avg_pool();
            a.concat(&[&b, &(&a * &b)], 0).linear(3)
        })?;
    architecture.init(Seed(5), &Device::Cpu)
}

/// An image, features and tokens; the features are what a second output has, too.
pub fn image_and_numbers() -> Result<Model> {
    let inputs = Inputs::new("image", [1, 6, 5]).input("numbers", [4]).input("words", [3, 2]);
    let architecture = Model::build_inputs(inputs, |[image, numbers, words]| {
        let image = image.conv2d(4, 3).batch_norm().relu().flatten().linear(6);
        let words = words.layer_norm().self_attention(1).mean([0]);
        let joined = image.concat(&[&numbers, &words], 0).relu().linear(3);
        Outputs::new("scores", joined).output("gates", numbers.sigmoid())
    })?;
    architecture.init(Seed(6), &Device::Cpu)
}

/// A main output, one of a map, and one that is for training only.
pub fn two_outputs() -> Result<Model> {
    let architecture = Model::build_outputs([3, 12, 10], |x| {
        let x = x.conv2d(16, 3).batch_norm().relu().named("stem");
        let main = x.max_pool2d(2).flatten().linear(24).dropout(0.2).linear(3);
        let map = x.conv2d(2, 1).sigmoid();
        let auxiliary = x.global_avg_pool().linear(3);
        Outputs::new("scores", main).output("map", map).training("auxiliary", auxiliary)
    })?;
    architecture.init(Seed(7), &Device::Cpu)
}

/// Layers that are computed on integers: in groups, with a shortcut, ReLU6 and pools.
pub fn digits() -> Result<Model> {
    Model::build([1, 8, 8], |x| {
        let same = Conv2dConfig { padding: 1.into(), bias: false, ..Conv2dConfig::default() };
        let x = x.conv2d_with(16, same).batch_norm().relu().named("stem");
        let depthwise = Conv2dConfig { groups: 16, ..same };
        let y = x.conv2d_with(16, depthwise).batch_norm().activation(sconce::nn::Activation::Relu6);
        let y = y.conv2d(16, 1).batch_norm();
        let x = (x + y).relu();
        let x = x.concat(
            &[&x.avg_pool2d_with(sconce::nn::AvgPool2dConfig {
                window: Pool2dConfig {
                    kernel: [3, 3],
                    stride: [1, 1],
                    padding: 1.into(),
                    ..Pool2dConfig::default()
                },
                ..sconce::nn::AvgPool2dConfig::default()
            })],
            0,
        );
        x.max_pool2d(2).conv2d_with(32, same).batch_norm().relu().global_avg_pool().linear(10)
    })?
    .init(Seed(42), &Device::Cpu)
}
