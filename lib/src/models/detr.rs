//! DETR: N. Carion, F. Massa, G. Synnaeve, N. Usunier, A. Kirillov, S. Zagoruyko, "End-to-End Object Detection with
//! Transformers", ECCV 2020, arXiv:2005.12872.
//!
//! A transformer reads the features of an image and gives a fixed number of guesses, each a class or "no object" and a
//! box, all at once; in training each object is matched with one guess, so that no anchors and no suppression of
//! duplicates are needed. The layers have the names of the Hugging Face `transformers` library.

use super::config::Settings;
use super::published;
use super::registry::ModelEntry;
use super::resnet::{self, Body, LastStage, ResNet};
use crate::nn::{Architecture, Conv2dConfig, Fan, Initial, Model, Outputs, SinePositionConfig, Value};
use crate::{Error, Result};

/// A DETR of any size. The default is that of the paper with a ResNet-50, for COCO.
///
/// The outputs are `logits`, raw, (B, `num_queries`, `num_classes` + 1), whose last class is "no object", and `boxes`,
/// (B, `num_queries`, 4): centre x and y, width and height in fractions of the image. In training the guesses of each
/// decoder layer but the last are outputs too, `aux_0.logits`, `aux_0.boxes` and so on.
///
/// ```
/// use sconce::models::DetrConfig;
/// use sconce::prelude::*;
///
/// let config = DetrConfig { num_classes: 3, ..DetrConfig::small([3, 64, 64]) };
/// let net = config.architecture()?.init(Seed(1), &Device::Cpu)?;
/// let images = Tensor::zeros((2, 3, 64, 64), DType::F32, &Device::Cpu)?;
/// let outputs = net.forward_outputs(&images, Mode::Eval)?;
/// assert_eq!(outputs.get("logits")?.dims(), [2, 20, 4]);
/// assert_eq!(outputs.get("boxes")?.dims(), [2, 20, 4]);
/// # Ok::<(), sconce::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct DetrConfig {
    /// The number of classes, without "no object".
    pub num_classes: usize,
    /// [C, H, W] of the images that shapes are shown for; the model takes any height and width.
    pub image: [usize; 3],
    /// What makes features of images.
    pub backbone: DetrBackbone,
    /// D, numbers of a token: a multiple of `num_heads` and of 4.
    pub embed_dim: usize,
    /// The equal parts of D that attend by themselves.
    pub num_heads: usize,
    /// Layers that read the features.
    pub encoder_layers: usize,
    /// Layers that make the guesses, at least one.
    pub decoder_layers: usize,
    /// Numbers between the two linear layers of each transformer layer.
    pub feedforward_dim: usize,
    /// How many guesses there are for an image: clearly more than it has objects.
    pub num_queries: usize,
    /// The share of the values that dropout sets to 0, in `[0, 1)`.
    pub dropout: f64,
}

/// What makes features of images for a [`DetrConfig`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DetrBackbone {
    /// ResNet-50 with batch norms that are not trained: H / 32 × W / 32 tokens. Start it from published weights.
    ResNet50,
    /// ResNet-50 whose last stage has windows with gaps, DC5: H / 16 × W / 16 tokens, better with small objects.
    ResNet50Dilated,
    /// ResNet-101, else as [`DetrBackbone::ResNet50`].
    ResNet101,
    /// ResNet-101, else as [`DetrBackbone::ResNet50Dilated`].
    ResNet101Dilated,
    /// A small residual network to train from scratch: a stage for each of these numbers of channels, each half as high
    /// and wide as the one before, with batch norms that are trained.
    Small(Vec<usize>),
}

impl Default for DetrConfig {
    /// As in the paper, with ResNet-50.
    fn default() -> DetrConfig {
        DetrConfig {
            num_classes: 91,
            image: [3, 800, 1066],
            backbone: DetrBackbone::ResNet50,
            embed_dim: 256,
            num_heads: 8,
            encoder_layers: 6,
            decoder_layers: 6,
            feedforward_dim: 2048,
            num_queries: 100,
            dropout: 0.1,
        }
    }
}

const ENTRY: ModelEntry = ModelEntry {
    name: "detr_resnet50",
    family: "DETR",
    year: 2020,
    paper: "Carion et al., arXiv:2005.12872",
    defaults: Settings { num_classes: 91, image: [3, 800, 1066], ..Settings::IMAGENET.with_dropout(0.1) },
    smallest: [1, 1],
    stages: &[
        "model.backbone.model.layer1",
        "model.backbone.model.layer2",
        "model.backbone.model.layer3",
        "model.backbone.model.layer4",
    ],
    head: &["class_labels_classifier"],
    weights: published::detr::RESNET50,
    build: |settings| DetrConfig::default().with(settings),
};

