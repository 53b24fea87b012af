//! Inception v3: C. Szegedy, V. Vanhoucke, S. Ioffe, J. Shlens, Z. Wojna, "Rethinking the Inception Architecture for
//! Computer Vision", CVPR 2016, arXiv:1512.00567.
//!
//! Each block looks at what came in through windows of several sizes at once, and large windows are factored into small
//! ones and into rows and columns. In training an auxiliary head half way classifies too, whose loss is added with a
//! factor of 0.3 or 0.4.

use super::config::Settings;
use super::published::torchvision;
use super::registry::ModelEntry;
use crate::Result;
use crate::nn::{
    Architecture, AvgPool2dConfig, BatchNormConfig, Conv2dConfig, Initial, Model, Outputs, Padding,
    Pool2dConfig, Value,
};

pub(super) const MODELS: &[ModelEntry] = &[ModelEntry {
    name: "inception_v3",
    family: "Inception",
    year: 2015,
    paper: "Szegedy et al., arXiv:1512.00567",
    defaults: Settings { image: [3, 299, 299], ..Settings::IMAGENET.with_dropout(0.5) },
    // The auxiliary head's window needs 5 × 5 pixels after its pool.
    smallest: [299, 299],
    stages: &["Mixed_5d", "Mixed_6e", "Mixed_7c"],
    head: &["fc", "AuxLogits.fc"],
    weights: torchvision::INCEPTION_V3,
    build: inception_v3,
}];

fn inception_v3(settings: &Settings) -> Result<Architecture> {
    Model::build_outputs(settings.image, |x| {
        let stem = |x: &Value, channels: usize, window: Conv, name: &str| window.apply(x, channels, name);
        let x = stem(&x, 32, Conv::of(3).stride(2).valid(), "Conv2d_1a_3x3");
        let x = stem(&x, 32, Conv::of(3).valid(), "Conv2d_2a_3x3");
        let x = stem(&x, 64, Conv::of(3), "Conv2d_2b_3x3").max_pool2d_with(SHRINK).named("maxpool1");
        let x = stem(&x, 80, Conv::of(1), "Conv2d_3b_1x1");
        let x = stem(&x, 192, Conv::of(3).valid(), "Conv2d_4a_3x3").max_pool2d_with(SHRINK).named("maxpool2");
        let x = narrow(&x, 32, "Mixed_5b"); // (256, 35, 35)
        let x = narrow(&x, 64, "Mixed_5c"); // (288, 35, 35)
        let x = narrow(&x, 64, "Mixed_5d");
        let x = shrink_to_17(&x, "Mixed_6a"); // (768, 17, 17)
        let x = long(&x, 128, "Mixed_6b");
        let x = long(&x, 160, "Mixed_6c");
        let x = long(&x, 160, "Mixed_6d");
        let x = long(&x, 192, "Mixed_6e");
        let auxiliary = auxiliary(&x, settings.num_classes);
        let x = shrink_to_8(&x, "Mixed_7a"); // (1280, 8, 8)
        let x = wide(&x, "Mixed_7b"); // (2048, 8, 8)
        let x = wide(&x, "Mixed_7c");
        let x = x.global_avg_pool().dropout(settings.dropout.unwrap_or_default());
        let logits = x.linear(settings.num_classes).named("fc").initial("weight", normal(0.1));
        Outputs::new("logits", logits).training("aux", auxiliary)
    })
}

/// Halves height and width, nearly.
const SHRINK: Pool2dConfig = Pool2dConfig {
    kernel: [3, 3],
    stride: [2, 2],
    padding: Padding { top: 0, bottom: 0, left: 0, right: 0 },
    rounding: crate::nn::Rounding::Floor,
};

/// As torchvision's initialisation has it: cut off at 2, whatever the deviation.
fn normal(std: f64) -> Initial {
    Initial::TruncatedNormal { std, bound: 2.0 }
}

/// A convolution with the batch norm and the rectified linear unit behind it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Conv {
    kernel: [usize; 2],
    stride: usize,
    padded: bool,
    std: f64,
}

impl Conv {
    /// A square window, padded so that the image keeps its size.
    pub(super) fn of(kernel: usize) -> Conv {
        Conv::sides([kernel; 2])
    }

    /// A window of height and width `kernel`.
    fn sides(kernel: [usize; 2]) -> Conv {
        Conv { kernel, stride: 1, padded: true, std: 0.1 }
    }

    pub(super) fn stride(self, stride: usize) -> Conv {
        Conv { stride, ..self }
    }

    /// Not padded.
    fn valid(self) -> Conv {
        Conv { padded: false, ..self }
    }

    /// With another deviation of the weights before training.
    pub(super) fn starting(self, std: f64) -> Conv {
        Conv { std, ..self }
    }

    pub(super) fn apply(self, x: &Value, channels: usize, name: &str) -> Value {
        let padding = if self.padded { self.kernel.map(|side| side / 2) } else { [0, 0] };
        let config = Conv2dConfig {
            kernel: self.kernel,
            stride: [self.stride; 2],
            padding: padding.into(),
            bias: false,
            ..Conv2dConfig::default()
        };
        let x = x.conv2d_with(channels, config).named(format!("{name}.conv"));
        let norm = BatchNormConfig { eps: 1e-3, ..BatchNormConfig::default() };
        x.initial("weight", normal(self.std)).batch_norm_with(norm).named(format!("{name}.bn")).relu()
    }
}

