//! CoAtNet: Z. Dai, H. Liu, Q. Le, M. Tan, "CoAtNet: Marrying Convolution and Attention for All Data Sizes", NeurIPS 2021,
//! arXiv:2106.04803.
//!
//! Convolutions first, attention on what they leave: a bias for how far apart two pixels are gives attention what makes
//! convolutions generalize. The names are those of timm, whose form of the smallest network this is.

use super::config::Settings;
use super::registry::ModelEntry;
use super::squeeze::Squeeze;
use super::window::Window;
use crate::Result;
use crate::nn::{Activation, Architecture, Initial, LayerNormConfig, Model, Value};

pub(super) const MODELS: &[ModelEntry] = &[ModelEntry {
    name: "coatnet_0",
    family: "CoAtNet",
    year: 2021,
    paper: "Dai et al., arXiv:2106.04803",
    defaults: Settings::IMAGENET.with_dropout(0.0).with_stochastic_depth(0.2),
    smallest: [32, 32],
    stages: &["stages.0.blocks.1", "stages.1.blocks.2", "stages.2.blocks.4", "stages.3.blocks.1"],
    head: &["head.fc"],
    weights: &[],
    build: coatnet_0,
}];

/// Channels and blocks of the four stages; the first two have convolutions, the others attention.
const STAGES: [(usize, usize); 4] = [(96, 2), (192, 3), (384, 5), (768, 2)];
const HEAD_FEATURES: usize = 32;
const NORM: LayerNormConfig = LayerNormConfig { eps: 1e-6 };

fn coatnet_0(settings: &Settings) -> Result<Architecture> {
    settings.check_multiple_of("coatnet_0", 32)?;
    let [_, height, width] = settings.image;
    let blocks: usize = STAGES.iter().map(|(_, depth)| depth).sum();
    Model::build(settings.image, |x| {
        let mut x = stem(&x); // (64, H / 2, W / 2)
        let (mut in_channels, mut before) = (64, 0);
        for (stage, (channels, depth)) in STAGES.into_iter().enumerate() {
            let grid = [height, width].map(|side| side >> (stage + 2));
            for index in 0..depth {
                // Later blocks are left out more often.
                let share = before as f64 / (blocks - 1) as f64;
                let block = Block {
                    name: format!("stages.{stage}.blocks.{index}"),
                    in_channels,
                    channels,
                    left_out: share * settings.stochastic_depth.unwrap_or_default(),
                    grid,
                };
                x = if stage < 2 { block.convolution(&x) } else { block.attention(&x) };
                in_channels = channels;
                before += 1;
            }
        }
        head(&x, settings)
    })
}

fn stem(x: &Value) -> Value {
    let x = starting(&x.conv2d_with(64, Window::of(3).stride(2).conv_before_norm()), 9 * 64);
    let x = x.named("stem.conv1").batch_norm().named("stem.norm1").gelu();
    starting(&x.conv2d_with(64, Window::of(3).conv_before_norm()), 9 * 64).named("stem.conv2")
}

fn head(x: &Value, settings: &Settings) -> Value {
    let x = x.adaptive_avg_pool2d([1, 1]).layer_norm2d_with(NORM).named("head.norm").flatten(); // (768)
    let x = x.linear(768).named("head.pre_logits.fc").activation(Activation::Tanh);
    let x = x.dropout(settings.dropout.unwrap_or_default());
    x.linear(settings.num_classes).named("head.fc")
}

struct Block {
    name: String,
    in_channels: usize,
    channels: usize,
    /// The share of the images for which it is left out.
    left_out: f64,
    /// Height and width of its output.
    grid: [usize; 2],
}

impl Block {
    fn part(&self, part: &str) -> String {
        format!("{}.{part}", self.name)
    }

    /// The first of a stage halves height and width.
    fn halves(&self) -> bool {
        self.in_channels != self.channels
    }

    fn halved(&self, x: &Value) -> Value {
        if self.halves() { x.avg_pool2d(2) } else { x.clone() }
    }

    /// What came in, in the shape of what goes out.
    fn shortcut(&self, x: &Value) -> Value {
        match self.halves() {
            true => x.avg_pool2d(2).conv2d(self.channels, 1).named(self.part("shortcut.expand")),
            false => x.clone(),
        }
    }

    fn sometimes(&self, x: Value) -> Value {
        if self.left_out > 0.0 { x.stochastic_depth(self.left_out) } else { x }
    }

    /// A depthwise convolution in four times the channels, with squeeze and excitation.
    fn convolution(&self, x: &Value) -> Value {
        let width = 4 * self.channels;
        let depthwise = Window::of(3).stride(if self.halves() { 2 } else { 1 }).groups(width);
        let y = x.batch_norm().named(self.part("pre_norm"));
        let y = starting(&y.conv2d_with(width, Window::of(1).conv_before_norm()), width);
        let y = y.named(self.part("conv1_1x1")).batch_norm().named(self.part("norm1")).gelu();
        let y = starting(&y.conv2d_with(width, depthwise.conv_before_norm()), 9);
        let y = y.named(self.part("conv2_kxk")).batch_norm().named(self.part("norm2")).gelu();
        let squeeze = Squeeze {
            channels: width,
            into: self.channels / 4,
            activation: Activation::Silu,
            gate: Activation::Sigmoid,
        };
        let y = squeeze.of(&y, &self.part("se")).conv2d(self.channels, 1).named(self.part("conv3_1x1"));
        let y = starting(&y, self.channels).initial("bias", Initial::Constant(0.0));
        let mut x = self.shortcut(x);
        if self.halves() {
            x = starting(&x, self.channels).initial("bias", Initial::Constant(0.0));
        }
        (self.sometimes(y) + x).named(&self.name)
    }

    /// Attention of all pixels to each other, then a network of two layers for each.
    fn attention(&self, x: &Value) -> Value {
        let dense = |x: &Value, channels: usize, part: &str, bias: Initial| {
            let x = x.conv2d(channels, 1).named(self.part(part));
            x.initial("weight", Initial::XavierUniform).initial("bias", bias)
        };
        let (zero, small) = (Initial::Constant(0.0), Initial::Normal { std: 1e-6 });
        let norm1 = self.part(if self.halves() { "norm1.norm" } else { "norm1" });
        let y = self.halved(&x.layer_norm2d_with(NORM).named(norm1));
        let y = dense(&y, 3 * self.channels, "attn.qkv", zero).image_to_tokens(); // (N, 3·D)
        let num_heads = self.channels / HEAD_FEATURES;
        let y = y.relative_attention(num_heads, self.grid).named(self.part("attn.rel_pos"));
        let [height, width] = self.grid;
        let y = y.permute([1, 0]).reshape([self.channels, height, width]); // (D, H, W)
        let y = dense(&y, self.channels, "attn.proj", zero);
        let mut x = self.shortcut(x);
        if self.halves() {
            x = x.initial("weight", Initial::XavierUniform).initial("bias", zero);
        }
        let x = x + self.sometimes(y);
        let y = x.layer_norm2d_with(NORM).named(self.part("norm2"));
        let y = dense(&y, 4 * self.channels, "mlp.fc1", small).gelu();
        let y = dense(&y, self.channels, "mlp.fc2", small);
        (x + self.sometimes(y)).named(&self.name)
    }
}

/// A convolution that starts so that gradients keep their size, with `fan_out` values that one of the input goes to.
fn starting(x: &Value, fan_out: usize) -> Value {
    x.initial("weight", Initial::Normal { std: (2.0 / fan_out as f64).sqrt() })
}
