//! VGG: K. Simonyan, A. Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR 2015,
//! arXiv:1409.1556.
//!
//! Small windows only: a stack of 3 × 3 convolutions sees as far as one large window, with fewer weights and more
//! functions between them. The networks differ in how many stand before each pool.

use super::config::Settings;
use super::published::torchvision;
use super::registry::ModelEntry;
use crate::Result;
use crate::nn::{Architecture, Fan, Initial, Model, Value};

/// Convolutions of each of the five stages.
type Depths = [usize; 5];

const VGG11: Depths = [1, 1, 2, 2, 2];
const VGG13: Depths = [2, 2, 2, 2, 2];
const VGG16: Depths = [2, 2, 3, 3, 3];
const VGG19: Depths = [2, 2, 4, 4, 4];

#[derive(Debug, Clone, Copy, PartialEq)]
enum Norm {
    None,
    Batch,
}

const ENTRY: ModelEntry = ModelEntry {
    name: "vgg11",
    family: "VGG",
    year: 2014,
    paper: "Simonyan and Zisserman, arXiv:1409.1556",
    defaults: Settings::IMAGENET.with_dropout(0.5),
    smallest: [32, 32],
    stages: &["stage1", "stage2", "stage3", "stage4", "stage5"],
    head: &["classifier.6"],
    weights: torchvision::VGG11,
    build: |settings| vgg(VGG11, Norm::None, settings),
};

pub(super) const MODELS: &[ModelEntry] = &[
    ENTRY,
    ModelEntry {
        name: "vgg11_bn",
        weights: torchvision::VGG11_BN,
        build: |settings| vgg(VGG11, Norm::Batch, settings),
        ..ENTRY
    },
    ModelEntry {
        name: "vgg13",
        weights: torchvision::VGG13,
        build: |settings| vgg(VGG13, Norm::None, settings),
        ..ENTRY
    },
    ModelEntry {
        name: "vgg13_bn",
        weights: torchvision::VGG13_BN,
        build: |settings| vgg(VGG13, Norm::Batch, settings),
        ..ENTRY
    },
    ModelEntry {
        name: "vgg16",
        weights: torchvision::VGG16,
        build: |settings| vgg(VGG16, Norm::None, settings),
        ..ENTRY
    },
    ModelEntry {
        name: "vgg16_bn",
        weights: torchvision::VGG16_BN,
        build: |settings| vgg(VGG16, Norm::Batch, settings),
        ..ENTRY
    },
    ModelEntry {
        name: "vgg19",
        weights: torchvision::VGG19,
        build: |settings| vgg(VGG19, Norm::None, settings),
        ..ENTRY
    },
    ModelEntry {
        name: "vgg19_bn",
        weights: torchvision::VGG19_BN,
        build: |settings| vgg(VGG19, Norm::Batch, settings),
        ..ENTRY
    },
];

fn vgg(depths: Depths, norm: Norm, settings: &Settings) -> Result<Architecture> {
    let dropout = settings.dropout.unwrap_or_default();
    Model::build(settings.image, |x| {
        let x = features(x, depths, norm); // (512, H / 32, W / 32)
        let x = x.adaptive_avg_pool2d([7, 7]).flatten();
        let start = Initial::Normal { std: 0.01 };
        let dense = |x: &Value, features: usize| {
            x.linear(features).initial("weight", start).initial("bias", Initial::Constant(0.0))
        };
        let x = dense(&x, 4096).named("classifier.0").relu().dropout(dropout);
        let x = dense(&x, 4096).named("classifier.3").relu().dropout(dropout);
        dense(&x, settings.num_classes).named("classifier.6")
    })
}

fn features(mut x: Value, depths: Depths, norm: Norm) -> Value {
    // Torchvision counts all layers of the stages, functions and pools too.
    let mut place = 0;
    for (stage, (depth, channels)) in depths.into_iter().zip([64, 128, 256, 512, 512]).enumerate() {
        for _ in 0..depth {
            x = x.conv2d(channels, 3).named(format!("features.{place}"));
            x = x.initial("weight", Initial::KaimingNormal(Fan::Out));
            x = x.initial("bias", Initial::Constant(0.0));
            if norm == Norm::Batch {
                place += 1;
                x = x.batch_norm().named(format!("features.{place}"));
            }
            x = x.relu();
            place += 2;
        }
        x = x.max_pool2d(2).named(format!("stage{}", stage + 1));
        place += 1;
    }
    x
}
