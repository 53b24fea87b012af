//! The networks of the cases, in torchvision's names.

use sconce::nn::{Conv2dConfig, LayerNormConfig, Pool2dConfig, Value};

/// The small network of the seed notebook.
pub fn seed_net(x: Value) -> Value {
    let conv = Conv2dConfig { kernel: [5, 5], ..Conv2dConfig::default() };
    let x = x.conv2d_with(6, conv).named("conv1").relu().max_pool2d(2);
    let x = x.conv2d_with(16, conv).named("conv2").relu().max_pool2d(2);
    let x = x.flatten().linear(120).named("fc1").relu();
    x.linear(84).named("fc2").relu().linear(10).named("fc3")
}

/// ResNet-18 (He et al. 2016) in torchvision's names.
pub fn resnet18(x: Value) -> Value {
    let conv = |x: &Value, channels: usize, kernel: usize, stride: usize| {
        let config = Conv2dConfig {
            kernel: [kernel; 2],
            stride: [stride; 2],
            padding: (kernel / 2).into(),
            bias: false,
            ..Conv2dConfig::default()
        };
        x.conv2d_with(channels, config)
    };
    let x = conv(&x, 64, 7, 2).named("conv1").batch_norm().named("bn1").relu();
    let pool = Pool2dConfig { kernel: [3, 3], stride: [2, 2], padding: 1.into(), ..Pool2dConfig::default() };
    let mut x = x.max_pool2d_with(pool);
    for (stage, channels) in [(1, 64), (2, 128), (3, 256), (4, 512)] {
        for block in 0..2 {
            let name = format!("layer{stage}.{block}");
            let halves = stage > 1 && block == 0;
            let stride = if halves { 2 } else { 1 };
            let y = conv(&x, channels, 3, stride).named(format!("{name}.conv1"));
            let y = y.batch_norm().named(format!("{name}.bn1")).relu();
            let y = conv(&y, channels, 3, 1).named(format!("{name}.conv2"));
            let y = y.batch_norm().named(format!("{name}.bn2"));
            if halves {
                x = conv(&x, channels, 1, 2).named(format!("{name}.downsample.0"));
                x = x.batch_norm().named(format!("{name}.downsample.1"));
            }
            x = (x + y).relu();
        }
    }
    x.global_avg_pool().linear(10).named("fc")
}

/// VGG-11 with batch norms (Simonyan and Zisserman 2014), without its dropout.
pub fn vgg11_bn(x: Value) -> Value {
    let (mut x, mut index) = (x, 0);
    for stage in [&[64][..], &[128], &[256, 256], &[512, 512], &[512, 512]] {
        for &channels in stage {
            x = x.conv2d(channels, 3).named(format!("features.{index}"));
            x = x.batch_norm().named(format!("features.{}", index + 1)).relu();
            index += 3;
        }
        x = x.max_pool2d(2);
        index += 1;
    }
    let x = x.adaptive_avg_pool2d([7, 7]).flatten();
    let x = x.linear(4096).named("classifier.0").relu().linear(4096).named("classifier.3").relu();
    x.linear(10).named("classifier.6")
}

/// ViT-B/16 (Dosovitskiy et al. 2020).
pub fn vit_b_16(x: Value, num_classes: usize) -> Value {
    let norm = LayerNormConfig { eps: 1e-6 };
    let patches = Conv2dConfig { kernel: [16, 16], stride: [16, 16], ..Conv2dConfig::default() };
    let x = x.conv2d_with(768, patches).named("conv_proj").image_to_tokens(); // (H·W, D)
    let x = x.class_token().named("class_token"); // (N, D)
    let mut x = x.position_embedding().named("encoder.pos_embedding");
    for layer in 0..12 {
        let name = |part: &str| format!("encoder.layers.encoder_layer_{layer}.{part}");
        let y = x.layer_norm_with(norm).named(name("ln_1"));
        x = x + y.self_attention(12).named(name("self_attention"));
        let y = x.layer_norm_with(norm).named(name("ln_2"));
        let y = y.linear(3072).named(name("mlp.0")).gelu();
        x = x + y.linear(768).named(name("mlp.3"));
    }
    let x = x.layer_norm_with(norm).named("encoder.ln");
    x.slice(0, 0..1).flatten().linear(num_classes).named("heads.head")
}
