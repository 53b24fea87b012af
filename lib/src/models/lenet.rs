//! LeNet: Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-Based Learning Applied to Document Recognition",
//! Proceedings of the IEEE 1998.
//!
//! Windows that are the same everywhere see strokes, pooling makes where they are matter less, and dense layers name the
//! digit. In the form that PyTorch's first tutorial made popular: relu and max pooling, and images in colour.

use super::config::Settings;
use super::registry::ModelEntry;
use crate::Result;
use crate::nn::{Architecture, Conv2dConfig, Model};

pub(super) const MODELS: &[ModelEntry] = &[ModelEntry {
    name: "lenet",
    family: "LeNet",
    year: 1998,
    paper: "LeCun et al., Proceedings of the IEEE 86 (11)",
    defaults: Settings { num_classes: 10, image: [3, 32, 32], ..Settings::IMAGENET },
    smallest: [16, 16],
    stages: &["pool1", "pool2"],
    head: &["fc3"],
    weights: &[],
    build: lenet,
}];

fn lenet(settings: &Settings) -> Result<Architecture> {
    let window = Conv2dConfig { kernel: [5, 5], ..Conv2dConfig::default() };
    Model::build(settings.image, |x| {
        let x = x.conv2d_with(6, window).named("conv1").relu().max_pool2d(2).named("pool1");
        let x = x.conv2d_with(16, window).named("conv2").relu().max_pool2d(2).named("pool2");
        let x = x.flatten().linear(120).named("fc1").relu();
        x.linear(84).named("fc2").relu().linear(settings.num_classes).named("fc3")
    })
}
