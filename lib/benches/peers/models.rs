//! The rows of whole models, as far as the model graph can build them.

use candle_core::{Device, Tensor};
use sconce::nn::{Conv2dConfig, Mode, Model, Value};
use sconce::optim::sgd;
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

/// ResNet-18 (He et al. 2016) with a 3 × 3 stem and no pool behind it, for small images.
fn resnet18_cifar(x: Value) -> Value {
    let conv = |x: &Value, channels: usize, kernel: usize, stride: usize| {
        let config = Conv2dConfig {
            kernel: [kernel; 2],
            stride: [stride; 2],
            padding: (kernel / 2).into(),
            bias: false,
            ..Conv2dConfig::default()
        };
        x.conv2d_with(channels, config).batch_norm()
    };
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

type Layers = fn(Value) -> Value;

pub fn run(rows: &mut Rows) -> Result<(), Failed> {
    let models: [(&str, Layers, usize, usize); 3] =
        [("lenet", lenet, 4, 200), ("lenet", lenet, 128, 30), ("resnet18_cifar", resnet18_cifar, 32, 4)];
    for (name, layers, batch, runs) in models {
        let (train, infer) =
            (format!("train/{name}/{batch}x3x32x32"), format!("infer/{name}/{batch}x3x32x32"));
        if !rows.wants(&train) && !rows.wants(&infer) {
            continue;
        }
        let net = Model::build([3, 32, 32], layers)?.init(Seed(0), &Device::Cpu)?;
        let x = values("images", &[batch, 3, 32, 32])?;
        let targets: Vec<u32> = (0..batch as u32).map(|image| image % 10).collect();
        let targets = Tensor::new(targets, &Device::Cpu)?;
        let mut optimizer = sgd(0.01).momentum(0.9).build(&net.parameters())?;
        rows.training(&train, runs, || {
            let logits = net.forward(&x, Mode::Train(Seed(0)))?;
            let loss = ops::softmax_cross_entropy(&logits, &targets, 0.0)?;
            optimizer.step(&loss.backward()?)
        })?;
        rows.row(&infer, runs, || net.forward(&x, Mode::Eval))?;
    }
    Ok(())
}