pub(super) const MODELS: &[ModelEntry] = &[
    ModelEntry {
        name: "detr_small",
        defaults: Settings { num_classes: 3, image: [3, 64, 64], ..Settings::IMAGENET.with_dropout(0.0) },
        stages: &["model.backbone.stage1", "model.backbone.stage2", "model.backbone.stage3"],
        weights: &[],
        build: |settings| DetrConfig::small(settings.image).with(settings),
        ..ENTRY
    },
    ENTRY,
    ModelEntry {
        name: "detr_resnet50_dc5",
        weights: published::detr::RESNET50_DC5,
        build: |settings| of(DetrBackbone::ResNet50Dilated).with(settings),
        ..ENTRY
    },
    ModelEntry {
        name: "detr_resnet101",
        weights: published::detr::RESNET101,
        build: |settings| of(DetrBackbone::ResNet101).with(settings),
        ..ENTRY
    },
    ModelEntry {
        name: "detr_resnet101_dc5",
        weights: published::detr::RESNET101_DC5,
        build: |settings| of(DetrBackbone::ResNet101Dilated).with(settings),
        ..ENTRY
    },
];

fn of(backbone: DetrBackbone) -> DetrConfig {
    DetrConfig { backbone, ..DetrConfig::default() }
}

impl DetrConfig {
    /// One that trains from scratch in minutes, for images of `image` = [C, H, W] with a few simple objects: a token for
    /// each 8 × 8 pixels, 20 queries, no dropout.
    #[must_use]
    pub fn small(image: [usize; 3]) -> DetrConfig {
        DetrConfig {
            num_classes: 3,
            image,
            backbone: DetrBackbone::Small(vec![32, 64, 128]),
            embed_dim: 128,
            num_heads: 4,
            encoder_layers: 2,
            decoder_layers: 3,
            feedforward_dim: 256,
            num_queries: 20,
            dropout: 0.0,
        }
    }

    fn with(self, settings: &Settings) -> Result<Architecture> {
        let (num_classes, image) = (settings.num_classes, settings.image);
        let dropout = settings.dropout.unwrap_or(self.dropout);
        DetrConfig { num_classes, image, dropout, ..self }.architecture()
    }

    /// The model without weights.
    ///
    /// # Errors
    /// If a number is 0 that must not be, `embed_dim` does not fit, or the images are too small.
    pub fn architecture(&self) -> Result<Architecture> {
        let refused = |what: &str, hint: &str| Error::Argument {
            op: "DetrConfig".into(),
            expected: format!("at least 1 of {what}"),
            got: "0".into(),
            hint: hint.into(),
        };
        if self.num_classes == 0 {
            return Err(refused("num_classes", "\"No object\" is not counted."));
        }
        if self.decoder_layers == 0 {
            return Err(refused("decoder_layers", "The last one's guesses are the output."));
        }
        if matches!(&self.backbone, DetrBackbone::Small(stages) if stages.is_empty()) {
            return Err(refused("the backbone's stages", "Say the channels of each stage."));
        }
        Model::build_outputs(self.image, |x| {
            let features = self.backbone.features(&x); // (C, H / s, W / s)
            let projection = Conv2dConfig { kernel: [1, 1], ..Conv2dConfig::default() };
            let x = features.conv2d_with(self.embed_dim, projection).named("model.input_projection");
            let sine = SinePositionConfig { embed_dim: self.embed_dim, ..SinePositionConfig::default() };
            let position = x.sine_position_embedding(sine).image_to_tokens(); // (N, D)
            let memory = self.encoder(&x.image_to_tokens(), &position);
            let (last, earlier) = self.decoder(&memory, &position);
            self.heads(&last, &earlier)
        })
    }

    /// Tokens that know of each other. Keeps the shape, (N, D).
    fn encoder(&self, x: &Value, position: &Value) -> Value {
        let mut x = x.clone();
        for layer in 0..self.encoder_layers {
            let name = format!("model.encoder.layers.{layer}");
            let placed = &x + position;
            let y = self.attention(&placed, &placed, &x, &format!("{name}.self_attn"));
            x = self.add(&x, &y).layer_norm().named(format!("{name}.self_attn_layer_norm"));
            x = self.feedforward(&x, &name);
        }
        x
    }

    /// What the last layer makes of the queries, (Q, D), with what it finds in `memory` (N, D); and what those before it
    /// make.
    fn decoder(&self, memory: &Value, position: &Value) -> (Value, Vec<Value>) {
        let dims = [self.num_queries, self.embed_dim];
        let queries = memory.queries(dims).named("model.query_position_embeddings");
        let key = memory + position;
        // The guesses start as nothing; the queries are their places.
        let mut x = queries.scale(0.0);
        let mut earlier = Vec::new();
        for layer in 0..self.decoder_layers {
            if layer > 0 {
                earlier.push(x.clone());
            }
            let name = format!("model.decoder.layers.{layer}");
            let placed = &x + &queries;
            let y = self.attention(&placed, &placed, &x, &format!("{name}.self_attn"));
            x = self.add(&x, &y).layer_norm().named(format!("{name}.self_attn_layer_norm"));
            let y = self.attention(&(&x + &queries), &key, memory, &format!("{name}.encoder_attn"));
            x = self.add(&x, &y).layer_norm().named(format!("{name}.encoder_attn_layer_norm"));
            x = self.feedforward(&x, &name);
        }
        (x, earlier)
    }

