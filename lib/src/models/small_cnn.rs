//! A first network for photographs, as tutorials have it: two convolutions, each with a relu and a pool that halves the
//! image, and a dense layer over all that is left. Nearly all of its weights stand in that last layer, which is what
//! larger networks learnt to avoid.

use super::config::Settings;
use super::registry::ModelEntry;
use crate::Result;
use crate::nn::{Architecture, Model};

pub(super) const MODELS: &[ModelEntry] = &[ModelEntry {
    name: "small_cnn",
    family: "Small CNN",
    year: 2023,
    paper: "a tutorial's first network, no paper",
    defaults: Settings { num_classes: 10, ..Settings::IMAGENET },
    smallest: [4, 4],
    stages: &["2", "5"],
    head: &["7"],
    weights: &[],
    build: small_cnn,
}];

/// The names are the layers' places in a row, as PyTorch's `Sequential` gives them.
fn small_cnn(settings: &Settings) -> Result<Architecture> {
    Model::build(settings.image, |x| {
        let x = x.conv2d(64, 3).named("0").relu().max_pool2d(2).named("2");
        let x = x.conv2d(128, 3).named("3").relu().max_pool2d(2).named("5");
        x.flatten().linear(settings.num_classes).named("7")
    })
}
