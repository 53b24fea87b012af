//! Vision Transformer: A. Dosovitskiy et al., "An Image is Worth 16x16 Words: Transformers for Image Recognition at Scale",
//! ICLR 2021, arXiv:2010.11929.
//!
//! An image is a sentence whose words are square patches: a transformer's encoder reads them, and a token of its own
//! gathers what the classes need. The tiny and small ones have the sizes of DeiT (arXiv:2012.12877).

use super::config::Settings;
use super::published::torchvision;
use super::registry::ModelEntry;
use crate::Result;
use crate::nn::{Architecture, Conv2dConfig, Initial, LayerNormConfig, Model, Value};

/// What sets the networks apart.
#[derive(Debug, Clone, Copy)]
pub(super) struct ViT {
    /// The sides of a patch, in pixels.
    pub(super) patch: usize,
    pub(super) layers: usize,
    pub(super) num_heads: usize,
    /// D, numbers of a token.
    pub(super) embed_dim: usize,
}

const TINY: ViT = ViT { patch: 16, layers: 12, num_heads: 3, embed_dim: 192 };
const SMALL: ViT = ViT { num_heads: 6, embed_dim: 384, ..TINY };
pub(super) const BASE: ViT = ViT { num_heads: 12, embed_dim: 768, ..TINY };
const LARGE: ViT = ViT { layers: 24, num_heads: 16, embed_dim: 1024, ..TINY };

const ENTRY: ModelEntry = ModelEntry {
    name: "vit_b_16",
    family: "ViT",
    year: 2020,
    paper: "Dosovitskiy et al., arXiv:2010.11929",
    defaults: Settings::IMAGENET.with_dropout(0.0),
    smallest: [16, 16],
    stages: &LAYERS_12,
    head: &["heads.head"],
    weights: torchvision::VIT_B_16,
    build: |settings| BASE.classifier(settings),
};

pub(super) const MODELS: &[ModelEntry] = &[
    ModelEntry { name: "vit_ti_16", weights: &[], build: |settings| TINY.classifier(settings), ..ENTRY },
    ModelEntry {
        name: "vit_ti_32",
        smallest: [32, 32],
        weights: &[],
        build: |settings| ViT { patch: 32, ..TINY }.classifier(settings),
        ..ENTRY
    },
    ModelEntry { name: "vit_s_16", weights: &[], build: |settings| SMALL.classifier(settings), ..ENTRY },
    ModelEntry {
        name: "vit_s_32",
        smallest: [32, 32],
        weights: &[],
        build: |settings| ViT { patch: 32, ..SMALL }.classifier(settings),
        ..ENTRY
    },
    ENTRY,
    ModelEntry {
        name: "vit_b_32",
        smallest: [32, 32],
        weights: torchvision::VIT_B_32,
        build: |settings| ViT { patch: 32, ..BASE }.classifier(settings),
        ..ENTRY
    },
    ModelEntry {
        name: "vit_l_16",
        stages: &LAYERS_24,
        weights: torchvision::VIT_L_16,
        build: |settings| LARGE.classifier(settings),
        ..ENTRY
    },
    ModelEntry {
        name: "vit_l_32",
        smallest: [32, 32],
        stages: &LAYERS_24,
        weights: torchvision::VIT_L_32,
        build: |settings| ViT { patch: 32, ..LARGE }.classifier(settings),
        ..ENTRY
    },
];

impl ViT {
    fn classifier(self, settings: &Settings) -> Result<Architecture> {
        settings.check_multiple_of("a ViT", self.patch)?;
        Model::build(settings.image, |x| {
            let patches =
                Conv2dConfig { kernel: [self.patch; 2], stride: [self.patch; 2], ..Conv2dConfig::default() };
            let x = x.conv2d_with(self.embed_dim, patches).named("conv_proj"); // (D, H, W) in patches
            let std = (1.0 / (settings.image[0] * self.patch * self.patch) as f64).sqrt();
            let x = x.initial("weight", Initial::TruncatedNormal { std, bound: 2.0 });
            let x = x.initial("bias", ZERO);
            self.encoder(&x, settings)
        })
    }

