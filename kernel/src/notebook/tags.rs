//! What the tags of a cell ask of whoever runs the notebook or compares its outputs.

use super::document::Cell;

/// Cells that are left as they are. The names are nbclient's and nbval's.
const SKIP: [&str; 2] = ["skip-execution", "nbval-skip"];

/// Cells that may fail; the run goes on. The names are nbclient's and nbval's.
const MAY_FAIL: [&str; 2] = ["raises-exception", "nbval-raises-exception"];

/// Cells whose outputs are not compared. The second name is nbval's.
const IGNORE_OUTPUT: [&str; 2] = ["ignore-output", "nbval-ignore-output"];

impl Cell {
    /// Whether its metadata carries the tag `tag`.
    #[must_use]
    pub fn has_tag(&self, tag: &str) -> bool {
        let tags = self.metadata().and_then(|metadata| metadata.get("tags"));
        tags.and_then(|tags| tags.as_array()).is_some_and(|tags| tags.iter().any(|it| it == tag))
    }

    /// Whether it is not to be executed: it keeps the outputs that it has.
    #[must_use]
    pub fn is_skipped(&self) -> bool {
        self.has_any(&SKIP)
    }

    /// Whether its failure is no failure of the notebook.
    #[must_use]
    pub fn may_fail(&self) -> bool {
        self.has_any(&MAY_FAIL)
    }

    /// Whether its outputs may differ from run to run.
    #[must_use]
    pub fn ignores_output(&self) -> bool {
        self.has_any(&IGNORE_OUTPUT)
    }

    /// Whether what it writes to the stream `name`, `stdout` or `stderr`, may differ from run to run.
    #[must_use]
    pub fn ignores_stream(&self, name: &str) -> bool {
        self.has_tag(&format!("ignore-{name}"))
    }

    fn has_any(&self, tags: &[&str]) -> bool {
        tags.iter().any(|tag| self.has_tag(tag))
    }
}
