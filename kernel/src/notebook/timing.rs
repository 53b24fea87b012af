//! When cells ran, in the metadata where JupyterLab keeps it and its extensions look for it.

use jiff::Timestamp;
use serde_json::json;

use super::document::{Cell, Notebook};
use super::run::{CellRun, Summary};

/// The field of a cell's metadata.
const FIELD: &str = "execution";

impl Notebook {
    /// Writes into each cell that ran when it began and when it ended.
    pub fn set_timing(&mut self, summary: &Summary) {
        for run in &summary.cells {
            if let Some(cell) = self.cells.get_mut(run.index) {
                cell.set_timing(run);
            }
        }
    }
}

impl Cell {
    fn set_timing(&mut self, run: &CellRun) {
        let metadata = self.fields.entry("metadata").or_insert_with(|| json!({}));
        let Some(metadata) = metadata.as_object_mut() else { return };
        let (begun, ended) = (text(run.started), text(run.ended));
        let times = json!({
            "iopub.status.busy": begun,
            "iopub.execute_input": begun,
            "shell.execute_reply": ended,
            "iopub.status.idle": ended,
        });
        metadata.insert(FIELD.to_owned(), times);
    }

    /// Forgets when an earlier run ran it, as JupyterLab does.
    pub(super) fn clear_timing(&mut self) {
        if let Some(metadata) = self.fields.get_mut("metadata").and_then(|metadata| metadata.as_object_mut())
        {
            metadata.shift_remove(FIELD);
        }
    }
}

/// ISO 8601 in UTC, to the microsecond.
fn text(time: Timestamp) -> String {
    format!("{time:.6}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::path::Path;
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_times_of_a_cell_are_jupyterlabs() {
        let file = json!({"nbformat": 4, "cells": [
            {"cell_type": "code", "source": "1", "metadata": {"tags": ["a"]}},
            {"cell_type": "code", "source": "2", "metadata": {}},
        ]});
        let mut notebook = Notebook::parse(&file.to_string(), Path::new("x.ipynb")).unwrap();
        let run = CellRun {
            index: 0,
            number: 1,
            started: "2024-02-29T23:59:59.25Z".parse().unwrap(),
            ended: "2024-03-01T00:00:00Z".parse().unwrap(),
            elapsed: Duration::from_millis(750),
            failure: None,
            allowed: false,
        };
        let summary = Summary { total: 2, cells: vec![run], stopped: true };
        notebook.set_timing(&summary);
        let (begun, ended) = ("2024-02-29T23:59:59.250000Z", "2024-03-01T00:00:00.000000Z");
        let times = json!({"iopub.status.busy": begun, "iopub.execute_input": begun,
            "shell.execute_reply": ended, "iopub.status.idle": ended});
        let metadata = notebook.cells()[0].metadata().unwrap();
        assert_eq!((&metadata["execution"], &metadata["tags"]), (&times, &json!(["a"])));
        assert_eq!(notebook.cells()[1].metadata().unwrap().get("execution"), None);
        notebook.cells[0].clear_timing();
        assert_eq!(notebook.cells()[0].metadata().unwrap().get("execution"), None);
    }
}
