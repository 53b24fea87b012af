//! A run that was kept in a folder.

use std::fs;
use std::path::{Path, PathBuf};

use sconce_display::Bundle;

use super::file::RunFile;
use super::record::{HISTORY, RUN, no_run};
use super::results::{self, RunEvaluation};
use super::shortened::shortened;
use crate::plot::{Table, escape, number};
use crate::progress::duration;
use crate::rich::Rich;
use crate::train::{Evaluation, History};
use crate::{Error, Result};

/// A run that a [`RunRecord`](super::RunRecord) has kept in a folder: what it was made with and what it has brought, a value
/// that shows itself as tables and curves.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    folder: PathBuf,
    file: RunFile,
    facts: Vec<(String, String)>,
    history: History,
    evaluations: Vec<RunEvaluation>,
}

impl Run {
    /// The run in this folder. One that is still running, or has crashed, is as far as it was last written.
    ///
    /// # Errors
    /// A folder that holds no run; a file of it that is damaged or of a later release, with its name.
    pub fn open(folder: impl AsRef<Path>) -> Result<Run> {
        let folder = folder.as_ref().to_owned();
        let path = folder.join(RUN);
        if !path.exists() {
            return Err(no_run(&folder));
        }
        let file = RunFile::load(&path)?;
        let history = folder.join(HISTORY);
        let history = if history.exists() { History::load_json(history)? } else { History::default() };
        let (facts, evaluations) = (file.facts(), results::load(&folder)?);
        Ok(Run { folder, file, facts, history, evaluations })
    }

    /// All runs in the folders of this folder, by the time at which they began. Folders that hold no run are left aside.
    ///
    /// # Errors
    /// A folder that cannot be read; a damaged run, with the name of its file.
    pub fn all(folder: impl AsRef<Path>) -> Result<Vec<Run>> {
        let folder = folder.as_ref();
        let io = |source| Error::Io { op: "read", path: folder.to_owned(), source };
        let mut runs = Vec::new();
        for entry in fs::read_dir(folder).map_err(io)? {
            let path = entry.map_err(io)?.path();
            if path.join(RUN).exists() {
                runs.push(Run::open(path)?);
            }
        }
        runs.sort_by(|a, b| (&a.file.begun, &a.folder).cmp(&(&b.file.begun, &b.folder)));
        Ok(runs)
    }

    /// Where it is kept.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The name of its folder.
    #[must_use]
    pub fn name(&self) -> String {
        self.folder.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    }

    /// What it was made with, by names like `"optimizer.name"`, `"training.seed"` or `"git.commit"`, in their order.
    #[must_use]
    pub fn settings(&self) -> &[(String, String)] {
        &self.facts
    }

    /// One of [`Run::settings`].
    #[must_use]
    pub fn setting(&self, name: &str) -> Option<&str> {
        self.facts.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// How the last call of `fit` ended: `complete`, `interrupted`, `stopped: …`, `failed: …`, or `running` where it still
    /// runs or the program has crashed; `cut off` where the run went on after that. `None` before the first.
    #[must_use]
    pub fn ending(&self) -> Option<&str> {
        self.file.fits.last().map(|fit| fit.ending.as_str())
    }

    /// The time that all calls of `fit` took, in seconds; of one that has not come to its end that of its complete epochs.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        let ended: f64 = self.file.fits.iter().map(|fit| fit.seconds).sum();
        let epochs: f64 = self.history.epochs().iter().map(|epoch| epoch.seconds).sum();
        ended.max(epochs)
    }

    /// What happened in training.
    #[must_use]
    pub fn history(&self) -> &History {
        &self.history
    }

    /// What was found on parts of the data, one for each part that [`Run::save_evaluation`] was given.
    #[must_use]
    pub fn evaluations(&self) -> &[RunEvaluation] {
        &self.evaluations
    }

    /// Keeps an evaluation with the run, in the place of an earlier one of the same part.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save_evaluation(&mut self, evaluation: &Evaluation) -> Result<()> {
        results::save(&self.folder, evaluation)?;
        self.evaluations = results::load(&self.folder)?;
        Ok(())
    }

    /// Names and values of the results: of the last epoch, of the best, of the evaluations.
    pub(super) fn results(&self) -> Vec<(String, String)> {
        let mut results = vec![
            ("ending".to_owned(), self.ending().unwrap_or("no fit").to_owned()),
            ("epochs".to_owned(), self.history.len().to_string()),
            ("time".to_owned(), duration(self.seconds())),
        ];
        if let Some(last) = self.history.last() {
            results.push(("train loss".into(), number(last.train_loss)));
            if let Some(loss) = last.valid_loss {
                results.push(("valid loss".into(), number(loss)));
            }
            for (name, value) in &last.valid_metrics {
                results.push((format!("valid {name}"), number(*value)));
            }
        }
        let losses = self.history.epochs().iter().filter_map(|epoch| Some((epoch.epoch, epoch.valid_loss?)));
        if let Some((epoch, loss)) = losses.min_by(|a, b| a.1.total_cmp(&b.1)) {
            results.push(("best valid loss".into(), number(loss)));
            results.push(("in epoch".into(), epoch.to_string()));
        }
        for RunEvaluation { part, loss, metrics, .. } in &self.evaluations {
            results.push((format!("evaluated {part} loss"), number(*loss)));
            let metrics =
                metrics.iter().map(|(name, value)| (format!("evaluated {part} {name}"), number(*value)));
            results.extend(metrics);
        }
        results
    }

    /// A row for each setting and each result.
    #[must_use]
    pub fn table(&self) -> Table {
        let mut table = Table::new(&[&self.name(), ""]);
        table.push(&["begun", &self.file.begun]);
        for (name, value) in &self.facts {
            table.push(&[name.as_str(), &shortened(value)]);
        }
        for (at, fit) in self.file.fits.iter().enumerate().filter(|(_, fit)| !fit.changed.is_empty()) {
            for (name, value) in &fit.changed {
                table.push(&[format!("{name} in fit {}", at + 1), shortened(value)]);
            }
        }
        for (name, value) in self.results() {
            table.push(&[name, shortened(&value)]);
        }
        table
    }
}

impl Rich for Run {
    fn rich(&self) -> Bundle {
        let (table, history) = (self.table(), self.history.rich());
        let shown = history.forms.iter().find(|(mime, _)| mime == "text/html");
        let curves = match shown {
            Some((_, sconce_display::Content::Text(html))) => html.clone(),
            _ => format!("<pre>{}</pre>", escape(history.plain().unwrap_or_default())),
        };
        Bundle::text(format!("{}\n{}", table.text(), history.plain().unwrap_or_default())).html(format!(
            "{curves}<details><summary>settings and results</summary>{}</details>",
            table.html()
        ))
    }
}
