use sconce_display::Bundle;

use super::describe::describe;
use super::graph::{Graph, Node};
use crate::ops::shape_text;
use crate::plot::{Table, count};
use crate::progress::bytes;
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
    /// Whether it is computed in training only.
    pub training_only: bool,
    /// Bytes of its parameters and buffers.
    pub weight_bytes: u64,
    /// Bytes of its output for one image.
    pub output_bytes: u64,
}

impl Summary {
    pub(super) fn new(graph: &Graph) -> Summary {
        let training_only = graph.for_training_only();
        let text = |index: usize, node: &Node| match training_only[index] {
            true => format!("{}, in training only", describe(graph, index, node)),
            false => describe(graph, index, node),
        };
        let layers = graph.nodes.iter().enumerate().map(|(index, node)| LayerSummary {
            name: node.name.clone(),
            operator: text(index, node),
            shape: node.shape.clone(),
            parameters: graph.parameters_of(node),
            multiply_adds: graph.multiply_adds_of(node),
            training_only: training_only[index],
            weight_bytes: graph.weight_bytes_of(node),
            output_bytes: f32_bytes(&node.shape),
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

    /// Multiplications with their additions for one image, in use.
    #[must_use]
    pub fn multiply_adds(&self) -> u64 {
        let used = self.layers.iter().filter(|layer| !layer.training_only);
        used.map(|layer| layer.multiply_adds).sum()
    }

    /// Bytes of the parameters and buffers. Training takes as much again for the gradients, and for each
    /// value that the optimizer keeps of a parameter.
    #[must_use]
    pub fn weight_bytes(&self) -> u64 {
        self.layers.iter().map(|layer| layer.weight_bytes).sum()
    }

    /// Bytes of the outputs of all layers for one image: about what a training step holds of each image of a
    /// batch until it has gone back. In use a layer's output is freed when the last that needs it is through.
    #[must_use]
    pub fn activation_bytes(&self) -> u64 {
        self.layers.iter().map(|layer| layer.output_bytes).sum()
    }

    fn table(&self) -> Table {
        let none_empty = |value: usize| if value == 0 { String::new() } else { count(value) };
        let mut table = Table::new(&["layer", "operator", "output", "parameters", "multiply-adds", "memory"]);
        for layer in &self.layers {
            table.push(&[
                layer.name.clone(),
                layer.operator.clone(),
                shape_text(&layer.shape),
                none_empty(layer.parameters),
                none_empty(layer.multiply_adds as usize),
                bytes(layer.output_bytes),
            ]);
        }
        table
    }

    fn total(&self) -> String {
        let (parameters, multiply_adds) = (self.num_parameters(), self.multiply_adds());
        format!(
            "{} parameters, {} multiply-adds per image; {} of weights, {} of outputs per image",
            count(parameters),
            count(multiply_adds as usize),
            bytes(self.weight_bytes()),
            bytes(self.activation_bytes())
        )
    }

    /// The table and its totals in plain text.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}{}\n", self.table().text(), self.total())
    }
}

impl Rich for Summary {
    fn rich(&self) -> Bundle {
        let html = format!("{}<div style=\"margin:4px 0\">{}</div>", self.table().html(), self.total());
        Bundle::text(self.text()).html(html)
    }
}

impl Graph {
    /// Bytes of the node's own parameters and buffers.
    fn weight_bytes_of(&self, node: &Node) -> u64 {
        if node.shares.is_some() {
            return 0;
        }
        node.tensors.iter().map(|&tensor| f32_bytes(&self.tensors[tensor].shape)).sum()
    }
}

/// Bytes of so many values.
fn f32_bytes(shape: &[usize]) -> u64 {
    size_of::<f32>() as u64 * shape.iter().map(|&side| side as u64).product::<u64>()
}
