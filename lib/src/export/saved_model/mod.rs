//! TensorFlow's SavedModel.

mod arrangement;
mod graph;
mod operators;
mod protos;

use std::fs;
use std::path::{Path, PathBuf};

use prost::Message as _;

use self::graph::Nodes;
use self::protos::{
    Graph, MetaGraph, MetaInfo, SavedModel, Shape, Signature, TensorInfo, Versions, data_type,
};
use super::nhwc::{Asked, Program, Reach, ValueId, lowered};
use super::{Batch, Check, ExportReport, Exportable, ImageSize, Metadata};
use crate::{Error, Result, atomic_file};

/// Options of [`saved_model_with`].
#[derive(Debug, Clone, PartialEq)]
pub struct SavedModelConfig {
    /// The model's number among those in its folder; TensorFlow Serving takes the largest.
    pub version: u64,
    /// How many images come at once.
    pub batch: Batch,
    /// Whether images may have other sizes than the model was built for.
    pub size: ImageSize,
    /// What is told about the model: `assets.extra/sconce.json` beside it.
    pub metadata: Metadata,
}

impl Default for SavedModelConfig {
    /// Version 1, for any number of images of the size that the model was built for.
    fn default() -> SavedModelConfig {
        SavedModelConfig {
            version: 1,
            batch: Batch::Dynamic,
            size: ImageSize::AsBuilt,
            metadata: Metadata::default(),
        }
    }
}

/// Writes a model for TensorFlow and TensorFlow Serving into the folder `folder`, as `folder/1/saved_model.pb`: tag
/// `serve`, signature `serving_default`. Its inputs and outputs have the names that they have in the graph.
///
/// Images go in as (B, H, W, C) and come out so, as with [`super::tflite`]; so does every output that has three
/// dimensions beside the batch. Weights are constants of the graph.
///
/// A model on integers keeps its weights in 8 bits, a fourth of the file, which the graph makes f32 of. Where the model has
/// bytes, values are f32 rounded to the numbers that the bytes stand for, with the model's scales and zero points, halves
/// to even: sums in f32 give what sums of integers give but for values at the edge between two numbers. Layers of
/// [`crate::compress::quantize_dynamic`] take f32 as it is, not rounded in the range of the batch, so that what one
/// asks of a server never changes what another gets.
///
/// ```no_run
/// # use sconce::prelude::*;
/// # use sconce::export;
/// # fn main() -> sconce::Result<()> {
/// let net = Model::build([1, 8, 8], |x| x.conv2d(8, 3).relu().flatten().linear(10))?.init(Seed(1), &Device::Cpu)?;
/// export::saved_model(&net, "models/digits")?
/// # ; Ok(()) }
/// ```
///
/// # Errors
/// If a layer has no form in TensorFlow (the error names it), the model is larger than 2 GB, or the files cannot be
/// written.
pub fn saved_model(model: &dyn Exportable, folder: impl AsRef<Path>) -> Result<ExportReport> {
    saved_model_with(model, folder, &SavedModelConfig::default())
}

/// [`saved_model`] with options.
///
/// # Errors
/// As [`saved_model`]; and if `config` does not fit the model: for [`ImageSize::Dynamic`], the error names the layer that
/// has no form for images of any size.
pub fn saved_model_with(
    model: &dyn Exportable,
    folder: impl AsRef<Path>,
    config: &SavedModelConfig,
) -> Result<ExportReport> {
    let op = "export::saved_model";
    let source = model.source()?;
    let image = source.image().to_vec();
    config.metadata.check(op, image.first().copied().unwrap_or_default())?;
    let program = lowered(&source, Asked { batch: config.batch, size: config.size }, Reach::Model, op)?;
    let saved = saved(&program)?;
    let names =
        saved.meta_graphs.iter().filter_map(|meta| meta.graph.as_ref()).flat_map(|graph| &graph.nodes);
    let computed = names.map(|node| node.op.as_str()).filter(|op| !["Const", "Placeholder"].contains(op));
    let operators = ExportReport::counted(computed);
    let bytes = saved.encoded_len();
    if bytes > MOST_BYTES {
        return Err(Error::Argument {
            op: op.into(),
            expected: "a model of less than 2 GB, which is all that the format holds".into(),
            got: format!("{bytes} bytes"),
            hint: "Export it with export::onnx, which has no such limit.".into(),
        });
    }
    let metadata = config.metadata.json(&image) + "\n";
    let path = written(folder.as_ref(), config.version, &saved.encode_to_vec(), metadata.as_bytes())?;
    Ok(ExportReport {
        format: format!("TensorFlow SavedModel, version {}", config.version),
        path,
        bytes: (bytes + metadata.len()) as u64,
        inputs: program.texts(&program.inputs),
        outputs: program.texts(&program.outputs),
        operators,
        check: Check::NotRun("there is no TensorFlow in this program".into()),
    })
}

/// A message of protocol buffers is shorter than 2^31 bytes.
const MOST_BYTES: usize = 2_147_000_000;

/// The version of graphs whose meaning this is: TensorFlow 2.0's, which all since then read.
const GRAPH_VERSION: i32 = 134;
/// TensorFlow 1.12 knows all the attributes.
const LEAST_READER: i32 = 12;

fn saved(program: &Program) -> Result<SavedModel> {
    let mut nodes = Nodes::new();
    program.inputs.iter().for_each(|(_, value)| nodes.input(program, *value));
    for step in &program.steps {
        operators::add(&mut nodes, program, step)?;
    }
    let mut info = |(name, value): &(String, ValueId)| -> Result<(String, TensorInfo)> {
        let tensor = TensorInfo {
            name: format!("{}:0", nodes.value(program, *value)?),
            data_type: data_type::FLOAT,
            shape: Some(Shape::of(&program.values[*value].dims)),
        };
        Ok((name.clone(), tensor))
    };
    let signature = Signature {
        inputs: program.inputs.iter().map(&mut info).collect::<Result<_>>()?,
        outputs: program.outputs.iter().map(&mut info).collect::<Result<_>>()?,
        method: "tensorflow/serving/predict".into(),
    };
    let versions = Versions { producer: GRAPH_VERSION, min_consumer: LEAST_READER };
    Ok(SavedModel {
        schema_version: 1,
        meta_graphs: vec![MetaGraph {
            info: Some(MetaInfo { tags: vec!["serve".into()], tensorflow_version: "2.0.0".into() }),
            graph: Some(Graph { nodes: nodes.nodes, versions: Some(versions) }),
            signatures: [("serving_default".to_owned(), signature)].into(),
        }],
    })
}

/// Writes a version of a model, whole before it has its name where there was none of its number: a server may look into
/// the folder at any time.
fn written(folder: &Path, version: u64, model: &[u8], metadata: &[u8]) -> Result<PathBuf> {
    let failed = |op: &'static str, path: &Path| {
        let path = path.to_owned();
        move |source| Error::Io { op, path, source }
    };
    let place = folder.join(version.to_string());
    let is_new = !place.exists();
    let made = if is_new { folder.join(format!(".{version}.{}", std::process::id())) } else { place.clone() };
    let extra = made.join("assets.extra");
    fs::create_dir_all(&extra).map_err(failed("create", &extra))?;
    atomic_file::write(&extra.join("sconce.json"), metadata)?;
    atomic_file::write(&made.join("saved_model.pb"), model)?;
    if is_new {
        fs::rename(&made, &place).map_err(failed("rename", &made))?;
    }
    Ok(place)
}
