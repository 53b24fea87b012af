//! What an export reads: the graph in use, its weights, and how to run it beside the exported file.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{Device, Tensor};

use crate::compress::{Pruned, Quantized, QuantizedModel, Sparse, Stored, Work, in_use, prepared};
use crate::nn::{Graph, Mode, Model, Node, WeightPrecision};
use crate::ops::int8::Quantization;
use crate::ops::{channel_scales, shape_text, whole_numbers};
use crate::{Result, Seed};

/// A model that can be exported: a [`Model`], a [`QuantizedModel`], and what pruning and quantization give. What is
/// for training only is left out; batch norms are folded into the layers before them where they can be.
pub trait Exportable: sealed::Sealed {
    /// For the formats.
    #[doc(hidden)]
    fn source(&self) -> Result<Source>;
}

mod sealed {
    pub trait Sealed {}
}

/// A model as the formats read it.
#[derive(Debug)]
pub struct Source {
    /// Batch norms are folded, multi-head attention is linear layers around the attention itself, and only outputs in
    /// use are there. Where values are rounded to bytes stands a fake quantization.
    pub(crate) graph: Graph,
    /// The values of the graph's tensors, in its order.
    pub(crate) weights: Vec<Weights>,
    /// Nodes that multiply bytes with whole numbers.
    pub(crate) integers: HashMap<usize, Integers>,
    model: Runs,
}

/// A tensor of the graph, on the CPU.
#[derive(Debug, Clone)]
pub(crate) enum Weights {
    /// f32.
    Float(Tensor),
    /// A weight (O, …) in whole numbers from -127 to 127, with the size of one of them for each output channel.
    Whole { values: Vec<i8>, scales: Vec<f32>, shape: Vec<usize> },
}

/// How a layer of a quantized model takes its input.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Integers {
    /// As these bytes. The bias is whole numbers of 32 bits of their scale times the weight's.
    Static(Quantization),
    /// As 255 numbers in the range that the batch has, from its largest size to its negative. The bias is f32.
    Dynamic,
}

#[derive(Debug)]
enum Runs {
    Float(Model),
    Whole(QuantizedModel),
}

impl Source {
    /// The model's own outputs for a batch of each input, in the order of the graph's, on the CPU.
    pub(crate) fn forward(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        match &self.model {
            Runs::Float(model) => {
                let there = |x: &Tensor| x.to_device(model.device());
                let inputs = inputs.iter().map(there).collect::<candle_core::Result<Vec<_>>>()?;
                let inputs: Vec<&Tensor> = inputs.iter().collect();
                let outputs = model.forward_inputs_outputs(&inputs, Mode::Eval)?;
                outputs.iter().map(|(_, tensor)| Ok(tensor.to_device(&Device::Cpu)?)).collect()
            }
            Runs::Whole(model) => {
                let nodes: Vec<usize> = self.graph.outputs().iter().map(|output| output.node).collect();
                // It has one input: models of several are refused when they are to be quantized.
                let outputs = inputs.iter().map(|x| model.values(x, &nodes));
                Ok(outputs.collect::<Result<Vec<_>>>()?.concat())
            }
        }
    }

    /// Batches of normal values for the inputs, the same each time.
    pub(crate) fn random_inputs(&self, count: usize) -> Result<Vec<Tensor>> {
        let mut rng = Seed(0).rng();
        let mut random = |node: &Node| {
            let shape = [&[count], node.shape.as_slice()].concat();
            let values: Vec<f32> = (0..shape.iter().product()).map(|_| rng.normal() as f32).collect();
            Ok(Tensor::from_vec(values, shape, &Device::Cpu)?)
        };
        self.graph.inputs().iter().map(&mut random).collect()
    }

    /// What batches of the inputs are to a reader: `images (2, 3, 32, 32)`, or `inputs (2, 3, 32, 32), (2, 4)`.
    pub(crate) fn words(&self, inputs: &[Tensor]) -> String {
        let what = if self.graph.only_image("", "").is_ok() { "images" } else { "inputs" };
        let shapes: Vec<String> = inputs.iter().map(|x| shape_text(x.dims())).collect();
        format!("{what} {}", shapes.join(", "))
    }

    /// Whether the model computes on integers.
    pub(crate) fn is_quantized(&self) -> bool {
        matches!(self.model, Runs::Whole(_))
    }