/// Windows one after the other, each with its channels and its name below `name`.
fn chain(x: &Value, name: &str, parts: &[(usize, Conv, &str)]) -> Value {
    let mut x = x.clone();
    for &(channels, conv, part) in parts {
        x = conv.apply(&x, channels, &format!("{name}.{part}"));
    }
    x
}

/// The mean of each 3 × 3 square, the padding counted, and a 1 × 1 convolution.
fn pooled(x: &Value, channels: usize, name: &str) -> Value {
    let window = Pool2dConfig { stride: [1, 1], padding: 1.into(), ..SHRINK };
    let x = x.avg_pool2d_with(AvgPool2dConfig { window, ..AvgPool2dConfig::default() });
    Conv::of(1).apply(&x, channels, &format!("{name}.branch_pool"))
}

fn narrow(x: &Value, pool_channels: usize, name: &str) -> Value {
    let a = Conv::of(1).apply(x, 64, &format!("{name}.branch1x1"));
    let b = chain(x, name, &[(48, Conv::of(1), "branch5x5_1"), (64, Conv::of(5), "branch5x5_2")]);
    let c = chain(
        x,
        name,
        &[
            (64, Conv::of(1), "branch3x3dbl_1"),
            (96, Conv::of(3), "branch3x3dbl_2"),
            (96, Conv::of(3), "branch3x3dbl_3"),
        ],
    );
    a.concat(&[&b, &c, &pooled(x, pool_channels, name)], 0).named(name)
}

fn shrink_to_17(x: &Value, name: &str) -> Value {
    let halving = Conv::of(3).stride(2).valid();
    let a = halving.apply(x, 384, &format!("{name}.branch3x3"));
    let b = chain(
        x,
        name,
        &[
            (64, Conv::of(1), "branch3x3dbl_1"),
            (96, Conv::of(3), "branch3x3dbl_2"),
            (96, halving, "branch3x3dbl_3"),
        ],
    );
    a.concat(&[&b, &x.max_pool2d_with(SHRINK)], 0).named(name)
}

/// Windows of 7 × 7, each as a row and a column, through `channels`.
fn long(x: &Value, channels: usize, name: &str) -> Value {
    let (row, column) = (Conv::sides([1, 7]), Conv::sides([7, 1]));
    let a = Conv::of(1).apply(x, 192, &format!("{name}.branch1x1"));
    let b = chain(
        x,
        name,
        &[
            (channels, Conv::of(1), "branch7x7_1"),
            (channels, row, "branch7x7_2"),
            (192, column, "branch7x7_3"),
        ],
    );
    let c = chain(
        x,
        name,
        &[
            (channels, Conv::of(1), "branch7x7dbl_1"),
            (channels, column, "branch7x7dbl_2"),
            (channels, row, "branch7x7dbl_3"),
            (channels, column, "branch7x7dbl_4"),
            (192, row, "branch7x7dbl_5"),
        ],
    );
    a.concat(&[&b, &c, &pooled(x, 192, name)], 0).named(name)
}

fn shrink_to_8(x: &Value, name: &str) -> Value {
    let halving = Conv::of(3).stride(2).valid();
    let a = chain(x, name, &[(192, Conv::of(1), "branch3x3_1"), (320, halving, "branch3x3_2")]);
    let b = chain(
        x,
        name,
        &[
            (192, Conv::of(1), "branch7x7x3_1"),
            (192, Conv::sides([1, 7]), "branch7x7x3_2"),
            (192, Conv::sides([7, 1]), "branch7x7x3_3"),
            (192, halving, "branch7x7x3_4"),
        ],
    );
    a.concat(&[&b, &x.max_pool2d_with(SHRINK)], 0).named(name)
}

/// Rows and columns beside each other, not one after the other.
fn wide(x: &Value, name: &str) -> Value {
    let beside = |x: &Value, row: &str, column: &str| {
        let row = Conv::sides([1, 3]).apply(x, 384, &format!("{name}.{row}"));
        row.concat(&[&Conv::sides([3, 1]).apply(x, 384, &format!("{name}.{column}"))], 0)
    };
    let a = Conv::of(1).apply(x, 320, &format!("{name}.branch1x1"));
    let b = Conv::of(1).apply(x, 384, &format!("{name}.branch3x3_1"));
    let b = beside(&b, "branch3x3_2a", "branch3x3_2b");
    let c = chain(x, name, &[(448, Conv::of(1), "branch3x3dbl_1"), (384, Conv::of(3), "branch3x3dbl_2")]);
    let c = beside(&c, "branch3x3dbl_3a", "branch3x3dbl_3b");
    a.concat(&[&b, &c, &pooled(x, 192, name)], 0).named(name)
}

/// Logits from half way, for training.
fn auxiliary(x: &Value, num_classes: usize) -> Value {
    let window = Pool2dConfig { kernel: [5, 5], stride: [3, 3], ..Pool2dConfig::default() };
    let x = x.avg_pool2d_with(AvgPool2dConfig { window, ..AvgPool2dConfig::default() });
    let x = Conv::of(1).apply(&x, 128, "AuxLogits.conv0");
    let x = Conv::of(5).valid().starting(0.01).apply(&x, 768, "AuxLogits.conv1");
    x.global_avg_pool().linear(num_classes).named("AuxLogits.fc").initial("weight", normal(0.001))
}
