//! A history as JSON, from which it comes back bit for bit.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::history::{Epoch, History, Step};
use super::json_text::{Kind, Number, Pairs, Wrong, lines, map, quoted, written, wrong};
use crate::data::{SkipReport, Skipped};
use crate::{Error, Result, atomic_file};

const KIND: Kind = Kind {
    name: "history",
    versions: 1..=2,
    // 64 bytes a step, of ten million steps.
    most_bytes: 1 << 30,
    writer: "History::save_json",
};

impl History {
    /// All that is known of the training, as JSON: `epochs`, a row each; `steps`, columns of equal length; what was
    /// `skipped`. Numbers are written so that they read back as the same, bit for bit; infinity and NaN, which JSON
    /// has no numbers for, as `"inf"`, `"-inf"` and `"NaN"`. The same history gives the same text.
    #[must_use]
    pub fn to_json(&self) -> String {
        let epochs: Vec<String> = self.epochs.iter().map(epoch_text).collect();
        let column = |of: fn(&Step) -> f64| {
            let values: Vec<String> = self.steps.iter().map(|step| written(of(step))).collect();
            format!("[{}]", values.join(","))
        };
        format!(
            "{{\n\"sconce\":\"{}\",\n\"version\":{},\n\"epochs\":{},\n\"steps\":{{\n\"at\":{},\n\"loss\":{},\n\
             \"learning_rate\":{}\n}},\n\"skipped\":{{\"train\":{},\"valid\":{}}}\n}}\n",
            KIND.name,
            KIND.versions.end(),
            lines(&epochs),
            column(|step| step.at),
            column(|step| step.loss),
            column(|step| step.learning_rate),
            skipped_text(&self.skipped_train),
            skipped_text(&self.skipped_valid),
        )
    }

    /// The history of which [`History::to_json`] is `text`.
    ///
    /// # Errors
    /// When it is no JSON, cut off, of another kind or of a later version, or contradicts itself; the error says
    /// where.
    pub fn from_json(text: &str) -> Result<History> {
        read(text).map_err(|Wrong { got, hint }| Error::Argument {
            op: "History::from_json".into(),
            expected: "the text that History::to_json gives".into(),
            got,
            hint: hint.into(),
        })
    }

    /// Writes [`History::to_json`] to a file, which is whole or as it was before.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save_json(&self, path: impl AsRef<Path>) -> Result<()> {
        atomic_file::write(path.as_ref(), self.to_json().as_bytes())
    }

    /// The history that [`History::save_json`] wrote.
    ///
    /// # Errors
    /// A file that cannot be read, and as [`History::from_json`].
    pub fn load_json(path: impl AsRef<Path>) -> Result<History> {
        let path = path.as_ref();
        read(&KIND.text_of(path)?).map_err(|wrong| KIND.refused(path, wrong))
    }
}

fn epoch_text(epoch: &Epoch) -> String {
    let metrics =
        |metrics: &[(String, f64)]| map(metrics.iter().map(|(name, value)| (name.as_str(), written(*value))));
    format!(
        "{{\"epoch\":{},\"train_loss\":{},\"train_metrics\":{},\"valid_loss\":{},\"valid_metrics\":{},\
         \"learning_rate\":{},\"mixed\":{},\"skipped\":{},\"seconds\":{},\"images_per_second\":{}}}",
        epoch.epoch,
        written(epoch.train_loss),
        metrics(&epoch.train_metrics),
        epoch.valid_loss.map_or_else(|| "null".to_owned(), written),
        metrics(&epoch.valid_metrics),
        written(epoch.learning_rate),
        epoch.mixed,
        epoch.skipped,
        written(epoch.seconds),
        written(epoch.images_per_second),
    )
}

