//! Samples that could not be loaded.

use std::path::PathBuf;

use sconce_display::Bundle;

use crate::plot::{Table, count};
use crate::rich::Rich;

/// What happens when a sample cannot be read or changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnError {
    /// Its batch is the error.
    #[default]
    Fail,
    /// It is left out of its batch, which is smaller, and noted: [`crate::data::Batches::skipped`]. A batch
    /// of which nothing is left does not come.
    Skip,
}

/// A sample that was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Where it stands in the data set.
    pub index: usize,
    /// What it is called there.
    pub id: String,
    /// Its file, where it has one of its own.
    pub path: Option<PathBuf>,
    /// What was wrong.
    pub error: String,
}

/// The samples that were left out, in the order in which they would have come.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SkipReport {
    /// One entry each time that one was left out.
    pub samples: Vec<Skipped>,
}

/// A report lists so many samples.
const LISTED: usize = 50;

impl SkipReport {
    fn headline(&self) -> String {
        match self.samples.len() {
            0 => "no sample was skipped".to_owned(),
            1 => "1 sample was skipped".to_owned(),
            more => format!("{} samples were skipped", count(more)),
        }
    }

    /// The first samples, each with what was wrong, and how many there are beyond.
    fn listed(&self) -> (Table, String) {
        let mut table = Table::new(&["index", "sample", "why"]);
        for Skipped { index, id, path, error } in self.samples.iter().take(LISTED) {
            let name = path.as_ref().map_or_else(|| id.clone(), |path| path.display().to_string());
            table.push(&[index.to_string(), name, error.clone()]);
        }
        match self.samples.len().saturating_sub(LISTED) {
            0 => (table, String::new()),
            more => (table, format!("and {} more\n", count(more))),
        }
    }

    pub(crate) fn text(&self) -> String {
        if self.samples.is_empty() {
            return format!("{}\n", self.headline());
        }
        let (table, more) = self.listed();
        format!("{}\n{}{more}", self.headline(), table.text())
    }

    pub(crate) fn html(&self) -> String {
        if self.samples.is_empty() {
            return self.headline();
        }
        let (table, more) = self.listed();
        format!("{}{}<small>{more}</small>", self.headline(), table.html())
    }
}

impl Rich for SkipReport {
    fn rich(&self) -> Bundle {
        match self.samples.is_empty() {
            true => Bundle::text(self.text()),
            false => Bundle::text(self.text()).html(self.html()),
        }
    }
}
