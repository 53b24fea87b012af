//! FCOS: Z. Tian, C. Shen, H. Chen, T. He, "FCOS: Fully Convolutional One-Stage Object Detection", ICCV 2019,
//! arXiv:1904.01355.
//!
//! Every place of a feature pyramid says of itself which class it lies in, how far it is to the four sides of that object's
//! box, and how near to its centre: detection by convolutions only, without anchors. One head serves all levels.

use super::config::Settings;
use super::fpn::pyramid;
use super::published::torchvision;
use super::registry::ModelEntry;
use super::resnet::{self, Body};
use super::window::Window;
use crate::nn::{Architecture, Initial, Model, Outputs, Value};
use crate::ops::shape_text;
use crate::{Error, Result};

/// An FCOS on the pyramid of a ResNet, as torchvision has it; the default is that with ResNet-50, for COCO.
///
/// The outputs have a row for each place of each level, fine levels first, row by row ([`FcosConfig::places`]): `logits`,
/// raw, (B, N, `num_classes`), each class by itself (sigmoid); `distances`, (B, N, 4), to the left, upper, right and lower
/// side of the box, at least 0, in strides of the level; `centerness`, raw, (B, N, 1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FcosConfig {
    /// The number of classes; COCO's 91 count a background that is never used.
    pub num_classes: usize,
    /// [C, H, W] of the images that shapes are shown for; the model takes any height and width.
    pub image: [usize; 3],
    /// What makes features of images.
    pub backbone: FcosBackbone,
    /// Channels of the pyramid and the heads, a multiple of 32.
    pub channels: usize,
    /// 3 × 3 convolutions of each head before its outputs.
    pub head_layers: usize,
}

/// What makes features of images for an [`FcosConfig`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FcosBackbone {
    /// ResNet-18 with batch norms that are trained, to begin from scratch.
    ResNet18,
    /// ResNet-50 with batch norms that are not trained. Start it from published weights.
    ResNet50,
}

impl Default for FcosConfig {
    /// As torchvision has it, with ResNet-50.
    fn default() -> FcosConfig {
        FcosConfig {
            num_classes: 91,
            image: [3, 800, 1066],
            backbone: FcosBackbone::ResNet50,
            channels: 256,
            head_layers: 4,
        }
    }
}

const ENTRY: ModelEntry = ModelEntry {
    name: "fcos_resnet50_fpn",
    family: "FCOS",
    year: 2019,
    paper: "Tian et al., arXiv:1904.01355",
    defaults: Settings { num_classes: 91, image: [3, 800, 1066], ..Settings::IMAGENET },
    smallest: [1, 1],
    stages: &["backbone.body.layer1", "backbone.body.layer2", "backbone.body.layer3", "backbone.body.layer4"],
    head: &["head.classification_head.cls_logits"],
    weights: torchvision::FCOS_RESNET50_FPN,
    build: |settings| FcosConfig::default().with(settings),
};

pub(super) const MODELS: &[ModelEntry] = &[
    ModelEntry {
        name: "fcos_resnet18_fpn",
        defaults: Settings { num_classes: 3, image: [3, 64, 64], ..Settings::IMAGENET },
        weights: &[],
        build: |settings| {
            let config = FcosConfig {
                backbone: FcosBackbone::ResNet18,
                channels: 64,
                head_layers: 2,
                ..FcosConfig::default()
            };
            config.with(settings)
        },
        ..ENTRY
    },
    ENTRY,
];

/// A place of the pyramid.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FcosPlace {
    /// The pixel it stands for, from the left.
    pub x: f32,
    /// From above.
    pub y: f32,
    /// Pixels from one place of its level to the next, in which its distances are given.
    pub stride: f32,
}

impl FcosConfig {
    fn with(self, settings: &Settings) -> Result<Architecture> {
        FcosConfig { num_classes: settings.num_classes, image: settings.image, ..self }.architecture()
    }