    /// The guesses of the last decoder layer, and of the earlier ones with the same heads.
    fn heads(&self, last: &Value, earlier: &[Value]) -> Outputs {
        let head = |x: &Value, layer: &dyn Fn(Value, &str) -> Value| {
            let x = layer(x.layer_norm(), "model.decoder.layernorm");
            let logits = layer(x.linear(self.num_classes + 1), "class_labels_classifier");
            let hidden = layer(x.linear(self.embed_dim), "bbox_predictor.layers.0").relu();
            let hidden = layer(hidden.linear(self.embed_dim), "bbox_predictor.layers.1").relu();
            (logits, layer(hidden.linear(4), "bbox_predictor.layers.2").sigmoid())
        };
        let (logits, boxes) = head(last, &|x, name| x.named(name));
        let mut outputs = Outputs::new("logits", logits).output("boxes", boxes);
        for (index, x) in earlier.iter().enumerate() {
            let (logits, boxes) = head(x, &|x, name| x.shares(name));
            outputs = outputs.training(format!("aux_{index}.logits"), logits);
            outputs = outputs.training(format!("aux_{index}.boxes"), boxes);
        }
        outputs
    }

    /// Multi-head attention. Queries (N, D), keys and values (M, D) give (N, D).
    fn attention(&self, query: &Value, key: &Value, value: &Value, name: &str) -> Value {
        let project = |x: &Value, part: &str| {
            let x = x.linear(self.embed_dim).named(format!("{name}.{part}_proj"));
            xavier(&x).initial("bias", Initial::Constant(0.0))
        };
        let (query, key, value) = (project(query, "q"), project(key, "k"), project(value, "v"));
        project(&query.scaled_dot_product_attention(&key, &value, self.num_heads).named(name), "o")
    }

    /// Two linear layers for each token by itself, beside what came in, and a norm. Keeps the shape, (N, D).
    fn feedforward(&self, x: &Value, name: &str) -> Value {
        let y = xavier(&x.linear(self.feedforward_dim).named(format!("{name}.mlp.fc1"))).relu();
        let y = xavier(&self.dropped(y).linear(self.embed_dim).named(format!("{name}.mlp.fc2")));
        self.add(x, &y).layer_norm().named(format!("{name}.final_layer_norm"))
    }

    fn add(&self, x: &Value, y: &Value) -> Value {
        x + self.dropped(y.clone())
    }

    fn dropped(&self, x: Value) -> Value {
        if self.dropout > 0.0 { x.dropout(self.dropout) } else { x }
    }
}

/// All matrices of the transformer start so.
fn xavier(x: &Value) -> Value {
    x.initial("weight", Initial::XavierUniform)
}

impl DetrBackbone {
    /// The last features, (C, H / s, W / s).
    fn features(&self, x: &Value) -> Value {
        let resnet = |resnet: ResNet, last_stage: LastStage| {
            let norm = |x: &Value| x.batch_norm().frozen();
            let [.., last] = resnet.body(x, Body { prefix: "model.backbone.model.", norm, last_stage });
            last
        };
        match self {
            DetrBackbone::ResNet50 => resnet(resnet::RESNET50, LastStage::Strides),
            DetrBackbone::ResNet50Dilated => resnet(resnet::RESNET50, LastStage::Dilates),
            DetrBackbone::ResNet101 => resnet(resnet::RESNET101, LastStage::Strides),
            DetrBackbone::ResNet101Dilated => resnet(resnet::RESNET101, LastStage::Dilates),
            DetrBackbone::Small(stages) => small(x, stages),
        }
    }
}

/// For each stage a convolution in steps of 2 pixels and a residual block.
fn small(x: &Value, stages: &[usize]) -> Value {
    let part = |x: &Value, channels: usize, stride: usize, name: &str| {
        let config =
            Conv2dConfig { stride: [stride; 2], padding: 1.into(), bias: false, ..Conv2dConfig::default() };
        let x = x.conv2d_with(channels, config).named(format!("{name}.conv"));
        x.initial("weight", Initial::KaimingNormal(Fan::Out)).batch_norm().named(format!("{name}.norm"))
    };
    let mut x = x.clone();
    for (index, &channels) in stages.iter().enumerate() {
        let name = format!("model.backbone.stage{}", index + 1);
        let y = part(&x, channels, 2, &format!("{name}.0")).relu();
        let inner = part(&y, channels, 1, &format!("{name}.1")).relu();
        x = (part(&inner, channels, 1, &format!("{name}.2")) + y).relu().named(name);
    }
    x
}
