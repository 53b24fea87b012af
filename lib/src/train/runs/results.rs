//! Evaluations in the folder of a run.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::file::read;
use crate::data::Split;
use crate::train::Evaluation;
use crate::train::json_text::{Number, Pairs, map, quoted, written};
use crate::{Result, atomic_file};

const KIND: &str = "evaluation";

/// What an evaluation has found, as a run keeps it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct RunEvaluation {
    /// The part of the data, `train`, `valid` or `test`.
    pub part: String,
    /// How many images it had.
    pub images: usize,
    /// The mean loss of an image.
    pub loss: f64,
    /// The metrics by name.
    pub metrics: Vec<(String, f64)>,
    /// How often an image of the class of the row was taken for the class of the column.
    pub confusion: Vec<Vec<u64>>,
    /// The names of the classes.
    pub class_names: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Whole {
    #[serde(rename = "sconce")]
    _kind: String,
    #[serde(rename = "version")]
    _version: u64,
    part: String,
    images: usize,
    loss: Number,
    metrics: Pairs<Number>,
    class_names: Vec<String>,
    confusion: Vec<Vec<u64>>,
}

fn path(folder: &Path, part: &str) -> PathBuf {
    folder.join(format!("evaluation-{part}.json"))
}

/// Writes an evaluation beside the others, in the place of one of the same part.
pub(super) fn save(folder: &Path, evaluation: &Evaluation) -> Result<()> {
    let part = evaluation.split().to_string();
    let metrics = evaluation.metrics().iter().map(|(name, value)| (name.as_str(), written(*value)));
    let matrix = evaluation.confusion_matrix();
    let names: Vec<String> = matrix.class_names().iter().map(|name| quoted(name)).collect();
    let rows = matrix.counts().chunks(matrix.class_names().len().max(1)).map(|row| format!("{row:?}"));
    let text = format!(
        "{{\n\"sconce\":\"{KIND}\",\n\"version\":1,\n\"part\":{},\n\"images\":{},\n\"loss\":{},\n\"metrics\":{},\n\
         \"class_names\":[{}],\n\"confusion\":[\n{}\n]\n}}\n",
        quoted(&part),
        evaluation.targets().len(),
        written(evaluation.loss()),
        map(metrics),
        names.join(","),
        rows.collect::<Vec<_>>().join(",\n"),
    );
    atomic_file::write(&path(folder, &part), text.as_bytes())
}

/// All evaluations that are there.
pub(super) fn load(folder: &Path) -> Result<Vec<RunEvaluation>> {
    let mut found = Vec::new();
    for part in [Split::Train, Split::Valid, Split::Test] {
        let path = path(folder, &part.to_string());
        if path.exists() {
            let Whole { part, images, loss, metrics, confusion, class_names, .. } = read(&path, KIND)?;
            let metrics = metrics.0.into_iter().map(|(name, value)| (name, value.0)).collect();
            found.push(RunEvaluation { part, images, loss: loss.0, metrics, confusion, class_names });
        }
    }
    Ok(found)
}
