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

impl Rich for SkipReport {
    fn rich(&self) -> Bundle {
        let headline = match self.samples.len() {
            0 => "no sample was skipped".to_owned(),
            1 => "1 sample was skipped".to_owned(),
            more => format!("{} samples were skipped", count(more)),
        };
        let mut table = Table::new(&["index", "sample", "why"]);
        for Skipped { index, id, path, error } in &self.samples {
            let name = path.as_ref().map_or_else(|| id.clone(), |path| path.display().to_string());
            table.push(&[index.to_string(), name, error.clone()]);
        }
        if self.samples.is_empty() {
            return Bundle::text(format!("{headline}\n"));
        }
        Bundle::text(format!("{headline}\n{}", table.text())).html(format!("{headline}{}", table.html()))
    }
}
