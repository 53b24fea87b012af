//! Compares the outputs of a fresh run with those that the notebook holds.
//!
//! Compared is what a reader of the notebook sees: streams (all that was written without something else shown
//! in between is one text, as if it had come at once), every form of a shown value, and an error's name and
//! message. Not compared are execution counts, metadata, colours and the lines of a traceback. What may differ
//! is said by tags, and by regular expressions ([`Rules`]) whose matches are masked.

mod image;
mod parts;
mod rules;
mod text;

use super::document::{Cell, Notebook};
use super::run::Summary;
use parts::Part;
pub use rules::{Rules, RulesError, pattern};
pub use text::Line;

/// A cell that shows something else than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellDifference {
    /// Its place among all cells of the notebook, from 0.
    pub index: usize,
    /// The `n` of `In [n]` in the fresh run.
    pub number: u64,
    /// What differs, in the order in which it is shown.
    pub differences: Vec<Difference>,
}

/// One output, or one form of it, that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What it is: `stdout`, `the result, image/png`, …
    pub what: String,
    /// How it differs.
    pub lines: Vec<Line>,
}

/// Compares the cells that ran, and did not fail against what their tags allow, with what they showed before.
#[must_use]
pub fn compare(stored: &Notebook, fresh: &Notebook, summary: &Summary, rules: &Rules) -> Vec<CellDifference> {
    let ran = summary.cells.iter().filter(|cell| cell.failure.is_none() || cell.allowed);
    let differing = ran.filter_map(|cell| {
        let (old, new) = (stored.cells().get(cell.index)?, fresh.cells().get(cell.index)?);
        let differences = compare_cells(old, new, cell.index, rules);
        (!differences.is_empty()).then_some(CellDifference {
            index: cell.index,
            number: cell.number,
            differences,
        })
    });
    differing.collect()
}

fn compare_cells(stored: &Cell, fresh: &Cell, index: usize, rules: &Rules) -> Vec<Difference> {
    if fresh.ignores_output() {
        return Vec::new();
    }
    // The tags of one cell, whose outputs are looked at before and after.
    let parts = |outputs: &Cell| parts::of(outputs.outputs(), fresh, &|text| rules.mask(index, text));
    let (stored, fresh) = (parts(stored), parts(fresh));
    let mut differences = Vec::new();
    for step in similar::capture_diff_slices(similar::Algorithm::Myers, &stored, &fresh) {
        if step.tag() == similar::DiffTag::Equal {
            continue;
        }
        let (mut old, mut new) = (stored[step.old_range()].iter(), fresh[step.new_range()].iter());
        loop {
            match (old.next(), new.next()) {
                (Some(old), Some(new)) => differences.extend(old.differences(new)),
                (Some(old), None) => differences.push(old.alone("is not shown any more", Line::Stored)),
                (None, Some(new)) => differences.push(new.alone("is new", Line::Fresh)),
                (None, None) => break,
            }
        }
    }
    differences
}

impl Part {
    /// An output that has no counterpart.
    fn alone(&self, how: &str, side: fn(String) -> Line) -> Difference {
        let mut lines = vec![Line::Note(how.to_owned())];
        lines.extend(text::cut(self.summary().lines().map(text::shown), side));
        Difference { what: self.name(), lines }
    }
}

#[cfg(test)]
mod tests;
