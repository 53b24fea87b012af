//! ResNet: K. He, X. Zhang, S. Ren, J. Sun, "Deep Residual Learning for Image Recognition", CVPR 2016, arXiv:1512.03385.
//!
//! Each block adds what it has learnt to what came in, so that gradients reach the first layer of a network of any depth.
//! ResNeXt (arXiv:1611.05431) cuts the block's convolution into groups, Wide ResNet (arXiv:1605.07146) gives it more
//! channels. As in torchvision, the stride stands in the 3 × 3 convolution of a bottleneck, not in the 1 × 1 before it.

use super::config::Settings;
use super::published::torchvision;
use super::registry::ModelEntry;
use super::window::Window;
use crate::Result;
use crate::nn::{Architecture, Fan, Initial, Model, Value};

/// What convolutions start as, so that gradients keep their size (He et al. 2015).
const START: Initial = Initial::KaimingNormal(Fan::Out);

/// What sets the networks apart.
#[derive(Debug, Clone, Copy)]
pub(super) struct ResNet<const STAGES: usize = 4> {
    pub(super) block: Block,
    /// Blocks of each stage.
    pub(super) depths: [usize; STAGES],
    /// Of the first stage; each later one has twice as many.
    pub(super) channels: usize,
    /// Of the 3 × 3 convolution of a bottleneck.
    pub(super) groups: usize,
    /// Channels of each group where a plain bottleneck has 64 in all.
    pub(super) width_per_group: usize,
    pub(super) stem: Stem,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Block {
    /// Two 3 × 3 convolutions.
    Basic,
    /// A 3 × 3 convolution between two of 1 × 1, the second of which has four times the channels.
    Bottleneck,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Stem {
    /// A 7 × 7 convolution and a pool, together in steps of 4 pixels.
    Large,
    /// A 3 × 3 convolution on each pixel, for small images.
    Small,
}

/// How a body stands in the model around it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Body<'a> {
    /// What the names of its layers begin with: empty, or a path with its dot.
    pub(super) prefix: &'a str,
    pub(super) norm: fn(&Value) -> Value,
    pub(super) last_stage: LastStage,
}

/// What the last stage does where it begins.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum LastStage {
    /// Halves height and width.
    Strides,
    /// Keeps them, with windows that have gaps instead: features of twice the resolution (DETR's DC5).
    Dilates,
}

impl Default for Body<'_> {
    /// As the classification networks have it.
    fn default() -> Self {
        Body { prefix: "", norm: Value::batch_norm, last_stage: LastStage::Strides }
    }
}

pub(super) const RESNET18: ResNet = ResNet {
    block: Block::Basic,
    depths: [2, 2, 2, 2],
    channels: 64,
    groups: 1,
    width_per_group: 64,
    stem: Stem::Large,
};
const RESNET34: ResNet = ResNet { depths: [3, 4, 6, 3], ..RESNET18 };
pub(super) const RESNET50: ResNet = ResNet { block: Block::Bottleneck, ..RESNET34 };
pub(super) const RESNET101: ResNet = ResNet { depths: [3, 4, 23, 3], ..RESNET50 };
const RESNET152: ResNet = ResNet { depths: [3, 8, 36, 3], ..RESNET50 };

const ENTRY: ModelEntry = ModelEntry {
    name: "resnet18",
    family: "ResNet",
    year: 2015,
    paper: "He et al., arXiv:1512.03385",
    defaults: Settings::IMAGENET,
    smallest: [1, 1],
    stages: &["layer1", "layer2", "layer3", "layer4"],
    head: &["fc"],
    weights: torchvision::RESNET18,
    build: |settings| RESNET18.classifier(settings),
};

pub(super) const MODELS: &[ModelEntry] = &[
    ENTRY,
    ModelEntry {
        name: "resnet34",
        weights: torchvision::RESNET34,
        build: |settings| RESNET34.classifier(settings),
        ..ENTRY
    },
    ModelEntry {
        name: "resnet50",
        weights: torchvision::RESNET50,
        build: |settings| RESNET50.classifier(settings),
        ..ENTRY
    },
    ModelEntry {
        name: "resnet101",
        weights: torchvision::RESNET101,
        build: |settings| RESNET101.classifier(settings),
        ..ENTRY
    },
    ModelEntry {
        name: "resnet152",
        weights: torchvision::RESNET152,
        build: |settings| RESNET152.classifier(settings),
        ..ENTRY
    },
    ModelEntry {
        name: "resnext50_32x4d",
        family: "ResNeXt",
        year: 2016,
        paper: "Xie et al., arXiv:1611.05431",
        weights: torchvision::RESNEXT50_32X4D,
        build: |settings| ResNet { groups: 32, width_per_group: 4, ..RESNET50 }.classifier(settings),
        ..ENTRY
    },
    ModelEntry {
        name: "wide_resnet50_2",
        family: "Wide ResNet",
        year: 2016,
        paper: "Zagoruyko and Komodakis, arXiv:1605.07146",
        weights: torchvision::WIDE_RESNET50_2,
        build: |settings| ResNet { width_per_group: 128, ..RESNET50 }.classifier(settings),
        ..ENTRY
    },
];