    /// Writes the model, as it is read here, to a file of ours.
    pub(crate) fn save(&self, path: &Path) -> Result<()> {
        match &self.model {
            Runs::Float(model) => Model::of_parts(in_use(prepared(model)?))?.save(path),
            Runs::Whole(model) => model.save(path),
        }
    }

    /// What [`Source::save`] wrote.
    pub(crate) fn reopened(&self, path: &Path) -> Result<Source> {
        match &self.model {
            Runs::Float(_) => Model::open(path, &Device::Cpu)?.source(),
            Runs::Whole(_) => QuantizedModel::open(path)?.source(),
        }
    }

    /// The shape (C, H, W) of the images that the model was built for, of the first ones where there are several; none
    /// where no images go in.
    pub(crate) fn image(&self) -> &[usize] {
        let image = self.graph.inputs().iter().find(|node| node.shape.len() == 3);
        image.map_or(&[], |node| &node.shape)
    }

    /// The shapes of the nodes for images 64 times as high and wide, beyond what any model makes an image smaller by: what
    /// is another there than in the graph depends on the images' size.
    pub(crate) fn shapes_far(&self) -> Result<Vec<Vec<usize>>> {
        const FAR: usize = 64;
        let mut shapes = self.graph.input_shapes();
        shapes.iter_mut().filter(|shape| shape.len() == 3).for_each(|image| {
            image[1..].iter_mut().for_each(|side| *side = side.saturating_mul(FAR));
        });
        let shapes: Vec<&[usize]> = shapes.iter().map(Vec::as_slice).collect();
        self.graph.infer_inputs(&shapes)
    }
}

impl Weights {
    /// In whole numbers, as [`crate::ops::fake_quantize_weight`] rounds them.
    fn whole(&mut self) -> Result<()> {
        if let Weights::Float(tensor) = self {
            let shape = tensor.dims().to_vec();
            let values = tensor.flatten_all()?.to_vec1()?;
            let scales = channel_scales(&values, shape.first().copied().unwrap_or(1));
            *self = Weights::Whole { values: whole_numbers(&values, &scales), scales, shape };
        }
        Ok(())
    }
}

/// Weights of layers that round them are whole numbers.
fn rounded(graph: &Graph, mut weights: Vec<Weights>) -> Result<Vec<Weights>> {
    for node in graph.nodes() {
        if let (WeightPrecision::Int8, Some(&place)) =
            (node.operator.weight_precision(), node.tensors.first())
        {
            weights[place].whole()?;
        }
    }
    Ok(weights)
}

impl sealed::Sealed for Model {}
impl Exportable for Model {
    fn source(&self) -> Result<Source> {
        let parts = in_use(prepared(self)?);
        let weights = parts.tensors.iter().map(|tensor| Ok(Weights::Float(tensor.to_device(&Device::Cpu)?)));
        let weights = rounded(&parts.graph, weights.collect::<Result<_>>()?)?;
        let model = Runs::Float(self.clone());
        Ok(Source { graph: parts.graph, weights, integers: HashMap::new(), model })
    }
}

impl sealed::Sealed for QuantizedModel {}
impl Exportable for QuantizedModel {
    fn source(&self) -> Result<Source> {
        let weights = self.stored.iter().map(|stored| match stored {
            Stored::Float(tensor) => Weights::Float(tensor.clone()),
            Stored::Weight { whole, scales, shape } => {
                Weights::Whole { values: whole.clone(), scales: scales.clone(), shape: shape.clone() }
            }
        });
        let weights = rounded(self.graph(), weights.collect())?;
        let integers = self.steps.iter().filter_map(|step| match step.work {
            Work::Layer { input, .. } => Some((step.node, Integers::Static(input))),
            Work::Dynamic => Some((step.node, Integers::Dynamic)),
            _ => None,
        });
        let model = Runs::Whole(self.clone());
        Ok(Source { graph: self.graph().clone(), weights, integers: integers.collect(), model })
    }
}

impl sealed::Sealed for Quantized {}
impl Exportable for Quantized {
    fn source(&self) -> Result<Source> {
        self.model.source()
    }
}

impl sealed::Sealed for Pruned {}
impl Exportable for Pruned {
    fn source(&self) -> Result<Source> {
        self.model.source()
    }
}

impl sealed::Sealed for Sparse {}
impl Exportable for Sparse {
    fn source(&self) -> Result<Source> {
        self.model.source()
    }
}