    /// The model without weights.
    ///
    /// # Errors
    /// If a number is 0 that must not be, or `channels` is no multiple of 32.
    pub fn architecture(&self) -> Result<Architecture> {
        let (resnet, norm): (_, fn(&Value) -> Value) = match self.backbone {
            FcosBackbone::ResNet18 => (resnet::RESNET18, |x| x.batch_norm()),
            FcosBackbone::ResNet50 => (resnet::RESNET50, |x| x.batch_norm().frozen()),
        };
        Model::build_outputs(self.image, |x| {
            let body = Body { prefix: "backbone.body.", norm, ..Body::default() };
            let [_, features @ ..] = resnet.body(&x, body);
            let [p3, p4, p5] = pyramid(&features, self.channels, "backbone.fpn");
            let coarser = |x: &Value, name: &str| {
                let x = x.conv2d_with(self.channels, Window::of(3).stride(2).conv());
                x.named(format!("backbone.fpn.extra_blocks.{name}"))
            };
            let p6 = coarser(&p5, "p6");
            let p7 = coarser(&p6.relu(), "p7");
            self.heads([p3, p4, p5, p6, p7])
        })
    }

    /// The outputs of all levels, one after the other.
    fn heads(&self, levels: [Value; 5]) -> Outputs {
        let tower = |level: usize, x: &Value, name: &str| {
            let mut x = x.clone();
            for layer in 0..self.head_layers {
                let [conv, norm] = [0, 1].map(|part| format!("{name}.conv.{}", 3 * layer + part));
                x = start(&same(level, x.conv2d(self.channels, 3), &conv), level, 0.0);
                x = same(level, x.group_norm(32), &norm).relu();
            }
            x
        };
        let output = |level: usize, x: &Value, channels: usize, name: &str, bias: f32| {
            start(&same(level, x.conv2d(channels, 3), name), level, bias)
        };
        let mut level = 0;
        let levels = levels.map(|x| {
            let classes = tower(level, &x, "head.classification_head");
            let rare = -(99.0_f32).ln(); // Every place starts as an object with a probability of 0.01.
            let name = "head.classification_head.cls_logits";
            let logits = output(level, &classes, self.num_classes, name, rare);
            let boxes = tower(level, &x, "head.regression_head");
            let distances = output(level, &boxes, 4, "head.regression_head.bbox_reg", 0.0).relu();
            let centerness = output(level, &boxes, 1, "head.regression_head.bbox_ctrness", 0.0);
            level += 1;
            [logits, distances, centerness].map(|x| x.image_to_tokens())
        });
        let rows = |kind: usize| {
            let [first, others @ ..] = levels.each_ref().map(|level| &level[kind]);
            first.concat(&others, 0)
        };
        Outputs::new("logits", rows(0)).output("distances", rows(1)).output("centerness", rows(2))
    }

    /// The places that the rows of the outputs belong to, for images of `size` = [H, W]. With the distances
    /// (l, t, r, b) of its row a place's box reaches from `x - l · stride`, `y - t · stride` to `x + r · stride`,
    /// `y + b · stride`.
    ///
    /// # Errors
    /// If `size` has a side of 0.
    pub fn places(size: [usize; 2]) -> Result<Vec<FcosPlace>> {
        if size.contains(&0) {
            return Err(Error::Shape {
                op: "FcosConfig::places".into(),
                expected: "images of at least one pixel".into(),
                got: shape_text(&size),
                hint: String::new(),
            });
        }
        let mut places = Vec::new();
        for level in 3..8_u32 {
            // Each of the halvings rounds up.
            let [rows, columns] = size.map(|side| (0..level).fold(side, |side, _| side.div_ceil(2)));
            let stride = 2_f32.powi(level as i32);
            let row = |row: usize| {
                (0..columns).map(move |column| FcosPlace {
                    x: column as f32 * stride,
                    y: row as f32 * stride,
                    stride,
                })
            };
            places.extend((0..rows).flat_map(row));
        }
        Ok(places)
    }
}

/// The layer called `name` on the first level, the same one on the others.
fn same(level: usize, x: Value, name: &str) -> Value {
    if level == 0 { x.named(name) } else { x.shares(name) }
}

/// What the convolutions of the heads start as.
fn start(x: &Value, level: usize, bias: f32) -> Value {
    if level > 0 {
        return x.clone();
    }
    x.initial("weight", Initial::Normal { std: 0.01 }).initial("bias", Initial::Constant(bias))
}
