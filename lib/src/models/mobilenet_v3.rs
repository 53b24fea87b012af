//! MobileNet v3: A. Howard et al., "Searching for MobileNetV3", ICCV 2019, arXiv:1905.02244.
//!
//! The blocks of MobileNet v2 with squeeze and excitation, in sizes that a search found for phones, and with functions
//! that cost little there.

use super::config::Settings;
use super::conv_norm::ConvNorm;
use super::published::torchvision;
use super::registry::ModelEntry;
use super::squeeze::Squeeze;
use super::window::Window;
use crate::Result;
use crate::nn::{Activation, Architecture, BatchNormConfig, Initial, Model, Value};

const ENTRY: ModelEntry = ModelEntry {
    name: "mobilenet_v3_large",
    family: "MobileNet",
    year: 2019,
    paper: "Howard et al., arXiv:1905.02244",
    defaults: Settings::IMAGENET.with_dropout(0.2),
    smallest: [1, 1],
    stages: &["features.1", "features.3", "features.6", "features.12.block.3.1", "features.16"],
    head: &["classifier.3"],
    weights: torchvision::MOBILENET_V3_LARGE,
    build: |settings| mobilenet_v3(&LARGE, 1280, settings),
};

pub(super) const MODELS: &[ModelEntry] = &[
    ENTRY,
    ModelEntry {
        name: "mobilenet_v3_small",
        stages: &["features.1.block.2.1", "features.3", "features.8", "features.12"],
        weights: torchvision::MOBILENET_V3_SMALL,
        build: |settings| mobilenet_v3(&SMALL, 1024, settings),
        ..ENTRY
    },
];

#[derive(Debug, Clone, Copy)]
struct Block {
    kernel: usize,
    /// Channels within.
    width: usize,
    /// Channels that go out.
    channels: usize,
    squeeze: Squeezes,
    activation: Activation,
    stride: usize,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Squeezes {
    Yes,
    No,
}

const fn block(
    [kernel, stride]: [usize; 2],
    [width, channels]: [usize; 2],
    squeeze: Squeezes,
    activation: Activation,
) -> Block {
    Block { kernel, width, channels, squeeze, activation, stride }
}

use Activation::{Hardswish, Relu};
use Squeezes::{No, Yes};

const LARGE: [Block; 15] = [
    block([3, 1], [16, 16], No, Relu),
    block([3, 2], [64, 24], No, Relu),
    block([3, 1], [72, 24], No, Relu),
    block([5, 2], [72, 40], Yes, Relu),
    block([5, 1], [120, 40], Yes, Relu),
    block([5, 1], [120, 40], Yes, Relu),
    block([3, 2], [240, 80], No, Hardswish),
    block([3, 1], [200, 80], No, Hardswish),
    block([3, 1], [184, 80], No, Hardswish),
    block([3, 1], [184, 80], No, Hardswish),
    block([3, 1], [480, 112], Yes, Hardswish),
    block([3, 1], [672, 112], Yes, Hardswish),
    block([5, 2], [672, 160], Yes, Hardswish),
    block([5, 1], [960, 160], Yes, Hardswish),
    block([5, 1], [960, 160], Yes, Hardswish),
];

const SMALL: [Block; 11] = [
    block([3, 2], [16, 16], Yes, Relu),
    block([3, 2], [72, 24], No, Relu),
    block([3, 1], [88, 24], No, Relu),
    block([5, 2], [96, 40], Yes, Hardswish),
    block([5, 1], [240, 40], Yes, Hardswish),
    block([5, 1], [240, 40], Yes, Hardswish),
    block([5, 1], [120, 48], Yes, Hardswish),
    block([5, 1], [144, 48], Yes, Hardswish),
    block([5, 2], [288, 96], Yes, Hardswish),
    block([5, 1], [576, 96], Yes, Hardswish),
    block([5, 1], [576, 96], Yes, Hardswish),
];

/// A convolution with its norm, as the network's first and last have it.
const CONV: ConvNorm =
    ConvNorm { norm: BatchNormConfig { eps: 1e-3, momentum: 0.01 }, activation: Some(Hardswish) };

/// `features` are those of the dense layer before the last.
fn mobilenet_v3(blocks: &[Block], features: usize, settings: &Settings) -> Result<Architecture> {
    let dropout = settings.dropout.unwrap_or_default();
    let dense =
        |x: Value| x.initial("weight", Initial::Normal { std: 0.01 }).initial("bias", Initial::Constant(0.0));
    Model::build(settings.image, |x| {
        let mut x = CONV.of(&x, 16, Window::of(3).stride(2), "features.0");
        let (mut channels, mut place) = (16, 0);
        for block in blocks {
            place += 1;
            x = inverted_residual(&x, channels, *block, &format!("features.{place}"));
            channels = block.channels;
        }
        let last = format!("features.{}", place + 1);
        let x = CONV.of(&x, 6 * channels, Window::of(1), &last).named(last);
        let x = dense(x.global_avg_pool().linear(features).named("classifier.0"));
        let x = x.activation(Hardswish).dropout(dropout);
        dense(x.linear(settings.num_classes).named("classifier.3"))
    })
}

/// A block for `channels` coming in.
fn inverted_residual(x: &Value, channels: usize, block: Block, name: &str) -> Value {
    let conv = ConvNorm { activation: Some(block.activation), ..CONV };
    let (mut y, mut place) = (x.clone(), 0);
    if block.width != channels {
        y = conv.of(&y, block.width, Window::of(1), &format!("{name}.block.0"));
        place = 1;
    }
    let depthwise = Window::of(block.kernel).stride(block.stride).groups(block.width);
    y = conv.of(&y, block.width, depthwise, &format!("{name}.block.{place}"));
    if block.squeeze == Yes {
        place += 1;
        let squeeze = Squeeze {
            channels: block.width,
            into: divisible_by_8(block.width / 4),
            activation: Relu,
            gate: Activation::Hardsigmoid,
        };
        y = squeeze.of(&y, &format!("{name}.block.{place}"));
    }
    let linear = ConvNorm { activation: None, ..CONV };
    y = linear.of(&y, block.channels, Window::of(1), &format!("{name}.block.{}", place + 1));
    if block.stride == 1 && channels == block.channels { (x + y).named(name) } else { y }
}

/// The nearest multiple of 8, but not less than nine tenths.
fn divisible_by_8(channels: usize) -> usize {
    let nearest = ((channels + 4) / 8 * 8).max(8);
    if 10 * nearest < 9 * channels { nearest + 8 } else { nearest }
}
