//! ConvNeXt: Z. Liu et al., "A ConvNet for the 2020s", CVPR 2022, arXiv:2201.03545.
//!
//! A ResNet brought step by step to what made vision transformers good, without attention: patches as a stem, depthwise
//! windows of 7 × 7, one norm and one function a block.

use super::config::Settings;
use super::published::torchvision;
use super::registry::ModelEntry;
use super::window::Window;
use crate::Result;
use crate::nn::{Architecture, Conv2dConfig, Initial, LayerNormConfig, LinearConfig, Model, Value};

pub(super) const MODELS: &[ModelEntry] = &[ModelEntry {
    name: "convnext_tiny",
    family: "ConvNeXt",
    year: 2022,
    paper: "Liu et al., arXiv:2201.03545",
    defaults: Settings::IMAGENET.with_stochastic_depth(0.1),
    smallest: [32, 32],
    stages: &["features.1.2", "features.3.2", "features.5.8", "features.7.2"],
    head: &["classifier.2"],
    weights: torchvision::CONVNEXT_TINY,
    build: |settings| convnext([96, 192, 384, 768], [3, 3, 9, 3], settings),
}];

const NORM: LayerNormConfig = LayerNormConfig { eps: 1e-6 };
/// What the factor of each block's channels starts as.
const LAYER_SCALE: f32 = 1e-6;

/// Channels and blocks of the four stages.
fn convnext(channels: [usize; 4], depths: [usize; 4], settings: &Settings) -> Result<Architecture> {
    let stochastic_depth = settings.stochastic_depth.unwrap_or_default();
    let last = depths.iter().sum::<usize>() - 1;
    Model::build(settings.image, |x| {
        let mut x = x.conv2d_with(channels[0], patches(4)).named("features.0.0");
        x = starting(&x).layer_norm2d_with(NORM).named("features.0.1");
        let mut before = 0;
        for (stage, (channels, depth)) in channels.into_iter().zip(depths).enumerate() {
            if stage > 0 {
                let name = |part: usize| format!("features.{}.{part}", 2 * stage);
                x = x.layer_norm2d_with(NORM).named(name(0));
                x = starting(&x.conv2d_with(channels, patches(2)).named(name(1)));
            }
            for block in 0..depth {
                // Later blocks are left out more often.
                let left_out = stochastic_depth * before as f64 / last as f64;
                x = residual(&x, channels, left_out, &format!("features.{}.{block}", 2 * stage + 1));
                before += 1;
            }
        }
        let x = x.adaptive_avg_pool2d([1, 1]).layer_norm2d_with(NORM).named("classifier.0").flatten();
        starting(&x.linear(settings.num_classes).named("classifier.2"))
    })
}

/// Windows beside each other.
fn patches(side: usize) -> Conv2dConfig {
    Conv2dConfig { kernel: [side; 2], stride: [side; 2], ..Conv2dConfig::default() }
}

/// The layer with the first values that torchvision gives it; its cut at 2 is far out.
fn starting(x: &Value) -> Value {
    let weight = Initial::TruncatedNormal { std: 0.02, bound: 2.0 };
    x.initial("weight", weight).initial("bias", Initial::Constant(0.0))
}

/// What a block has learnt, added to what came in, or left out for this share of the images.
fn residual(x: &Value, channels: usize, left_out: f64, name: &str) -> Value {
    let part = |index: usize| format!("{name}.block.{index}");
    let y = starting(&x.conv2d_with(channels, Window::of(7).groups(channels).conv()).named(part(0)));
    let y = y.permute([1, 2, 0]).layer_norm_with(NORM).named(part(2)); // (H, W, C)
    let y = starting(&y.linear_with(4 * channels, LinearConfig::default()).named(part(3))).gelu();
    let y = starting(&y.linear_with(channels, LinearConfig::default()).named(part(5)));
    let y = y.permute([2, 0, 1]).layer_scale(LAYER_SCALE).named(format!("{name}.layer_scale"));
    let y = if left_out > 0.0 { y.stochastic_depth(left_out) } else { y };
    (x + y).named(name)
}
