//! Our own models: what `Model::save`, `Model::save_compact`, `SavedModel::save` and `QuantizedModel::save` wrote.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use candle_core::{DType, Device, Tensor as Values};
use sconce::compress::QuantizedModel;
use sconce::models;
use sconce::nn::{Graph, Mode, Model, Operator, OutputUse, WeightPrecision};
use serde::Deserialize;

use crate::backend::{self, Backend, Opened, TensorSpec};
use crate::failure::Failure;
use crate::tensor::{Dtype, Tensor};

/// Bytes of a file's head at most.
const LONGEST_HEAD: u64 = 256 << 20;

enum Net {
    Float(Model),
    /// Its main output alone: what a model on integers gives.
    Int8(QuantizedModel),
}

/// A model of ours.
struct Native {
    net: Net,
    inputs: Vec<TensorSpec>,
    outputs: Vec<TensorSpec>,
    /// Pixels of an image at most; none where only the model's own size will do.
    most_pixels: Option<usize>,
    rows: Rows,
}

/// Whether images of a batch may meet.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rows {
    /// Each has the answer that it has by itself, within the rounding of floats.
    Together,
    /// Values are rounded in the range of the whole batch: what others ask would change an answer.
    Alone,
}

/// The model in a file. Images of other sizes than its own are taken up to `most_pixels` (height times width), where
/// that is given.
///
/// # Errors
/// If the file cannot be read or holds no model, or not one that is whole.
pub fn open(path: &Path, most_pixels: Option<usize>) -> sconce::Result<Opened> {
    let (net, classes) = read(path)?;
    let backend = Box::new(Native::new(net, most_pixels));
    Ok(Opened { backend, classes, mean: Vec::new(), std: Vec::new() })
}

impl Native {
    fn new(net: Net, most_pixels: Option<usize>) -> Native {
        let graph = match &net {
            Net::Float(model) => model.graph(),
            Net::Int8(model) => model.graph(),
        };
        let inputs = graph.inputs().iter().map(|node| {
            let is_image = node.shape.len() == 3;
            let open = |at: usize| is_image && at > 0 && most_pixels.is_some();
            let sides = node.shape.iter().enumerate().map(|(at, &side)| (!open(at)).then_some(side));
            let shape = std::iter::once(None).chain(sides).collect();
            TensorSpec { name: node.name.clone(), dtype: Dtype::F32, shape }
        });
        let inputs = inputs.collect();
        let outputs = outputs(graph, &net, most_pixels.is_some());
        let rows = rows(graph);
        Native { net, inputs, outputs, most_pixels, rows }
    }

    fn graph(&self) -> &Graph {
        match &self.net {
            Net::Float(model) => model.graph(),
            Net::Int8(model) => model.graph(),
        }
    }

    fn run(&self, inputs: &[&Values]) -> sconce::Result<Vec<Values>> {
        match &self.net {
            // Models on integers have one input.
            Net::Int8(model) => inputs.iter().map(|x| model.forward(x)).collect(),
            Net::Float(model) => {
                let outputs = model.forward_inputs_outputs(inputs, Mode::Eval)?;
                Ok(outputs.iter().map(|(_, values)| values.detach()).collect())
            }
        }
    }
}

fn read(path: &Path) -> sconce::Result<(Net, Vec<String>)> {
    if is_quantized(path)? {
        return Ok((Net::Int8(QuantizedModel::open(path)?), Vec::new()));
    }
    if path.with_extension("json").is_file() {
        let saved = models::open(path, &Device::Cpu)?;
        return Ok((Net::Float(saved.net), saved.classes));
    }
    Ok((Net::Float(Model::open(path, &Device::Cpu)?), Vec::new()))
}

/// The part of a safetensors file's head that tells what it is of.
#[derive(Deserialize)]
struct Head {
    #[serde(rename = "__metadata__", default)]
    metadata: BTreeMap<String, String>,
}

/// Whether a file holds a model on integers. One whose head cannot be read is left to those who read all of it.
fn is_quantized(path: &Path) -> sconce::Result<bool> {
    let io = |source| sconce::Error::Io { op: "read", path: path.to_owned(), source };
    let mut file = File::open(path).map_err(io)?;
    let mut length = [0; 8];
    if file.read_exact(&mut length).is_err() {
        return Ok(false);
    }
    let mut head = Vec::new();
    file.take(u64::from_le_bytes(length).min(LONGEST_HEAD)).read_to_end(&mut head).map_err(io)?;
    let head = serde_json::from_slice::<Head>(&head);
    Ok(head.is_ok_and(|head| head.metadata.contains_key("sconce.quantized")))
}

