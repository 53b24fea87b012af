//! MobileNet v2: M. Sandler, A. Howard, M. Zhu, A. Zhmoginov, L.-C. Chen, "MobileNetV2: Inverted Residuals and Linear
//! Bottlenecks", CVPR 2018, arXiv:1801.04381.
//!
//! Residual blocks turned inside out: narrow between the blocks, wide within, where a depthwise convolution costs little;
//! and no function behind the narrow ends, which would lose what they hold.

use super::config::Settings;
use super::conv_norm::ConvNorm;
use super::published::torchvision;
use super::registry::ModelEntry;
use super::window::Window;
use crate::Result;
use crate::nn::{Activation, Architecture, BatchNormConfig, Initial, Model, Value};

pub(super) const MODELS: &[ModelEntry] = &[ModelEntry {
    name: "mobilenet_v2",
    family: "MobileNet",
    year: 2018,
    paper: "Sandler et al., arXiv:1801.04381",
    defaults: Settings::IMAGENET.with_dropout(0.2),
    smallest: [1, 1],
    stages: &["features.1.conv.2", "features.3", "features.6", "features.13", "features.18"],
    head: &["classifier.1"],
    weights: torchvision::MOBILENET_V2,
    build: mobilenet_v2,
}];

/// Blocks that give images of one size.
#[derive(Debug, Clone, Copy)]
struct Stage {
    /// How many times as many channels there are within a block.
    expansion: usize,
    channels: usize,
    depth: usize,
    /// Of the first block.
    stride: usize,
}

const STAGES: [Stage; 7] = [
    Stage { expansion: 1, channels: 16, depth: 1, stride: 1 },
    Stage { expansion: 6, channels: 24, depth: 2, stride: 2 },
    Stage { expansion: 6, channels: 32, depth: 3, stride: 2 },
    Stage { expansion: 6, channels: 64, depth: 4, stride: 2 },
    Stage { expansion: 6, channels: 96, depth: 3, stride: 1 },
    Stage { expansion: 6, channels: 160, depth: 3, stride: 2 },
    Stage { expansion: 6, channels: 320, depth: 1, stride: 1 },
];

/// A convolution with its norm and, unless it ends a block, its relu.
const CONV: ConvNorm =
    ConvNorm { norm: BatchNormConfig { eps: 1e-5, momentum: 0.1 }, activation: Some(Activation::Relu6) };
const LINEAR: ConvNorm = ConvNorm { activation: None, ..CONV };

fn mobilenet_v2(settings: &Settings) -> Result<Architecture> {
    let dropout = settings.dropout.unwrap_or_default();
    Model::build(settings.image, |x| {
        let mut x = CONV.of(&x, 32, Window::of(3).stride(2), "features.0");
        let (mut channels, mut place) = (32, 0);
        for stage in STAGES {
            for block in 0..stage.depth {
                let stride = if block == 0 { stage.stride } else { 1 };
                place += 1;
                x = inverted_residual(&x, channels, Stage { stride, ..stage }, &format!("features.{place}"));
                channels = stage.channels;
            }
        }
        let x = CONV.of(&x, 1280, Window::of(1), "features.18").named("features.18");
        let x = x.global_avg_pool().dropout(dropout).linear(settings.num_classes).named("classifier.1");
        x.initial("weight", Initial::Normal { std: 0.01 }).initial("bias", Initial::Constant(0.0))
    })
}

/// A block for `channels` coming in.
fn inverted_residual(x: &Value, channels: usize, stage: Stage, name: &str) -> Value {
    let width = channels * stage.expansion;
    let (mut y, mut place) = (x.clone(), 0);
    if stage.expansion > 1 {
        y = CONV.of(&y, width, Window::of(1), &format!("{name}.conv.0"));
        place = 1;
    }
    let depthwise = Window::of(3).stride(stage.stride).groups(width);
    y = CONV.of(&y, width, depthwise, &format!("{name}.conv.{place}"));
    // The last one is not a pair of its own in torchvision's names.
    let names = [1, 2].map(|after| format!("{name}.conv.{}", place + after));
    y = LINEAR.named(&y, stage.channels, Window::of(1), names);
    let adds = stage.stride == 1 && channels == stage.channels;
    (if adds { x + y } else { y }).named(if adds {
        name.into()
    } else {
        format!("{name}.conv.{}", place + 2)
    })
}
