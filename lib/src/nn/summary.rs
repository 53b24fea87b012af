use sconce_display::Bundle;

use super::graph::{Graph, Node};
use super::operator::Operator;
use crate::ops::{Activation, Padding, Sliding, shape_text};
use crate::plot::{Table, count};
use crate::rich::Rich;

/// A model's layers in a table. Made by [`crate::nn::Model::summary`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    layers: Vec<LayerSummary>,
}

/// A line of a [`Summary`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerSummary {
    /// The layer's name.
    pub name: String,
    /// Its operator with what sets it apart: `conv2d 1 -> 32, 3 x 3`.
    pub operator: String,
    /// The shape of its output for one image.
    pub shape: Vec<usize>,
    /// Values that training changes.
    pub parameters: usize,
    /// Multiplications with their additions, for one image.
    pub multiply_adds: u64,
}

impl Summary {
    pub(super) fn new(graph: &Graph) -> Summary {
        let layers = graph.nodes.iter().enumerate().map(|(index, node)| LayerSummary {
            name: node.name.clone(),
            operator: describe(graph, index, node),
            shape: node.shape.clone(),
            parameters: graph.parameters_of(node),
            multiply_adds: node.multiply_adds(),
        });
        Summary { layers: layers.collect() }
    }

    /// The layers in the order they are computed.
    #[must_use]
    pub fn layers(&self) -> &[LayerSummary] {
        &self.layers
    }

    /// Values that training changes.
    #[must_use]
    pub fn num_parameters(&self) -> usize {
        self.layers.iter().map(|layer| layer.parameters).sum()
    }

    /// Multiplications with their additions, for one image.
    #[must_use]
    pub fn multiply_adds(&self) -> u64 {
        self.layers.iter().map(|layer| layer.multiply_adds).sum()
    }

    fn table(&self) -> Table {
        let none_empty = |value: usize| if value == 0 { String::new() } else { count(value) };
        let mut table = Table::new(&["layer", "operator", "output", "parameters", "multiply-adds"]);
        for layer in &self.layers {
            table.push(&[
                layer.name.clone(),
                layer.operator.clone(),
                shape_text(&layer.shape),
                none_empty(layer.parameters),
                none_empty(layer.multiply_adds as usize),
            ]);
        }
        table
    }

    fn total(&self) -> String {
        let (parameters, multiply_adds) = (self.num_parameters(), self.multiply_adds());
        format!("{} parameters, {} multiply-adds per image", count(parameters), count(multiply_adds as usize))
    }

    /// The table and its totals in plain text.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}{}\n", self.table().text(), self.total())
    }
}

/// An operator in a few words, with its inputs where they are not just the line above.
fn describe(graph: &Graph, index: usize, node: &Node) -> String {
    let name = node.operator.name();
    let by = |sizes: [usize; 2]| format!("{} x {}", sizes[0], sizes[1]);
    let window = |kernel: [usize; 2], sliding: Sliding| {
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
    };
    let text = match &node.operator {
        Operator::Conv2d { in_channels, out_channels, config } => {
            let window = window(config.kernel, config.sliding());
            let bias = if config.bias { "" } else { ", no bias" };
            let groups = match config.groups {
                1 => String::new(),
                groups => format!(", {groups} groups"),
            };
            format!("{name} {in_channels} -> {out_channels}, {window}{groups}{bias}")
        }
        Operator::MaxPool2d(config) => {
            format!("{name} {}", window(config.kernel, config.sliding()))
        }
        Operator::Linear { in_features, out_features } => format!("{name} {in_features} -> {out_features}"),
        Operator::Dropout { p } => format!("{name} {p}"),
        Operator::Activation(Activation::LeakyRelu { slope }) => format!("{name} {slope}"),
        Operator::Input
        | Operator::BatchNorm { .. }
        | Operator::Activation(_)
        | Operator::GlobalAvgPool
        | Operator::Flatten
        | Operator::Add => name.to_owned(),
    };
    if node.inputs.iter().all(|&input| input + 1 == index) {
        return text;
    }
    let inputs: Vec<&str> = node.inputs.iter().map(|&input| graph.nodes[input].name.as_str()).collect();
    format!("{text} of {}", inputs.join(", "))
}

impl Rich for Summary {
    fn rich(&self) -> Bundle {
        let html = format!("{}<div style=\"margin:4px 0\">{}</div>", self.table().html(), self.total());
        Bundle::text(self.text()).html(html)
    }
}
