//! ResNet and Vision Transformer in one: A. Dosovitskiy et al., "An Image is Worth 16x16 Words: Transformers for Image
//! Recognition at Scale", ICLR 2021, arXiv:2010.11929, section 3.1 and appendix B.1.
//!
//! The words of the sentence are not patches of pixels but what a ResNet has made of them: its fourth stage is left out and
//! its third is longer instead, which leaves features of 1 / 16 of the image's size; norms are over groups of channels. The
//! paper's convolutions have standardized weights, those here are plain ones.

use super::config::Settings;
use super::registry::ModelEntry;
use super::resnet::{Block, Body, ResNet, Stem};
use super::vit::{BASE, ViT};
use super::window::Window;
use crate::Result;
use crate::nn::{Architecture, Initial, Model, Value};

const STEM: ResNet<3> = ResNet {
    block: Block::Bottleneck,
    depths: [3, 4, 9],
    channels: 64,
    groups: 1,
    width_per_group: 64,
    stem: Stem::Large,
};

pub(super) const MODELS: &[ModelEntry] = &[ModelEntry {
    name: "vit_r50_b_16",
    family: "ViT hybrid",
    year: 2020,
    paper: "Dosovitskiy et al., arXiv:2010.11929",
    defaults: Settings::IMAGENET.with_dropout(0.0),
    smallest: [1, 1],
    stages: &["backbone.layer1", "backbone.layer2", "backbone.layer3", "encoder.layers.encoder_layer_11"],
    head: &["heads.head"],
    weights: &[],
    build: |settings| hybrid(BASE, settings),
}];

fn hybrid(vit: ViT, settings: &Settings) -> Result<Architecture> {
    Model::build(settings.image, |x| {
        let body = Body { prefix: "backbone.", norm: |x: &Value| x.group_norm(32), ..Body::default() };
        let [.., features] = STEM.body(&x, body); // (1024, H / 16, W / 16)
        let x = features.conv2d_with(vit.embed_dim, Window::of(1).conv()).named("conv_proj");
        let std = (1.0 / 1024.0_f64).sqrt();
        let x = x.initial("weight", Initial::TruncatedNormal { std, bound: 2.0 });
        vit.encoder(&x.initial("bias", Initial::Constant(0.0)), settings)
    })
}
