//! What in the outputs of a notebook may differ from run to run.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use regex::{Regex, RegexBuilder};
use serde_json::{Map, Value};

use crate::notebook::document::{CellKind, Notebook};

/// Stands where a match was masked.
const MASK: &str = "…";

/// The regular expressions whose matches are masked before outputs are compared: those of the command line,
/// and the lists `sconce.check.ignore` in the metadata of the notebook and of its cells.
#[derive(Debug)]
pub struct Rules {
    everywhere: Vec<Regex>,
    cells: HashMap<usize, Vec<Regex>>,
}

/// Why a notebook cannot be checked.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// There is nothing to compare with.
    #[error("{} holds no outputs to compare with: none of its cells was ever executed", path.display())]
    NeverExecuted {
        /// The notebook.
        path: PathBuf,
    },
    /// The metadata says something that is not understood.
    #[error("{}: {place}: {message}", path.display())]
    Metadata {
        /// The notebook.
        path: PathBuf,
        /// Where it stands, e.g. `metadata.sconce.check.ignore of cell 3`.
        place: String,
        /// What is wrong with it.
        message: String,
    },
}

impl RulesError {
    /// What to do about it.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            RulesError::NeverExecuted { path } => {
                format!("store them first: sconce run --in-place {}", path.display())
            }
            RulesError::Metadata { .. } => {
                r#"it looks like this: "sconce": {"check": {"ignore": ["\\d+ images/s"]}}"#.to_owned()
            }
        }
    }
}

impl Rules {
    /// The rules for a notebook that has been read from `path` and not yet run again.
    pub fn of(notebook: &Notebook, path: &Path, ignore: &[Regex]) -> Result<Rules, RulesError> {
        let mut to_run = notebook.cells().iter().filter(|cell| {
            cell.kind() == CellKind::Code && !cell.is_skipped() && !cell.source().trim().is_empty()
        });
        let mut rules = Rules { everywhere: ignore.to_vec(), cells: HashMap::new() };
        let wrong = |place: String, message| RulesError::Metadata { path: path.to_owned(), place, message };
        let metadata = notebook.metadata();
        rules.everywhere.extend(read(metadata).map_err(|(place, message)| wrong(place, message))?);
        for (index, cell) in notebook.cells().iter().enumerate() {
            let patterns = read(cell.metadata())
                .map_err(|(place, message)| wrong(format!("{place} of cell {}", index + 1), message))?;
            rules.cells.insert(index, patterns);
        }
        let untouched =
            to_run.clone().all(|cell| cell.execution_count().is_none() && cell.outputs().is_empty());
        if to_run.next().is_some() && untouched {
            return Err(RulesError::NeverExecuted { path: path.to_owned() });
        }
        Ok(rules)
    }

    /// The text with all matches masked that the cell with this index may show differently.
    pub(super) fn mask(&self, index: usize, text: &str) -> String {
        let own = self.cells.get(&index).into_iter().flatten();
        self.everywhere.iter().chain(own).fold(text.to_owned(), |text, pattern| {
            pattern.replace_all(&text, regex::NoExpand(MASK)).into_owned()
        })
    }
}

/// A regular expression of a rule; `^` and `$` stand for the ends of lines.
pub fn pattern(text: &str) -> Result<Regex, String> {
    let pattern = RegexBuilder::new(text)
        .multi_line(true)
        .build()
        .map_err(|error| format!("`{text}` is not a regular expression: {error}"))?;
    if pattern.is_match("") {
        return Err(format!("`{text}` matches even empty text, so it would mask nothing that can be named"));
    }
    Ok(pattern)
}

/// The patterns of `sconce.check.ignore`, or where the metadata is wrong, and how.
fn read(metadata: Option<&Map<String, Value>>) -> Result<Vec<Regex>, (String, String)> {
    let mut place = "metadata".to_owned();
    let mut fields = metadata;
    for name in ["sconce", "check"] {
        let Some(value) = fields.and_then(|fields| fields.get(name)) else { return Ok(Vec::new()) };
        place = format!("{place}.{name}");
        let Some(inner) = value.as_object() else {
            return Err((place, format!("expected an object, got {value}")));
        };
        fields = Some(inner);
    }
    let Some(fields) = fields else { return Ok(Vec::new()) };
    if let Some(unknown) = fields.keys().find(|key| *key != "ignore") {
        return Err((place, format!("`{unknown}` is not known, only `ignore` is")));
    }
    let Some(value) = fields.get("ignore") else { return Ok(Vec::new()) };
    place.push_str(".ignore");
    let list = value.as_array().and_then(|list| list.iter().map(Value::as_str).collect::<Option<Vec<_>>>());
    let Some(list) = list else {
        return Err((place, format!("expected a list of regular expressions, got {value}")));
    };
    let patterns = list.into_iter().map(pattern).collect::<Result<Vec<_>, _>>();
    patterns.map_err(|message| (place, message))
}
