//! ONNX: graphs of operators that most runtimes read (<https://onnx.ai/onnx/repo-docs/IR.html>).

mod attribute;
mod builder;
mod file;
mod images;
mod map;
mod proto;
mod resize;
mod run_back;
mod tokens;
mod weights;

use std::path::Path;

use candle_core::{DType, Tensor};

use self::builder::{Builder, Dim, batch_dim};
use self::proto::{GraphProto, ModelProto, OperatorSetIdProto, StringStringEntryProto};
use super::metadata::{Batch, Metadata};
use super::report::ExportReport;
use super::source::{Exportable, Integers, Source};
use crate::ops::shape_text;
use crate::progress::{Progress, Unit};
use crate::{Error, Result};

/// Options of [`onnx_with`].
#[derive(Debug, Clone)]
pub struct OnnxConfig {
    /// The version of the operators, 17 to 21.
    pub opset: u32,
    /// How many images go in at once.
    pub batch: Batch,
    /// Whether images may have other sizes than the model was built for.
    pub size: ImageSize,
    /// What is told about the model: its classes, and how images are prepared.
    pub metadata: Metadata,
    /// A batch for each input, f32, images (B, C, H, W), on which the file is run back besides random ones; may be
    /// empty.
    pub inputs: Vec<Tensor>,
    /// Where the file would have more bytes than this, weights go into a file of their own beside it, `NAME.onnx.data`.
    /// No file of ONNX can have more than 2 GB.
    pub external_above: u64,
}

impl Default for OnnxConfig {
    /// Opset 17, any number of images, of the size that the model was built for.
    fn default() -> OnnxConfig {
        OnnxConfig {
            opset: 17,
            batch: Batch::Dynamic,
            size: ImageSize::AsBuilt,
            metadata: Metadata::default(),
            inputs: Vec::new(),
            external_above: file::LARGEST,
        }
    }
}

/// Which sizes images have that an exported model takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ImageSize {
    /// The one that the model was built for.
    #[default]
    AsBuilt,
    /// Any that the model's layers take.
    Dynamic,
}

/// Writes a model to an ONNX file, as [`onnx_with`] does with the usual options.
///
/// ```no_run
/// # use sconce::prelude::*;
/// # let net = Model::build([1, 8, 8], |x| x.conv2d(8, 3).batch_norm().relu().flatten().linear(10))?
/// #     .init(Seed(1), &Device::Cpu)?;
/// export::onnx(&net, "digits.onnx")? // path, operators, largest deviation when run back
/// # ; Ok::<(), sconce::Error>(())
/// ```
///
/// # Errors
/// As [`onnx_with`].
pub fn onnx(model: &dyn Exportable, path: impl AsRef<Path>) -> Result<ExportReport> {
    onnx_with(model, path, &OnnxConfig::default())
}

/// Writes a model to an ONNX file: its inputs, images f32 (B, C, H, W) prepared as the model wants them, tokens or
/// features, and the outputs in use, under their names. Layers and weights keep their names, batch norms are folded, and
/// all shapes are told. What the metadata tells of images is of the first ones where several go in.
///
/// A model on integers is written as `QuantizeLinear` and `DequantizeLinear` around operators of f32 (QDQ), with
/// weights in 8 bits for each output channel and biases in 32; runtimes make integer operators of that. On x86 CPUs
/// without VNNI onnxruntime's saturate unless its session option `session.x64quantprecision` is `1`, which
/// `export::Runtime` sets.
///
/// Where the feature `onnxruntime` is on and its library is found, the file is run back, and the report says how far
/// its outputs are from the model's.
///
/// # Errors
/// If the options do not fit the model; a layer has no counterpart in ONNX, or none for images of any size (the error
/// names it); the file cannot be written, or onnxruntime refuses it; [`Error::Interrupted`].
pub fn onnx_with(
    model: &dyn Exportable,
    path: impl AsRef<Path>,
    config: &OnnxConfig,
) -> Result<ExportReport> {
    let path = path.as_ref();
    let source = model.source()?;
    check(config, &source)?;
    let graph = graph(&source, config)?;
    let operators = ExportReport::counted(graph.node.iter().map(|node| node.op_type.as_str()));
    let (inputs, outputs) = (file::ports(&graph.input), file::ports(&graph.output));
    let bytes = file::write(model_of(graph, &source, config), path, config.external_above)?;
    Ok(ExportReport {
        format: format!("ONNX, opset {}", config.opset),
        path: path.to_owned(),
        bytes,
        inputs,
        outputs,
        operators,
        check: run_back::run_back(&source, path, config)?,
    })
}

