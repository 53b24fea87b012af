//! U-Net: O. Ronneberger, P. Fischer, T. Brox, "U-Net: Convolutional Networks for Biomedical Image Segmentation", MICCAI
//! 2015, arXiv:1505.04597.
//!
//! What an image shows is worked out on its way down to few pixels, where it is on its way back up, with the fine features
//! of the way down beside it: a class for every pixel. As is usual today the convolutions are padded and have batch norms.

use super::config::Settings;
use super::registry::ModelEntry;
use super::window::Window;
use crate::Result;
use crate::nn::{Architecture, Corners, Fan, Initial, Interpolation, Model, Value};

const ENTRY: ModelEntry = ModelEntry {
    name: "unet",
    family: "U-Net",
    year: 2015,
    paper: "Ronneberger et al., arXiv:1505.04597",
    defaults: Settings { num_classes: 2, image: [3, 256, 256], ..Settings::IMAGENET },
    smallest: [16, 16],
    stages: &["down1", "down2", "down3", "down4", "bottom"],
    head: &["head"],
    weights: &[],
    build: |settings| unet(settings, 64),
};

pub(super) const MODELS: &[ModelEntry] = &[
    ModelEntry {
        name: "unet_small",
        defaults: Settings { image: [3, 64, 64], ..ENTRY.defaults },
        build: |settings| unet(settings, 16),
        ..ENTRY
    },
    ENTRY,
];

/// `channels` at full size, twice as many with each halving. The output is (classes, H, W), raw logits.
fn unet(settings: &Settings, channels: usize) -> Result<Architecture> {
    Model::build(settings.image, |x| {
        let mut x = x;
        let mut passed = Vec::new();
        for level in 1..=4 {
            let fine =
                twice(&x, channels << (level - 1), &format!("down{level}")).named(format!("down{level}"));
            x = fine.max_pool2d(2);
            passed.push((level, fine));
        }
        x = twice(&x, channels << 4, "bottom").named("bottom");
        for (level, fine) in passed.into_iter().rev() {
            let name = format!("up{level}");
            // Of any size: what a pool has left out at an edge comes back.
            let up = x.interpolate_like(&fine, Interpolation::Bilinear(Corners::Edges));
            let up = conv(&up, channels << (level - 1), &format!("{name}.0"));
            x = twice(&fine.concat(&[&up], 0), channels << (level - 1), &name).named(name);
        }
        x.conv2d(settings.num_classes, 1).named("head")
    })
}

/// Two convolutions, called 1 and 2 below `name`.
fn twice(x: &Value, channels: usize, name: &str) -> Value {
    conv(&conv(x, channels, &format!("{name}.1")), channels, &format!("{name}.2"))
}

fn conv(x: &Value, channels: usize, name: &str) -> Value {
    let x = x.conv2d_with(channels, Window::of(3).conv_before_norm()).named(format!("{name}.conv"));
    x.initial("weight", Initial::KaimingNormal(Fan::Out)).batch_norm().named(format!("{name}.norm")).relu()
}
