//! GoogLeNet: C. Szegedy et al., "Going Deeper with Convolutions", CVPR 2015, arXiv:1409.4842.
//!
//! The first network of Inception blocks: windows of several sizes beside each other, each after a 1 × 1 convolution that
//! keeps it cheap. Two auxiliary heads help in training; the paper adds their losses with a factor of 0.3. As in
//! torchvision there are batch norms, and the 5 × 5 windows are 3 × 3.

use super::config::Settings;
use super::inception::Conv;
use super::published::torchvision;
use super::registry::ModelEntry;
use crate::Result;
use crate::nn::{Architecture, Initial, Model, Outputs, Pool2dConfig, Rounding, Value};

pub(super) const MODELS: &[ModelEntry] = &[ModelEntry {
    name: "googlenet",
    family: "GoogLeNet",
    year: 2014,
    paper: "Szegedy et al., arXiv:1409.4842",
    defaults: Settings::IMAGENET.with_dropout(0.2),
    smallest: [31, 31],
    stages: &["inception3b", "inception4e", "inception5b"],
    head: &["fc", "aux1.fc2", "aux2.fc2"],
    weights: torchvision::GOOGLENET,
    build: googlenet,
}];

/// Channels of a block's four branches: the 1 × 1 window's, before and of the two 3 × 3 windows, and the pool's.
struct Block {
    one: usize,
    three: [usize; 2],
    five: [usize; 2],
    pool: usize,
}

fn googlenet(settings: &Settings) -> Result<Architecture> {
    Model::build_outputs(settings.image, |x| {
        let dropout = settings.dropout.unwrap_or_default();
        let x = conv(7).stride(2).apply(&x, 64, "conv1").max_pool2d_with(pool(3)).named("maxpool1");
        let x = conv(1).apply(&x, 64, "conv2");
        let x = conv(3).apply(&x, 192, "conv3").max_pool2d_with(pool(3)).named("maxpool2");
        let x = Block { one: 64, three: [96, 128], five: [16, 32], pool: 32 }.apply(&x, "inception3a");
        let x = Block { one: 128, three: [128, 192], five: [32, 96], pool: 64 }.apply(&x, "inception3b");
        let x = x.max_pool2d_with(pool(3)).named("maxpool3");
        let x = Block { one: 192, three: [96, 208], five: [16, 48], pool: 64 }.apply(&x, "inception4a");
        let aux1 = auxiliary(&x, settings.num_classes, "aux1");
        let x = Block { one: 160, three: [112, 224], five: [24, 64], pool: 64 }.apply(&x, "inception4b");
        let x = Block { one: 128, three: [128, 256], five: [24, 64], pool: 64 }.apply(&x, "inception4c");
        let x = Block { one: 112, three: [144, 288], five: [32, 64], pool: 64 }.apply(&x, "inception4d");
        let aux2 = auxiliary(&x, settings.num_classes, "aux2");
        let x = Block { one: 256, three: [160, 320], five: [32, 128], pool: 128 }.apply(&x, "inception4e");
        let x = x.max_pool2d_with(pool(2)).named("maxpool4");
        let x = Block { one: 256, three: [160, 320], five: [32, 128], pool: 128 }.apply(&x, "inception5a");
        let x = Block { one: 384, three: [192, 384], five: [48, 128], pool: 128 }.apply(&x, "inception5b");
        let logits = linear(&x.global_avg_pool().dropout(dropout), settings.num_classes, "fc");
        Outputs::new("logits", logits).training("aux1", aux1).training("aux2", aux2)
    })
}

const STD: f64 = 0.01;

fn conv(kernel: usize) -> Conv {
    Conv::of(kernel).starting(STD)
}

fn linear(x: &Value, out_features: usize, name: &str) -> Value {
    let initial = Initial::TruncatedNormal { std: STD, bound: 2.0 };
    x.linear(out_features).named(name).initial("weight", initial)
}

/// Halves height and width, rounded up.
fn pool(kernel: usize) -> Pool2dConfig {
    Pool2dConfig { kernel: [kernel; 2], stride: [2, 2], rounding: Rounding::Ceil, ..Pool2dConfig::default() }
}

impl Block {
    fn apply(&self, x: &Value, name: &str) -> Value {
        let Block { one, three, five, pool } = self;
        let pair = |[before, channels]: [usize; 2], branch: &str| {
            let x = conv(1).apply(x, before, &format!("{name}.{branch}.0"));
            conv(3).apply(&x, channels, &format!("{name}.{branch}.1"))
        };
        let same =
            Pool2dConfig { kernel: [3, 3], stride: [1, 1], padding: 1.into(), rounding: Rounding::Ceil };
        let a = conv(1).apply(x, *one, &format!("{name}.branch1"));
        let (b, c) = (pair(*three, "branch2"), pair(*five, "branch3"));
        let d = conv(1).apply(&x.max_pool2d_with(same), *pool, &format!("{name}.branch4.1"));
        a.concat(&[&b, &c, &d], 0).named(name)
    }
}

/// Logits from half way, for training.
fn auxiliary(x: &Value, num_classes: usize, name: &str) -> Value {
    let x = conv(1).apply(&x.adaptive_avg_pool2d([4, 4]), 128, &format!("{name}.conv"));
    let x = linear(&x.flatten(), 1024, &format!("{name}.fc1")).relu().dropout(0.7);
    linear(&x, num_classes, &format!("{name}.fc2"))
}
