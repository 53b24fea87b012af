//! Weights as safetensors, and what they are of as JSON: what a program on candle needs.

use std::path::Path;

use serde_json::json;

use super::metadata::Metadata;
use super::report::{Check, Deviation, ExportReport};
use super::source::Exportable;
use crate::nn::{Operator, batch_text};
use crate::{Error, Result, atomic_file};

/// Writes a model into a folder, which is made if it is not there: `model.safetensors` with the weights under the
/// model's names, those of layers on integers as I8 beside their scales, and `config.json` with the layers (`graph`, as
/// [`Graph`](crate::nn::Graph) has them: operators, their options, inputs and the names of their tensors), `inputs`
/// with their names and shapes, the shape of the first `image` (C, H, W) among them, whether the model is on integers
/// (`quantized`) and what `metadata` tells. Batch norms are folded. The report's deviation is that of the file, opened
/// again, on random inputs.
///
/// [`Model::open`](crate::nn::Model::open) or
/// [`QuantizedModel::open`](crate::compress::QuantizedModel::open) reads the weights' file too, without the other one.
///
/// # Errors
/// If `metadata` does not fit the model's images, a layer is of code of your own (the error names it), or a file cannot
/// be written.
pub fn safetensors(
    model: &dyn Exportable,
    folder: impl AsRef<Path>,
    metadata: &Metadata,
) -> Result<ExportReport> {
    let (folder, source) = (folder.as_ref(), model.source()?);
    let op = "export::safetensors";
    let image = source.image().to_vec();
    metadata.check(op, image.first().copied().unwrap_or_default())?;
    if let Some(node) = source.graph.nodes().iter().find(|node| matches!(node.operator, Operator::Map(_))) {
        return Err(Error::Argument {
            op: format!("{op}: {}", node.label()),
            expected: "layers that a file can hold".into(),
            got: "code of your own (map)".into(),
            hint: "Build the layer of the library's operators.".into(),
        });
    }
    std::fs::create_dir_all(folder).map_err(|source| Error::Io {
        op: "create",
        path: folder.to_owned(),
        source,
    })?;
    let weights = folder.join("model.safetensors");
    source.save(&weights)?;
    let told: serde_json::Map<String, serde_json::Value> = metadata
        .entries(&image)
        .into_iter()
        .filter_map(|(key, value)| Some((key, serde_json::from_str(&value).ok()?)))
        .collect();
    let nodes = source.graph.inputs();
    let inputs: Vec<_> = nodes.iter().map(|node| json!({ "name": node.name, "shape": node.shape })).collect();
    let config = json!({
        "producer": "sconce", "quantized": source.is_quantized(), "inputs": inputs, "image": image,
        "metadata": told, "graph": source.graph
    });
    let config = serde_json::to_vec_pretty(&config).map_err(|error| Error::Argument {
        op: op.into(),
        expected: "a graph that can be written".into(),
        got: error.to_string(),
        hint: "Please report this.".into(),
    })?;
    atomic_file::write(&folder.join("config.json"), &config)?;
    let size = |path: &Path| {
        std::fs::metadata(path).map(|file| file.len()).map_err(|source| Error::Io {
            op: "read",
            path: path.to_owned(),
            source,
        })
    };
    let random = source.random_inputs(2)?;
    let (ours, theirs) = (source.forward(&random)?, source.reopened(&weights)?.forward(&random)?);
    let images = format!("random {}", source.words(&random));
    let port = |name: &str, shape: &[usize]| format!("{name} f32 {}", batch_text(shape));
    let outputs = source.graph.outputs().iter();
    Ok(ExportReport {
        format: "safetensors".into(),
        path: folder.to_owned(),
        bytes: size(&weights)? + config.len() as u64,
        inputs: nodes.iter().map(|node| port(&node.name, &node.shape)).collect(),
        outputs: outputs.map(|output| port(&output.name, &source.graph.nodes()[output.node].shape)).collect(),
        operators: ExportReport::counted(source.graph.nodes().iter().map(|node| node.operator.name())),
        check: Check::Ran {
            runtime: "sconce".into(),
            deviations: vec![Deviation::of(images, &ours, &theirs)?],
        },
    })
}
