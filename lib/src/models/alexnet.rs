//! AlexNet: A. Krizhevsky, I. Sutskever, G. Hinton, "ImageNet Classification with Deep Convolutional Neural Networks",
//! NeurIPS 2012; in the form of "One weird trick for parallelizing convolutional neural networks", arXiv:1404.5997, as in
//! torchvision.
//!
//! The network that showed that convolutions, learnt from a million images, see better than features made by hand: relu
//! instead of functions that saturate, dropout in its large dense layers.

use super::config::Settings;
use super::published::torchvision;
use super::registry::ModelEntry;
use super::window::Window;
use crate::Result;
use crate::nn::{Architecture, Conv2dConfig, Model, Pool2dConfig, Value};

pub(super) const MODELS: &[ModelEntry] = &[ModelEntry {
    name: "alexnet",
    family: "AlexNet",
    year: 2012,
    paper: "Krizhevsky, arXiv:1404.5997",
    defaults: Settings::IMAGENET.with_dropout(0.5),
    smallest: [63, 63],
    stages: &["features.2", "features.5", "features.12"],
    head: &["classifier.6"],
    weights: torchvision::ALEXNET,
    build: alexnet,
}];

/// Dense and convolutional layers start as PyTorch's do.
fn alexnet(settings: &Settings) -> Result<Architecture> {
    let dropout = settings.dropout.unwrap_or_default();
    Model::build(settings.image, |x| {
        let x = features(&x); // (256, H / 32 - 1, W / 32 - 1), about
        let x = x.adaptive_avg_pool2d([6, 6]).flatten().dropout(dropout);
        let x = x.linear(4096).named("classifier.1").relu().dropout(dropout);
        let x = x.linear(4096).named("classifier.4").relu();
        x.linear(settings.num_classes).named("classifier.6")
    })
}

fn features(x: &Value) -> Value {
    let first =
        Conv2dConfig { kernel: [11, 11], stride: [4, 4], padding: 2.into(), ..Conv2dConfig::default() };
    let pool = Pool2dConfig { kernel: [3, 3], stride: [2, 2], ..Pool2dConfig::default() };
    let x = x.conv2d_with(64, first).named("features.0").relu();
    let x = x.max_pool2d_with(pool).named("features.2");
    let x = x.conv2d_with(192, Window::of(5).conv()).named("features.3").relu();
    let x = x.max_pool2d_with(pool).named("features.5");
    let x = x.conv2d(384, 3).named("features.6").relu();
    let x = x.conv2d(256, 3).named("features.8").relu();
    let x = x.conv2d(256, 3).named("features.10").relu();
    x.max_pool2d_with(pool).named("features.12")
}