fn model_of(graph: GraphProto, source: &Source, config: &OnnxConfig) -> ModelProto {
    let mut metadata = config.metadata.entries(source.image());
    // Who puts requests together has to know that what one asks would change what another gets.
    if source.integers.values().any(|integers| matches!(integers, Integers::Dynamic)) {
        metadata.push(("range".into(), "\"batch\"".into()));
    }
    let metadata = metadata.into_iter();
    ModelProto {
        // The versions of the file that came with these versions of the operators.
        ir_version: match config.opset {
            ..=18 => 8,
            19 | 20 => 9,
            _ => 10,
        },
        producer_name: "sconce".into(),
        producer_version: env!("CARGO_PKG_VERSION").into(),
        graph: Some(graph),
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: i64::from(config.opset) }],
        metadata_props: metadata.map(|(key, value)| StringStringEntryProto { key, value }).collect(),
    }
}

fn check(config: &OnnxConfig, source: &Source) -> Result<()> {
    let op = "export::onnx";
    let argument = |expected: &str, got: String, hint: &str| Error::Argument {
        op: op.into(),
        expected: expected.into(),
        got,
        hint: hint.into(),
    };
    if !(17..=21).contains(&config.opset) {
        let hint = "17 is read by all runtimes of the last years.";
        return Err(argument("opset 17 to 21", config.opset.to_string(), hint));
    }
    if config.batch == Batch::Fixed(0) {
        return Err(argument(
            "a batch of at least one image",
            "0".into(),
            "Batch::Dynamic takes any number.",
        ));
    }
    config.metadata.check(op, source.image().first().copied().unwrap_or_default())?;
    let nodes = source.graph.inputs();
    let batch = config.inputs.first().and_then(|x| x.dims().first().copied()).unwrap_or_default();
    let right = batch > 0 && config.batch.fixed().is_none_or(|fixed| fixed == batch);
    let fits = |(node, x): (&crate::nn::Node, &Tensor)| {
        x.dtype() == DType::F32 && x.dims().split_first() == Some((&batch, node.shape.as_slice()))
    };
    let all = config.inputs.len() == nodes.len() && nodes.iter().zip(&config.inputs).all(fits);
    let fit = config.inputs.is_empty() || (right && all);
    if !fit {
        let inputs = source.graph.inputs_text();
        let expected = match config.batch.fixed() {
            Some(fixed) => format!("f32 {inputs}, or none, where B is {fixed}"),
            None => format!("f32 {inputs}, or none"),
        };
        let text = |x: &Tensor| format!("{} {}", x.dtype().as_str(), shape_text(x.dims()));
        let got = config.inputs.iter().map(text).collect::<Vec<_>>().join(" and ");
        return Err(argument(&expected, got, "They are run through the file, as many as its batch."));
    }
    Ok(())
}

/// The model's graph in operators of ONNX.
fn graph(source: &Source, config: &OnnxConfig) -> Result<GraphProto> {
    let mut builder = Builder::new(source, config.opset, shapes(source, config)?);
    let (nodes, outputs) = (source.graph.nodes(), source.graph.outputs());
    let mut progress = Progress::start("ONNX", Unit::Layers, Some(nodes.len() as u64));
    for at in 0..nodes.len() {
        let mut given = outputs.iter().filter(|output| output.node == at);
        let only = match (given.next(), given.next()) {
            (Some(output), None) => Some(output.name.as_str()),
            _ => None,
        };
        builder.at = at;
        let name = if builder.passes()? { None } else { only };
        builder.begin(at, name);
        let value = builder.write()?;
        builder.values.push(value);
        progress.at(at as u64 + 1)?;
    }
    for output in outputs {
        let (from, shape) = (builder.values[output.node].clone(), builder.shapes[output.node].clone());
        if from != output.name {
            builder.copy(&from, &output.name, &shape);
        }
    }
    Ok(builder.finish())
}

/// What comes out of each node, the batch before it.
fn shapes(source: &Source, config: &OnnxConfig) -> Result<Vec<Vec<Dim>>> {
    let far = match config.size {
        ImageSize::AsBuilt => None,
        ImageSize::Dynamic => Some(source.shapes_far()?),
    };
    // Images of several inputs need not be of one size.
    let only = source.graph.inputs().len() == 1;
    let of_node = |(at, node): (usize, &crate::nn::Node)| {
        let dim = |(dim, &length): (usize, &usize)| match &far {
            Some(far) if far[at].get(dim) != Some(&length) => match (at, dim) {
                (0, 1) if only => Dim::Named("height"),
                (0, _) if only => Dim::Named("width"),
                _ => Dim::Open,
            },
            _ => Dim::Fixed(length),
        };
        [batch_dim(config.batch)].into_iter().chain(node.shape.iter().enumerate().map(dim)).collect()
    };
    Ok(source.graph.nodes().iter().enumerate().map(of_node).collect())
}
