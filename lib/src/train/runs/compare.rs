//! Several runs side by side.

use std::collections::BTreeMap;

use sconce_display::Bundle;

use super::run::Run;
use super::shortened::told_apart;
use crate::plot::{Panels, Table, escape};
use crate::rich::Rich;
use crate::{Error, Result};

/// Runs side by side: a value that shows itself as one plot of all their curves, and a table of the settings in which they
/// differ and of their results. [`compare`] makes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    names: Vec<String>,
    differences: Table,
    same: usize,
    results: Table,
    curves: Panels,
}

/// Puts two or more runs side by side.
///
/// ```no_run
/// use sconce::train::{Run, compare};
/// # fn main() -> sconce::Result<()> {
/// let both = compare(&[Run::open("runs/first")?, Run::open("runs/second")?])?;
/// # Ok(()) }
/// ```
///
/// # Errors
/// Fewer than two runs; the same folder twice.
pub fn compare(runs: &[Run]) -> Result<Comparison> {
    let refused = |expected: &str, got: String, hint: &str| Error::Argument {
        op: "train::compare".into(),
        expected: expected.into(),
        got,
        hint: hint.into(),
    };
    if runs.len() < 2 {
        return Err(refused("at least two runs", runs.len().to_string(), "One shows itself."));
    }
    for (at, run) in runs.iter().enumerate() {
        if runs[..at].iter().any(|other| other.folder() == run.folder()) {
            let hint = "Compare a run with another.";
            return Err(refused("different runs", format!("{} twice", run.folder().display()), hint));
        }
    }
    let names = names_of(runs);
    let settings: Vec<Vec<(String, String)>> = runs.iter().map(|run| run.settings().to_vec()).collect();
    let results: Vec<Vec<(String, String)>> = runs.iter().map(Run::results).collect();
    let (differences, same) = rows("setting", &names, &settings, Rows::ThatDiffer);
    let (results, _) = rows("result", &names, &results, Rows::All);
    let named = names.iter().zip(runs).map(|(name, run)| (name.as_str(), run.history().curves()));
    let curves = Panels::of_runs(&named.collect::<Vec<_>>());
    Ok(Comparison { names, differences, same, results, curves })
}

/// Which rows a table shows.
#[derive(Clone, Copy, PartialEq)]
enum Rows {
    All,
    ThatDiffer,
}

/// A row for each name that some run has a value for, and how many were left out.
fn rows(title: &str, names: &[String], runs: &[Vec<(String, String)>], which: Rows) -> (Table, usize) {
    let columns = [title.to_owned()].into_iter().chain(names.iter().cloned());
    let mut table = Table::new(&columns.collect::<Vec<_>>().iter().map(String::as_str).collect::<Vec<_>>());
    let mut same = 0;
    for name in merged(runs) {
        let values: Vec<Option<&str>> = runs
            .iter()
            .map(|facts| facts.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str()))
            .collect();
        if which == Rows::ThatDiffer && values.windows(2).all(|pair| pair[0] == pair[1]) {
            same += 1;
            continue;
        }
        let mut known = told_apart(&values.iter().copied().flatten().collect::<Vec<_>>()).into_iter();
        let cells =
            values.iter().map(|value| value.and_then(|_| known.next()).unwrap_or_else(|| "–".to_owned()));
        table.push(&[name].into_iter().chain(cells).collect::<Vec<_>>());
    }
    (table, same)
}

/// All names, each where the run that first has it has it.
fn merged(runs: &[Vec<(String, String)>]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for facts in runs {
        let mut place = 0;
        for (name, _) in facts {
            match names.iter().position(|known| known == name) {
                Some(known) => place = known + 1,
                None => {
                    names.insert(place, name.clone());
                    place += 1;
                }
            }
        }
    }
    names
}

/// The folders' names; with the folder above where two are the same.
fn names_of(runs: &[Run]) -> Vec<String> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for run in runs {
        *counts.entry(run.name()).or_default() += 1;
    }
    let name = |run: &Run| match counts.get(&run.name()) {
        Some(1) => run.name(),
        _ => run.folder().display().to_string(),
    };
    runs.iter().map(name).collect()
}

impl Comparison {
    /// A row for each setting in which the runs differ.
    #[must_use]
    pub fn differences(&self) -> &Table {
        &self.differences
    }

    /// A row for each result.
    #[must_use]
    pub fn results(&self) -> &Table {
        &self.results
    }

    /// Losses, metrics and learning rates over the epochs, a curve for each run.
    #[must_use]
    pub fn curves(&self) -> &Panels {
        &self.curves
    }

    fn same_text(&self) -> String {
        match (self.differences.is_empty(), self.same) {
            (true, same) => format!("all {same} settings are the same"),
            (false, same) => format!("{same} other settings are the same"),
        }
    }
}

impl Rich for Comparison {
    fn rich(&self) -> Bundle {
        let differences = |table: String| if self.differences.is_empty() { String::new() } else { table };
        let picture = self.curves.html().unwrap_or_else(|error| escape(&error.to_string()));
        Bundle::text(format!(
            "{}{}\n\n{}",
            differences(self.differences.text()),
            self.same_text(),
            self.results.text()
        ))
        .html(format!(
            "{picture}{}<small>{}</small>{}",
            differences(self.differences.html()),
            escape(&self.same_text()),
            self.results.html()
        ))
    }
}
