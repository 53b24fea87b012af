//! The rows of whole models, as far as the model graph can build them.

use candle_core::Tensor;
use sconce::nn::{Conv2dConfig, LayerNormConfig, Mode, Model, Pool2dConfig, Value, backward};
use sconce::optim::{OptimizerConfig, adamw, sgd};
use sconce::{Seed, ops};

use super::Failed;
use super::operators::values;
use super::row::Rows;

fn lenet(x: Value) -> Value {
    let conv = Conv2dConfig { kernel: [5, 5], ..Conv2dConfig::default() };
    let x = x.conv2d_with(6, conv).relu().max_pool2d(2);
    let x = x.conv2d_with(16, conv).relu().max_pool2d(2);
    x.flatten().linear(120).relu().linear(84).relu().linear(10)
}

/// A convolution that keeps the image's size but for the stride, and its batch norm.
fn conv(x: &Value, channels: usize, kernel: usize, stride: usize) -> Value {
    let config = Conv2dConfig {
        kernel: [kernel; 2],
        stride: [stride; 2],
        padding: (kernel / 2).into(),
        bias: false,
        ..Conv2dConfig::default()
    };
    x.conv2d_with(channels, config).batch_norm()
}

/// ResNet-18 (He et al. 2016) with a 3 × 3 stem and no pool behind it, for small images.
fn resnet18_cifar(x: Value) -> Value {
    let mut x = conv(&x, 64, 3, 1).relu();
    for (stage, channels) in [64, 128, 256, 512].into_iter().enumerate() {
        for block in 0..2 {
            let stride = if stage > 0 && block == 0 { 2 } else { 1 };
            let y = conv(&x, channels, 3, stride).relu();
            let y = conv(&y, channels, 3, 1);
            if stride == 2 {
                x = conv(&x, channels, 1, 2);
            }
            x = (x + y).relu();
        }
    }
    x.global_avg_pool().linear(10)
}

/// ResNet-50 (He et al. 2016), the stride in the 3 × 3 convolutions as in torchvision.
fn resnet50(x: Value) -> Value {
    let x = conv(&x, 64, 7, 2).relu();
    let pool = Pool2dConfig { kernel: [3, 3], stride: [2, 2], padding: 1.into(), ..Pool2dConfig::default() };
    let mut x = x.max_pool2d_with(pool);
    for (stage, (channels, blocks)) in [(64, 3), (128, 4), (256, 6), (512, 3)].into_iter().enumerate() {
        for block in 0..blocks {
            let stride = if stage > 0 && block == 0 { 2 } else { 1 };
            let y = conv(&conv(&x, channels, 1, 1).relu(), channels, 3, stride).relu();
            let y = conv(&y, 4 * channels, 1, 1);
            if block == 0 {
                x = conv(&x, 4 * channels, 1, stride);
            }
            x = (x + y).relu();
        }
    }
    x.global_avg_pool().linear(10)
}

/// ViT-Tiny/16 (Touvron et al. 2020).
fn vit_tiny_16(x: Value) -> Value {
    let norm = LayerNormConfig { eps: 1e-6 };
    let patches = Conv2dConfig { kernel: [16, 16], stride: [16, 16], ..Conv2dConfig::default() };
    let mut x = x.conv2d_with(192, patches).image_to_tokens().class_token().position_embedding();
    for _ in 0..12 {
        let y = x.layer_norm_with(norm).self_attention(3);
        x = x + y;
        let y = x.layer_norm_with(norm).linear(768).gelu().linear(192);
        x = x + y;
    }
    x.layer_norm_with(norm).slice(0, 0..1).flatten().linear(10)
}

/// What a row is: its name, the layers, the batch, the side of the images, the optimizer, and how often it runs.
type Case = (&'static str, fn(Value) -> Value, usize, usize, OptimizerConfig, usize);

pub fn run(rows: &mut Rows) -> Result<(), Failed> {
    let momentum = OptimizerConfig::from(sgd(0.01).momentum(0.9));
    let models: [Case; 5] = [
        ("lenet", lenet, 4, 32, momentum.clone(), 200),
        ("lenet", lenet, 128, 32, momentum.clone(), 30),
        ("resnet18_cifar", resnet18_cifar, 32, 32, momentum.clone(), 4),
        ("vit_tiny_16", vit_tiny_16, 8, 224, adamw(1e-3).into(), 4),
        ("resnet50", resnet50, 8, 224, momentum, 3),
    ];
    for (name, layers, batch, side, optimizer, runs) in models {
        let shape = format!("{batch}x3x{side}x{side}");
        let (train, infer) = (format!("train/{name}/{shape}"), format!("infer/{name}/{shape}"));
        if !rows.wants(&train) && !rows.wants(&infer) {
            continue;
        }
        let net = Model::build([3, side, side], layers)?.init(Seed(0), rows.device())?;
        let x = values("images", &[batch, 3, side, side], rows.device())?;
        let targets: Vec<u32> = (0..batch as u32).map(|image| image % 10).collect();
        let targets = Tensor::new(targets, rows.device())?;
        let mut optimizer = optimizer.build(&net.parameters())?;
        rows.training(&train, runs, || {
            let logits = net.forward(&x, Mode::Train(Seed(0)))?;
            let loss = ops::softmax_cross_entropy(&logits, &targets, 0.0)?;
            optimizer.step(&backward(&loss)?)
        })?;
        rows.row(&infer, runs, || net.forward(&x, Mode::Eval))?;
    }
    Ok(())
}