/// How images may meet in a model: a linear layer on integers rounds what it takes in the range of the batch, unless
/// it takes what was rounded in a known one.
fn rows(graph: &Graph) -> Rows {
    let nodes = graph.nodes();
    // Operators that pass bytes on as they are.
    let passes = |name: &str| {
        matches!(
            name,
            "flatten"
                | "reshape"
                | "permute"
                | "image_to_tokens"
                | "slice"
                | "relu"
                | "max_pool2d"
                | "pad"
                | "dropout"
                | "stochastic_depth"
        )
    };
    let is_known = |mut at: usize| loop {
        let Some(node) = nodes.get(at) else { return false };
        match (node.operator.name(), node.inputs.as_slice()) {
            ("fake_quantize", _) => return true,
            (name, &[input]) if passes(name) => at = input,
            _ => return false,
        }
    };
    let follows_the_batch = nodes.iter().any(|node| match &node.operator {
        Operator::Linear { config, .. } if config.weights == WeightPrecision::Int8 => {
            !node.inputs.iter().all(|&input| is_known(input))
        }
        _ => false,
    });
    if follows_the_batch { Rows::Alone } else { Rows::Together }
}

/// The outputs that are computed in use. Where images of other sizes than the model's own may come, sides that follow
/// theirs are left open.
fn outputs(graph: &Graph, net: &Net, any_size: bool) -> Vec<TensorSpec> {
    let mut larger: Vec<Vec<usize>> = graph.inputs().iter().map(|node| node.shape.clone()).collect();
    larger.iter_mut().filter(|shape| shape.len() == 3).for_each(|image| {
        image[1..].iter_mut().for_each(|side| *side += 32);
    });
    let larger: Vec<&[usize]> = larger.iter().map(Vec::as_slice).collect();
    let larger = if any_size { graph.infer_inputs(&larger).ok() } else { None };
    let listed = graph.outputs().iter().filter(|output| output.when == OutputUse::Always);
    let listed = listed.take(match net {
        Net::Int8(_) => 1,
        Net::Float(_) => usize::MAX,
    });
    listed
        .map(|output| {
            let shape = graph.nodes().get(output.node).map_or(&[][..], |node| node.shape.as_slice());
            let other = larger.as_ref().and_then(|shapes| shapes.get(output.node));
            let open = |at: usize, side: usize| other.is_some_and(|other| other.get(at) != Some(&side));
            let sides = shape.iter().enumerate().map(|(at, &side)| (!open(at, side)).then_some(side));
            let shape = std::iter::once(None).chain(sides).collect();
            TensorSpec { name: output.name.clone(), dtype: Dtype::F32, shape }
        })
        .collect()
}

impl Backend for Native {
    fn platform(&self) -> &'static str {
        match self.net {
            Net::Float(_) => "sconce",
            Net::Int8(_) => "sconce_int8",
        }
    }

    fn inputs(&self) -> &[TensorSpec] {
        &self.inputs
    }

    fn outputs(&self) -> &[TensorSpec] {
        &self.outputs
    }

    fn usual(&self) -> Option<Vec<Vec<usize>>> {
        Some(self.graph().inputs().iter().map(|node| node.shape.clone()).collect())
    }

    fn most_rows(&self) -> usize {
        match self.rows {
            Rows::Together => usize::MAX,
            Rows::Alone => 1,
        }
    }

    fn check(&self, inputs: &[Tensor]) -> Result<(), Failure> {
        if let Some(most) = self.most_pixels {
            for tensor in inputs {
                if let &[_, _, height, width] = tensor.shape()
                    && height.saturating_mul(width) > most
                {
                    return Err(Failure::invalid(format!(
                        "an image: expected {most} pixels at most, got {height} x {width}."
                    )));
                }
            }
            let shapes: Vec<&[usize]> =
                inputs.iter().map(|tensor| tensor.shape().get(1..).unwrap_or_default()).collect();
            self.graph().infer_inputs(&shapes)?;
        }
        inputs.iter().try_for_each(backend::finite)
    }

    fn infer(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>, Failure> {
        let values = inputs.iter().map(|x| {
            let values = x.f32s().ok_or_else(|| Failure::internal("inputs that are not FP32"))?;
            Ok(Values::from_vec(values, x.shape(), &Device::Cpu).map_err(sconce::Error::from)?)
        });
        let values = values.collect::<Result<Vec<Values>, Failure>>()?;
        let outputs = self.run(&values.iter().collect::<Vec<_>>())?.into_iter().map(|values| {
            let flat = values.to_dtype(DType::F32).and_then(|values| values.flatten_all());
            let flat = flat.and_then(|values| values.to_vec1::<f32>()).map_err(sconce::Error::from)?;
            Tensor::of_f32(values.dims().to_vec(), &flat)
        });
        outputs.collect()
    }
}
