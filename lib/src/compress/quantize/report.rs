//! What became of a model's layers.

use sconce_display::Bundle;

use super::model::QuantizedModel;
use super::plan::Work;
use crate::nn::Operator;
use crate::plot::{Table, number};
use crate::progress::bytes;
use crate::rich::Rich;

/// Rows of the table.
const ROWS: usize = 200;

/// What each layer of a [`QuantizedModel`] computes with, in a table.
#[derive(Debug, Clone, PartialEq)]
pub struct QuantizeReport {
    layers: Vec<QuantizedLayer>,
    weight_bytes: usize,
    float_bytes: usize,
}

/// How a layer is computed.
#[derive(Debug, Clone, PartialEq)]
pub struct QuantizedLayer {
    /// The layer's name.
    pub name: String,
    /// What its values are computed with.
    pub computes: Computes,
    /// The least and the greatest value that its bytes stand for; none where its values are f32.
    pub range: Option<[f32; 2]>,
}

/// What a layer computes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Computes {
    /// Integers.
    Int8,
    /// f32.
    Float,
}

impl QuantizeReport {
    pub(super) fn of(model: &QuantizedModel) -> QuantizeReport {
        let mut layers = Vec::new();
        for step in model.steps.iter() {
            let node = &model.graph.nodes[step.node];
            let (computes, output) = match step.work {
                Work::Float => (Computes::Float, None),
                Work::Same => continue,
                Work::Quantize(to) => {
                    // A value of f32 becomes bytes: the line of the layer that makes it says so.
                    let maker = node.inputs.first().map(|&input| &model.graph.nodes[input]);
                    let name = maker.map_or_else(String::new, |maker| maker.name.clone());
                    let known = layers.iter_mut().find(|layer: &&mut QuantizedLayer| layer.name == name);
                    match (known, maker.map(|maker| &maker.operator)) {
                        (Some(layer), _) => layer.range = Some(range(to)),
                        (None, Some(Operator::Input)) => {
                            layers.push(QuantizedLayer {
                                name,
                                computes: Computes::Float,
                                range: Some(range(to)),
                            });
                        }
                        (None, _) => {}
                    }
                    continue;
                }
                Work::Layer { output, .. } => (Computes::Int8, output),
                Work::Add(output) | Work::Concat(output) | Work::Mean(output) => {
                    (Computes::Int8, Some(output))
                }
                Work::Kept | Work::Dynamic => (Computes::Int8, None),
            };
            let range = output.map(|output| range(output.quantization));
            layers.push(QuantizedLayer { name: node.name.clone(), computes, range });
        }
        let float = model.graph.tensors.iter().map(|spec| 4 * spec.shape.iter().product::<usize>());
        QuantizeReport { layers, weight_bytes: model.weight_bytes(), float_bytes: float.sum() }
    }

    /// The layers in the order they are computed; those that are part of another, such as a ReLU behind a
    /// convolution, are not listed.
    #[must_use]
    pub fn layers(&self) -> &[QuantizedLayer] {
        &self.layers
    }

    /// Bytes of the weights, with their scales and biases.
    #[must_use]
    pub fn weight_bytes(&self) -> usize {
        self.weight_bytes
    }

    /// Bytes that they would have in f32.
    #[must_use]
    pub fn float_bytes(&self) -> usize {
        self.float_bytes
    }

    fn line(&self) -> String {
        let integers = self.layers.iter().filter(|layer| layer.computes == Computes::Int8).count();
        format!(
            "{integers} of {} layers on integers, weights {} instead of {}",
            self.layers.len(),
            bytes(self.weight_bytes as u64),
            bytes(self.float_bytes as u64)
        )
    }

    fn table(&self) -> Table {
        let mut table = Table::new(&["layer", "computes in", "range of its bytes"]);
        for layer in self.layers.iter().take(ROWS) {
            let computes = match layer.computes {
                Computes::Int8 => "int8",
                Computes::Float => "f32",
            };
            let range = layer.range.map_or_else(String::new, |[low, high]| {
                format!("{} to {}", number(f64::from(low)), number(f64::from(high)))
            });
            table.push(&[layer.name.clone(), computes.into(), range]);
        }
        table
    }
}

fn range(quantization: crate::ops::int8::Quantization) -> [f32; 2] {
    let real = |step: f32| (step - f32::from(quantization.zero_point)) * quantization.scale;
    [real(0.0), real(255.0)]
}

impl QuantizedModel {
    /// The layers in a table: what each computes with, and the ranges of their bytes.
    #[must_use]
    pub fn summary(&self) -> QuantizeReport {
        QuantizeReport::of(self)
    }
}

impl Rich for QuantizeReport {
    fn rich(&self) -> Bundle {
        let (line, table) = (self.line(), self.table());
        let more = self.layers.len().saturating_sub(ROWS);
        let note = if more == 0 { String::new() } else { format!("and {more} more layers\n") };
        let text = format!("{line}\n{}{note}", table.text());
        Bundle::text(text).html(format!("<p>{line}</p>{}", table.html()))
    }
}

impl Rich for QuantizedModel {
    fn rich(&self) -> Bundle {
        self.summary().rich()
    }
}