impl<const STAGES: usize> ResNet<STAGES> {
    pub(super) fn classifier(self, settings: &Settings) -> Result<Architecture> {
        Model::build(settings.image, |x| {
            let x = self.body(&x, Body::default()).into_iter().next_back().unwrap_or(x);
            x.global_avg_pool().linear(settings.num_classes).named("fc")
        })
    }

    /// The features of the stages, those of each half as high and wide as those before it; of the fourth (C, H / 32, W /
    /// 32) behind the large stem.
    pub(super) fn body(self, x: &Value, body: Body) -> [Value; STAGES] {
        let mut x = self.stem(x, body);
        let mut stage = 0;
        self.depths.map(|depth| {
            stage += 1;
            x = self.stage(&x, stage, depth, body);
            x.clone()
        })
    }

    fn stem(self, x: &Value, body: Body) -> Value {
        let Body { prefix, norm, .. } = body;
        let window = match self.stem {
            Stem::Large => Window::of(7).stride(2),
            Stem::Small => Window::of(3),
        };
        let x = x.conv2d_with(self.channels, window.conv_before_norm()).named(format!("{prefix}conv1"));
        let x = x.initial("weight", START);
        let x = norm(&x).named(format!("{prefix}bn1")).relu();
        match self.stem {
            Stem::Large => {
                x.max_pool2d_with(Window::of(3).stride(2).pool()).named(format!("{prefix}maxpool"))
            }
            Stem::Small => x,
        }
    }

    /// The stage of this number, from 1, of `depth` blocks. The first block of all but the first stage halves height and
    /// width.
    fn stage(self, x: &Value, stage: usize, depth: usize, body: Body) -> Value {
        let channels = self.channels << (stage - 1);
        let halves = stage > 1;
        let dilates = stage == STAGES && body.last_stage == LastStage::Dilates;
        let mut x = x.clone();
        for block in 0..depth {
            let window = match (block, halves, dilates) {
                (0, true, false) => Window::of(3).stride(2),
                (0, ..) | (_, _, false) => Window::of(3),
                (_, _, true) => Window::of(3).dilation(2),
            };
            let name = format!("{}layer{stage}.{block}", body.prefix);
            let shortcut = if block > 0 { Shortcut::Plain } else { Shortcut::projected(self.block, stage) };
            x = self.residual(&x, channels, window, shortcut, &name, body.norm);
            let stage_name = format!("{}layer{stage}", body.prefix);
            x = x.named(if block + 1 == depth { stage_name } else { name });
        }
        x
    }

    /// What a block has learnt, added to what came in. `window` is that of its 3 × 3 convolution.
    fn residual(
        self,
        x: &Value,
        channels: usize,
        window: Window,
        shortcut: Shortcut,
        name: &str,
        norm: fn(&Value) -> Value,
    ) -> Value {
        let part = |x: &Value, channels: usize, window: Window, index: usize| {
            let x = x.conv2d_with(channels, window.conv_before_norm()).named(format!("{name}.conv{index}"));
            norm(&x.initial("weight", START)).named(format!("{name}.bn{index}"))
        };
        let (y, out_channels) = match self.block {
            Block::Basic => {
                let y = part(x, channels, window, 1).relu();
                (part(&y, channels, Window::of(3), 2), channels)
            }
            Block::Bottleneck => {
                let width = channels * self.width_per_group / 64 * self.groups;
                let y = part(x, width, Window::of(1), 1).relu();
                let y = part(&y, width, window.groups(self.groups), 2).relu();
                (part(&y, 4 * channels, Window::of(1), 3), 4 * channels)
            }
        };
        let x = match shortcut {
            Shortcut::Plain => x.clone(),
            Shortcut::Projected => {
                let window = Window::of(1).stride(window.stride).conv_before_norm();
                let x = x.conv2d_with(out_channels, window).named(format!("{name}.downsample.0"));
                norm(&x.initial("weight", START)).named(format!("{name}.downsample.1"))
            }
        };
        (x + y).relu()
    }
}

/// How what came in reaches the sum.
#[derive(Debug, Clone, Copy)]
enum Shortcut {
    Plain,
    /// By a 1 × 1 convolution, where the block changes channels or size.
    Projected,
}

impl Shortcut {
    /// That of the first block of a stage.
    fn projected(block: Block, stage: usize) -> Shortcut {
        match (block, stage) {
            (Block::Basic, 1) => Shortcut::Plain,
            _ => Shortcut::Projected,
        }
    }
}
