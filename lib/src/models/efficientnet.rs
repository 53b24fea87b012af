//! EfficientNet: M. Tan, Q. Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019,
//! arXiv:1905.11946.
//!
//! Depth, width and image size grow together, from a small network that a search found: B0, the one here. Its blocks are
//! those of MobileNet with squeeze and excitation, and some are left out at random in training.

use super::config::Settings;
use super::conv_norm::ConvNorm;
use super::published::torchvision;
use super::registry::ModelEntry;
use super::squeeze::Squeeze;
use super::window::Window;
use crate::Result;
use crate::nn::{Activation, Architecture, BatchNormConfig, Initial, Model, Value};

pub(super) const MODELS: &[ModelEntry] = &[ModelEntry {
    name: "efficientnet_b0",
    family: "EfficientNet",
    year: 2019,
    paper: "Tan and Le, arXiv:1905.11946",
    defaults: Settings::IMAGENET.with_dropout(0.2).with_stochastic_depth(0.2),
    smallest: [1, 1],
    stages: &["features.1.0.block.2.1", "features.2.1", "features.3.1", "features.5.2", "features.8"],
    head: &["classifier.1"],
    weights: torchvision::EFFICIENTNET_B0,
    build: efficientnet_b0,
}];

/// Blocks that give images of one size.
#[derive(Debug, Clone, Copy)]
struct Stage {
    /// How many times as many channels there are within a block.
    expansion: usize,
    kernel: usize,
    /// Of the first block.
    stride: usize,
    channels: usize,
    depth: usize,
}

const STAGES: [Stage; 7] = [
    Stage { expansion: 1, kernel: 3, stride: 1, channels: 16, depth: 1 },
    Stage { expansion: 6, kernel: 3, stride: 2, channels: 24, depth: 2 },
    Stage { expansion: 6, kernel: 5, stride: 2, channels: 40, depth: 2 },
    Stage { expansion: 6, kernel: 3, stride: 2, channels: 80, depth: 3 },
    Stage { expansion: 6, kernel: 5, stride: 1, channels: 112, depth: 3 },
    Stage { expansion: 6, kernel: 5, stride: 2, channels: 192, depth: 4 },
    Stage { expansion: 6, kernel: 3, stride: 1, channels: 320, depth: 1 },
];

/// A convolution with its norm and, unless it ends a block, its function.
const CONV: ConvNorm =
    ConvNorm { norm: BatchNormConfig { eps: 1e-5, momentum: 0.1 }, activation: Some(Activation::Silu) };
const LINEAR: ConvNorm = ConvNorm { activation: None, ..CONV };

fn efficientnet_b0(settings: &Settings) -> Result<Architecture> {
    let dropout = settings.dropout.unwrap_or_default();
    let stochastic_depth = settings.stochastic_depth.unwrap_or_default();
    let blocks: usize = STAGES.iter().map(|stage| stage.depth).sum();
    let bound = 1.0 / (settings.num_classes as f64).sqrt();
    Model::build(settings.image, |x| {
        let mut x = CONV.of(&x, 32, Window::of(3).stride(2), "features.0");
        let (mut channels, mut before) = (32, 0);
        for (stage, place) in STAGES.into_iter().zip(1..) {
            for block in 0..stage.depth {
                let stride = if block == 0 { stage.stride } else { 1 };
                // Later blocks are left out more often.
                let left_out = stochastic_depth * f64::from(before) / blocks as f64;
                let stage = Stage { stride, ..stage };
                x = mb_conv(&x, channels, stage, left_out, &format!("features.{place}.{block}"));
                channels = stage.channels;
                before += 1;
            }
        }
        let x = CONV.of(&x, 1280, Window::of(1), "features.8").named("features.8");
        let x = x.global_avg_pool().dropout(dropout).linear(settings.num_classes).named("classifier.1");
        x.initial("weight", Initial::Uniform { bound }).initial("bias", Initial::Constant(0.0))
    })
}

/// A block for `channels` coming in, left out for this share of the images.
fn mb_conv(x: &Value, channels: usize, stage: Stage, left_out: f64, name: &str) -> Value {
    let width = channels * stage.expansion;
    let (mut y, mut place) = (x.clone(), 0);
    if stage.expansion > 1 {
        y = CONV.of(&y, width, Window::of(1), &format!("{name}.block.0"));
        place = 1;
    }
    let depthwise = Window::of(stage.kernel).stride(stage.stride).groups(width);
    y = CONV.of(&y, width, depthwise, &format!("{name}.block.{place}"));
    let squeeze = Squeeze {
        channels: width,
        into: (channels / 4).max(1),
        activation: Activation::Silu,
        gate: Activation::Sigmoid,
    };
    y = squeeze.of(&y, &format!("{name}.block.{}", place + 1));
    y = LINEAR.of(&y, stage.channels, Window::of(1), &format!("{name}.block.{}", place + 2));
    if stage.stride > 1 || channels != stage.channels {
        return y;
    }
    if left_out > 0.0 {
        y = y.stochastic_depth(left_out);
    }
    (x + y).named(name)
}