    /// From the embedded patches (D, H, W) to the logits.
    pub(super) fn encoder(self, x: &Value, settings: &Settings) -> Value {
        let dropout = settings.dropout.unwrap_or_default();
        let x = x.image_to_tokens().class_token().named("class_token"); // (1 + H·W, D)
        let mut x = x.position_embedding().named("encoder.pos_embedding");
        if dropout > 0.0 {
            x = x.dropout(dropout);
        }
        for layer in 0..self.layers {
            x = self.layer(&x, &format!("encoder.layers.encoder_layer_{layer}"), dropout);
        }
        let x = x.layer_norm_with(NORM).named("encoder.ln");
        let class_token = x.slice(0, 0..1).flatten(); // (D)
        let x = class_token.linear(settings.num_classes).named("heads.head");
        x.initial("weight", ZERO).initial("bias", ZERO)
    }

    /// Attention, then a network of two layers, each beside what came in. Keeps the shape, (N, D).
    fn layer(self, x: &Value, name: &str, dropout: f64) -> Value {
        let dropped = |x: Value| if dropout > 0.0 { x.dropout(dropout) } else { x };
        let y = x.layer_norm_with(NORM).named(format!("{name}.ln_1"));
        let y = y.self_attention(self.num_heads).named(format!("{name}.self_attention"));
        let x = x + dropped(y);
        let y = x.layer_norm_with(NORM).named(format!("{name}.ln_2"));
        let dense = |x: &Value, features: usize| {
            let x = x.linear(features).initial("weight", Initial::XavierUniform);
            x.initial("bias", Initial::Normal { std: 1e-6 })
        };
        let y = dense(&y, 4 * self.embed_dim).named(format!("{name}.mlp.0"));
        let y = dense(&dropped(y.gelu()), self.embed_dim).named(format!("{name}.mlp.3"));
        (x + dropped(y)).named(name)
    }
}

const NORM: LayerNormConfig = LayerNormConfig { eps: 1e-6 };
const ZERO: Initial = Initial::Constant(0.0);

const LAYERS_12: [&str; 12] = [
    "encoder.layers.encoder_layer_0",
    "encoder.layers.encoder_layer_1",
    "encoder.layers.encoder_layer_2",
    "encoder.layers.encoder_layer_3",
    "encoder.layers.encoder_layer_4",
    "encoder.layers.encoder_layer_5",
    "encoder.layers.encoder_layer_6",
    "encoder.layers.encoder_layer_7",
    "encoder.layers.encoder_layer_8",
    "encoder.layers.encoder_layer_9",
    "encoder.layers.encoder_layer_10",
    "encoder.layers.encoder_layer_11",
];

const LAYERS_24: [&str; 24] = [
    "encoder.layers.encoder_layer_0",
    "encoder.layers.encoder_layer_1",
    "encoder.layers.encoder_layer_2",
    "encoder.layers.encoder_layer_3",
    "encoder.layers.encoder_layer_4",
    "encoder.layers.encoder_layer_5",
    "encoder.layers.encoder_layer_6",
    "encoder.layers.encoder_layer_7",
    "encoder.layers.encoder_layer_8",
    "encoder.layers.encoder_layer_9",
    "encoder.layers.encoder_layer_10",
    "encoder.layers.encoder_layer_11",
    "encoder.layers.encoder_layer_12",
    "encoder.layers.encoder_layer_13",
    "encoder.layers.encoder_layer_14",
    "encoder.layers.encoder_layer_15",
    "encoder.layers.encoder_layer_16",
    "encoder.layers.encoder_layer_17",
    "encoder.layers.encoder_layer_18",
    "encoder.layers.encoder_layer_19",
    "encoder.layers.encoder_layer_20",
    "encoder.layers.encoder_layer_21",
    "encoder.layers.encoder_layer_22",
    "encoder.layers.encoder_layer_23",
];
