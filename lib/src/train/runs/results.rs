//! Evaluations in the folder of a run.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::data::Split;
use crate::metrics::ConfusionCounts;
use crate::train::Evaluation;
use crate::train::json_text::{Kind, Number, Pairs, Wrong, lines, map, quoted, written, wrong};
use crate::{Result, atomic_file};

const KIND: Kind = Kind { name: "evaluation", versions: 1..=2, most_bytes: 1 << 30, writer: "RunRecord" };

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
    /// How often images of each class were taken for each.
    pub confusion: ConfusionCounts,
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
    confusion: Confusion,
}

/// Format 1 has a row of counts for each true class, format 2 `[true, predicted, images]` for each pair that occurs.
#[derive(Deserialize)]
#[serde(transparent)]
struct Confusion(Vec<Vec<u64>>);

impl Confusion {
    fn counts(&self, version: u64, classes: usize) -> std::result::Result<ConfusionCounts, Wrong> {
        let Confusion(rows) = self;
        let mut counts = ConfusionCounts::new(classes);
        if version == 1 {
            if rows.len() != classes || rows.iter().any(|row| row.len() != classes) {
                return Err(wrong(format!("a confusion matrix that is not {classes} x {classes}")));
            }
            for (target, row) in (0..).zip(rows) {
                for (predicted, &images) in (0..).zip(row) {
                    counts.record_pair([target, predicted], images);
                }
            }
            return Ok(counts);
        }
        let mut before = None;
        for row in rows {
            let pair = match row.as_slice() {
                &[target, predicted, images] if images > 0 => {
                    u32::try_from(target).ok().zip(u32::try_from(predicted).ok()).map(|pair| (pair, images))
                }
                _ => None,
            };
            let known = |class: u32| (class as usize) < classes;
            match pair.filter(|((target, predicted), _)| known(*target) && known(*predicted)) {
                Some(((target, predicted), images)) if before < Some([target, predicted]) => {
                    before = Some([target, predicted]);
                    counts.record_pair([target, predicted], images);
                }
                _ => return Err(wrong(format!("{row:?} in the place of a pair of {classes} classes"))),
            }
        }
        Ok(counts)
    }
}

fn path(folder: &Path, part: &str) -> PathBuf {
    folder.join(format!("evaluation-{part}.json"))
}

/// Writes an evaluation beside the others, in the place of one of the same part.
pub(super) fn save(folder: &Path, evaluation: &Evaluation) -> Result<()> {
    let part = evaluation.split().to_string();
    let metrics = evaluation.metrics().iter().map(|(name, value)| (name.as_str(), written(*value)));
    let names: Vec<String> = evaluation.class_names().iter().map(|name| quoted(name)).collect();
    let pairs = evaluation.confusion_counts().pairs();
    let pairs = pairs.map(|([target, predicted], images)| format!("[{target},{predicted},{images}]"));
    let text = format!(
        "{{\n\"sconce\":\"{}\",\n\"version\":{},\n\"part\":{},\n\"images\":{},\n\"loss\":{},\n\"metrics\":{},\n\
         \"class_names\":[{}],\n\"confusion\":{}\n}}\n",
        KIND.name,
        KIND.versions.end(),
        quoted(&part),
        evaluation.targets().len(),
        written(evaluation.loss()),
        map(metrics),
        names.join(","),
        lines(&pairs.collect::<Vec<_>>()),
    );
    atomic_file::write(&path(folder, &part), text.as_bytes())
}

/// All evaluations that are there.
pub(super) fn load(folder: &Path) -> Result<Vec<RunEvaluation>> {
    let mut found = Vec::new();
    for part in [Split::Train, Split::Valid, Split::Test] {
        let path = path(folder, &part.to_string());
        if path.exists() {
            let refused = |wrong| KIND.refused(&path, wrong);
            let (version, whole): (_, Whole) = KIND.read(&KIND.text_of(&path)?).map_err(refused)?;
            let Whole { part, images, loss, metrics, confusion, class_names, .. } = whole;
            let confusion = confusion.counts(version, class_names.len()).map_err(refused)?;
            let metrics = metrics.0.into_iter().map(|(name, value)| (name, value.0)).collect();
            found.push(RunEvaluation { part, images, loss: loss.0, metrics, confusion, class_names });
        }
    }
    Ok(found)
}
