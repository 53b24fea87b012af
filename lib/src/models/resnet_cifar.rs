//! ResNet for CIFAR: K. He, X. Zhang, S. Ren, J. Sun, "Deep Residual Learning for Image Recognition", CVPR 2016,
//! arXiv:1512.03385, section 4.2.
//!
//! Narrow and deep networks for small images: 6 n + 2 layers, in three stages of n blocks on 32, 16 and 8 pixels, with 16,
//! 32 and 64 channels. Where a block changes the size, the paper's shortcut leaves pixels out and fills the new channels
//! with zeros (its option A); here it is a 1 × 1 convolution (option B), as in the larger networks.

use super::config::Settings;
use super::registry::ModelEntry;
use super::resnet::{Block, RESNET18, ResNet, Stem};

const RESNET20: ResNet<3> = ResNet {
    block: Block::Basic,
    depths: [3, 3, 3],
    channels: 16,
    groups: 1,
    width_per_group: 64,
    stem: Stem::Small,
};

const ENTRY: ModelEntry = ModelEntry {
    name: "resnet20",
    family: "ResNet for CIFAR",
    year: 2015,
    paper: "He et al., arXiv:1512.03385",
    defaults: Settings { num_classes: 10, image: [3, 32, 32], ..Settings::IMAGENET },
    smallest: [1, 1],
    stages: &["layer1", "layer2", "layer3"],
    head: &["fc"],
    weights: &[],
    build: |settings| RESNET20.classifier(settings),
};

pub(super) const MODELS: &[ModelEntry] = &[
    ENTRY,
    ModelEntry {
        name: "resnet32",
        build: |settings| ResNet { depths: [5, 5, 5], ..RESNET20 }.classifier(settings),
        ..ENTRY
    },
    ModelEntry {
        name: "resnet44",
        build: |settings| ResNet { depths: [7, 7, 7], ..RESNET20 }.classifier(settings),
        ..ENTRY
    },
    ModelEntry {
        name: "resnet56",
        build: |settings| ResNet { depths: [9, 9, 9], ..RESNET20 }.classifier(settings),
        ..ENTRY
    },
    // The ImageNet network with another stem, as is usual in comparisons on CIFAR.
    ModelEntry {
        name: "resnet18_cifar",
        stages: &["layer1", "layer2", "layer3", "layer4"],
        build: |settings| ResNet { stem: Stem::Small, ..RESNET18 }.classifier(settings),
        ..ENTRY
    },
];
