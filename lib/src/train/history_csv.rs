//! A history as tables for other programs.

use std::path::Path;

use super::history::{History, value};
use crate::{Result, atomic_file};

/// The columns that every history has; those of metrics stand behind them, so that none of these ever moves.
const COLUMNS: [&str; 7] =
    ["epoch", "train_loss", "valid_loss", "learning_rate", "skipped", "seconds", "images_per_second"];

impl History {
    /// A row for each complete epoch, as CSV (RFC 4180, lines that end with a line feed): `epoch`, `train_loss`,
    /// `valid_loss`, `learning_rate`, `skipped`, `seconds`, `images_per_second`, then `train_…` and `valid_…` of each
    /// metric in the order in which they came. A metric that comes later adds its columns at the end, and a cell
    /// without a value is empty. Numbers are written so that they read back as the same.
    #[must_use]
    pub fn to_csv(&self) -> String {
        let names = self.metric_names();
        let metrics = names.iter().flat_map(|name| [format!("train_{name}"), format!("valid_{name}")]);
        let mut text = line(COLUMNS.iter().map(|&name| name.to_owned()).chain(metrics));
        for epoch in &self.epochs {
            let or_empty = |value: Option<f64>| value.map_or_else(String::new, shortest);
            let mut cells = vec![
                epoch.epoch.to_string(),
                shortest(epoch.train_loss),
                or_empty(epoch.valid_loss),
                shortest(epoch.learning_rate),
                epoch.skipped.to_string(),
                shortest(epoch.seconds),
                shortest(epoch.images_per_second),
            ];
            for name in &names {
                cells.extend(
                    [&epoch.train_metrics, &epoch.valid_metrics]
                        .map(|metrics| or_empty(value(metrics, name))),
                );
            }
            text += &line(cells.into_iter());
        }
        text
    }

    /// A row for each training step, as CSV: `step` from 1, `epoch` where it ends (1.5 in the middle of the second),
    /// `loss`, `learning_rate`.
    #[must_use]
    pub fn steps_to_csv(&self) -> String {
        let mut text = line(["step", "epoch", "loss", "learning_rate"].map(str::to_owned).into_iter());
        for (place, step) in self.steps.iter().enumerate() {
            let numbers = [step.at, step.loss, step.learning_rate].map(shortest);
            text += &line([(place + 1).to_string()].into_iter().chain(numbers));
        }
        text
    }

    /// Writes [`History::to_csv`] to a file, which is whole or as it was before. It is written anew each time, so that
    /// its header always fits its rows.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save_csv(&self, path: impl AsRef<Path>) -> Result<()> {
        atomic_file::write(path.as_ref(), self.to_csv().as_bytes())
    }

    /// Writes [`History::steps_to_csv`] to a file in the same way.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save_steps_csv(&self, path: impl AsRef<Path>) -> Result<()> {
        atomic_file::write(path.as_ref(), self.steps_to_csv().as_bytes())
    }
}

/// The shortest text that reads back as the same number.
fn shortest(value: f64) -> String {
    format!("{value:?}")
}

fn line(cells: impl Iterator<Item = String>) -> String {
    let quoted = cells.map(|cell| match cell.contains(['"', ',', '\n', '\r']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell,
    });
    quoted.collect::<Vec<_>>().join(",") + "\n"
}