fn skipped_text(report: &SkipReport) -> String {
    let samples = report.samples.iter().map(|Skipped { index, id, path, error }| {
        // Of a path that is no text, what can be read of it.
        let path = path.as_ref().map_or_else(|| "null".to_owned(), |path| quoted(&path.to_string_lossy()));
        format!("{{\"index\":{index},\"id\":{},\"path\":{path},\"error\":{}}}", quoted(id), quoted(error))
    });
    lines(&samples.collect::<Vec<_>>())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Whole {
    #[serde(rename = "sconce")]
    _kind: String,
    #[serde(rename = "version")]
    _version: u64,
    epochs: Vec<EpochRow>,
    steps: StepColumns,
    skipped: SkippedParts,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EpochRow {
    epoch: usize,
    train_loss: Number,
    train_metrics: Pairs<Number>,
    valid_loss: Option<Number>,
    valid_metrics: Pairs<Number>,
    learning_rate: Number,
    /// Format 1 has it not.
    mixed: Option<bool>,
    skipped: usize,
    seconds: Number,
    images_per_second: Number,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StepColumns {
    at: Vec<Number>,
    loss: Vec<Number>,
    learning_rate: Vec<Number>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SkippedParts {
    train: Vec<SkippedRow>,
    valid: Vec<SkippedRow>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SkippedRow {
    index: usize,
    id: String,
    path: Option<PathBuf>,
    error: String,
}

fn read(text: &str) -> std::result::Result<History, Wrong> {
    let (version, whole): (u64, Whole) = KIND.read(text)?;
    let StepColumns { at, loss, learning_rate } = whole.steps;
    if at.len() != loss.len() || at.len() != learning_rate.len() {
        let lengths = [at.len(), loss.len(), learning_rate.len()];
        return Err(wrong(format!("columns of steps that are {lengths:?} long")));
    }
    let columns = at.into_iter().zip(loss).zip(learning_rate);
    let steps: Vec<Step> =
        columns.map(|((at, loss), rate)| Step { at: at.0, loss: loss.0, learning_rate: rate.0 }).collect();
    let in_order = |pair: &[Step]| pair[0].at < pair[1].at;
    if let Some(place) = steps.windows(2).position(|pair| !in_order(pair)) {
        return Err(wrong(format!("step {} that does not come after the one before it", place + 2)));
    }
    let epochs = whole.epochs.into_iter().enumerate().map(|(place, row)| epoch(version, place + 1, row));
    Ok(History {
        epochs: epochs.collect::<std::result::Result<_, _>>()?,
        steps,
        skipped_train: report(whole.skipped.train)?,
        skipped_valid: report(whole.skipped.valid)?,
    })
}

fn epoch(version: u64, number: usize, row: EpochRow) -> std::result::Result<Epoch, Wrong> {
    if row.epoch != number {
        return Err(wrong(format!("epoch {} in the place of epoch {number}", row.epoch)));
    }
    for Pairs(metrics) in [&row.train_metrics, &row.valid_metrics] {
        let mut names = BTreeSet::new();
        if let Some((name, _)) = metrics.iter().find(|(name, _)| !names.insert(name)) {
            return Err(wrong(format!("metric {name:?} twice in epoch {number}")));
        }
    }
    let mixed = match (version, row.mixed) {
        (1, None) => row.train_metrics.0.is_empty() && !row.valid_metrics.0.is_empty(),
        (2.., Some(mixed)) => mixed,
        (_, mixed) => {
            let with = if mixed.is_some() { "with" } else { "without" };
            return Err(wrong(format!("epoch {number} {with} \"mixed\" in format {version}")));
        }
    };
    let values =
        |Pairs(metrics): Pairs<Number>| metrics.into_iter().map(|(name, value)| (name, value.0)).collect();
    Ok(Epoch {
        epoch: row.epoch,
        train_loss: row.train_loss.0,
        train_metrics: values(row.train_metrics),
        valid_loss: row.valid_loss.map(|loss| loss.0),
        valid_metrics: values(row.valid_metrics),
        learning_rate: row.learning_rate.0,
        mixed,
        skipped: row.skipped,
        seconds: row.seconds.0,
        images_per_second: row.images_per_second.0,
    })
}

fn report(rows: Vec<SkippedRow>) -> std::result::Result<SkipReport, Wrong> {
    if let Some(pair) = rows.windows(2).find(|pair| pair[0].index >= pair[1].index) {
        return Err(wrong(format!("skipped samples out of order at {}", pair[1].index)));
    }
    let samples =
        rows.into_iter().map(|SkippedRow { index, id, path, error }| Skipped { index, id, path, error });
    Ok(SkipReport { samples: samples.collect() })
}
