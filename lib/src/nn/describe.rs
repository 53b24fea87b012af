//! Operators in words.

use super::config::{TargetSize, WeightPrecision};
use super::graph::{Graph, Node};
use super::operator::Operator;
use crate::ops::{Activation, Corners, Divisor, Interpolation, PadMode, Padding, Sliding, shape_text};

/// A node's operator in a few words, with its inputs where they are not just the line above.
pub(super) fn describe(graph: &Graph, index: usize, node: &Node) -> String {
    let mut text = in_words(&node.operator);
    if let Some(owner) = node.shares.and_then(|owner| graph.nodes.get(owner)) {
        text = format!("{text}, shared with {}", owner.name);
    }
    if node.inputs.iter().all(|&input| input + 1 == index) {
        return text;
    }
    let inputs: Vec<&str> = node.inputs.iter().map(|&input| graph.nodes[input].name.as_str()).collect();
    format!("{text} of {}", inputs.join(", "))
}

/// An operator in a few words.
pub(super) fn in_words(operator: &Operator) -> String {
    let name = operator.name();
    match operator {
        Operator::Conv2d { in_channels, out_channels, config } => {
            let window = window(config.kernel, config.sliding());
            let rest = format!("{}{}{}", groups(config.groups), bias(config.bias), weights(config.weights));
            format!("{name} {in_channels} -> {out_channels}, {window}{rest}")
        }
        Operator::ConvTranspose2d { in_channels, out_channels, config } => {
            let window = window(config.kernel, config.sliding());
            let extra = match config.output_padding {
                [0, 0] => String::new(),
                sizes => format!(", output padding {}", by(sizes)),
            };
            let rest = format!("{}{}", groups(config.groups), bias(config.bias));
            format!("{name} {in_channels} -> {out_channels}, {window}{extra}{rest}")
        }
        Operator::MaxPool2d(config) => format!("{name} {}", window(config.kernel, config.sliding())),
        Operator::AvgPool2d(config) => {
            let divisor = match config.divisor {
                Divisor::WithPadding => "",
                Divisor::PixelsOnly => ", pixels only",
            };
            format!("{name} {}{divisor}", window(config.window.kernel, config.window.sliding()))
        }
        Operator::AdaptiveAvgPool2d { output } => format!("{name} {}", by(*output)),
        Operator::Interpolate { size, interpolation } => {
            let size = match size {
                TargetSize::Pixels(size) => format!("to {}", by(*size)),
                TargetSize::Times([a, b]) if a == b => format!("times {a}"),
                TargetSize::Times(times) => format!("times {}", by(*times)),
                TargetSize::Like => "to the size of the second".into(),
            };
            let how = match interpolation {
                Interpolation::Nearest => "nearest",
                Interpolation::Bilinear(Corners::Edges) => "bilinear",
                Interpolation::Bilinear(Corners::Centres) => "bilinear, corners aligned",
            };
            format!("{name} {size}, {how}")
        }
        Operator::Pad { padding, mode } => {
            let mode = match mode {
                PadMode::Constant(value) => format!("constant {value}"),
                PadMode::Reflect => "reflect".into(),
                PadMode::Replicate => "replicate".into(),
            };
            format!("{name} {padding}, {mode}")
        }
        Operator::Linear { in_features, out_features, config } => {
            let rest = format!("{}{}", bias(config.bias), weights(config.weights));
            format!("{name} {in_features} -> {out_features}{rest}")
        }
        Operator::GroupNorm { config, .. } => format!("{name}{}", groups(config.groups)),
        Operator::ScaledDotProductAttention { num_heads }
        | Operator::MultiHeadAttention { num_heads, .. } => {
            format!("{name}, {num_heads} heads")
        }
        Operator::RelativeAttention { num_heads, grid } => {
            format!("{name}, {num_heads} heads, {}", by(*grid))
        }
        Operator::Dropout { p } | Operator::StochasticDepth { p } => format!("{name} {p}"),
        Operator::Activation(Activation::LeakyRelu { slope }) => format!("{name} {slope}"),
        Operator::Softmax { dim } | Operator::LogSoftmax { dim } | Operator::Concat { dim } => {
            format!("{name} along {dim}")
        }
        Operator::Slice { dim, range } => format!("{name} {range:?} along {dim}"),
        Operator::Mean { dims } => format!("{name} over {}", shape_text(dims)),
        Operator::Permute { order } => format!("{name} {}", shape_text(order)),
        Operator::Scale { factor } => format!("{name} by {factor}"),
        Operator::Map(_) => format!("{name}, code of its own"),
        Operator::Input
        | Operator::BatchNorm { .. }
        | Operator::LayerNorm { .. }
        | Operator::LayerNorm2d { .. }
        | Operator::Activation(_)
        | Operator::GlobalAvgPool
        | Operator::Flatten
        | Operator::ImageToTokens
        | Operator::Reshape { .. }
        | Operator::FakeQuantize { .. }
        | Operator::Add
        | Operator::Multiply
        | Operator::LayerScale { .. }
        | Operator::ClassToken { .. }
        | Operator::PositionEmbedding { .. }
        | Operator::SinePositionEmbedding(_)
        | Operator::Queries { .. } => name.to_owned(),
    }
}

fn by(sizes: [usize; 2]) -> String {
    format!("{} x {}", sizes[0], sizes[1])
}

fn window(kernel: [usize; 2], sliding: Sliding) -> String {
    let Sliding { stride, padding, dilation } = sliding;
    let sizes = |what: &str, sizes: [usize; 2]| match sizes {
        [1, 1] => String::new(),
        [a, b] if a == b => format!(", {what} {a}"),
        sizes => format!(", {what} {}", by(sizes)),
    };
    let padding = match padding {
        padding if padding == Padding::default() => String::new(),
        padding => format!(", padding {padding}"),
    };
    format!("{}{}{padding}{}", by(kernel), sizes("stride", stride), sizes("dilation", dilation))
}

fn groups(groups: usize) -> String {
    if groups == 1 { String::new() } else { format!(", {groups} groups") }
}

fn weights(weights: WeightPrecision) -> &'static str {
    match weights {
        WeightPrecision::Float => "",
        WeightPrecision::Int8 => ", int8 weights",
    }
}

fn bias(bias: bool) -> &'static str {
    if bias { "" } else { ", no bias" }
}
