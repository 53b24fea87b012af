use std::collections::BTreeMap;
use std::path::PathBuf;

use sconce_display::Bundle;

use crate::checkpoint::{Checkpoint, OtherEntry};
use crate::plot::{Table, count, escape};
use crate::rich::Rich;
use crate::tensor_file::{list, problems};
use crate::{Error, Result};

/// What happens where a file and a model do not have the same tensors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loading {
    /// It is an error.
    Strict,
    /// What fits is taken over, the rest stays as it is: the way to start from a model for other classes.
    Partial,
}

/// A tensor that the file has in another form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// Its name in the model.
    pub name: String,
    /// Its shape in the model.
    pub model: Vec<usize>,
    /// Type and shape in the file: `F32 (1000, 512)`.
    pub file: String,
}

/// What [`crate::nn::Model::load`] took over and what not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadReport {
    /// The file.
    pub path: PathBuf,
    /// Names in the model of what was taken over.
    pub loaded: Vec<String>,
    /// Names in the model of what the file does not have.
    pub missing: Vec<String>,
    /// Names in the file of what the model does not have.
    pub unexpected: Vec<String>,
    /// What both have in different forms.
    pub mismatched: Vec<Mismatch>,
    /// How many of the tensors taken over were of another type than f32, by type.
    pub converted: BTreeMap<String, usize>,
    /// Whose names the file has, where they are not the model's: `timm`.
    pub spelling: Option<String>,
    /// What else is in the file.
    pub others: Vec<OtherEntry>,
}

impl LoadReport {
    /// Refuses what `loading` does not allow.
    pub(super) fn check(&self, checkpoint: &Checkpoint, loading: Loading) -> Result<()> {
        let total = self.loaded.len() + self.missing.len() + self.mismatched.len();
        let refused = |got: String, hint: &str| Error::Format {
            path: checkpoint.path().to_owned(),
            expected: format!("the {total} tensors of this model"),
            got,
            hint: hint.into(),
        };
        let different: Vec<String> = self.mismatched.iter().map(Mismatch::text).collect();
        let problems = problems([
            ("missing", self.missing.clone()),
            ("unexpected", self.unexpected.clone()),
            ("different", different),
        ]);
        match (loading, problems) {
            (Loading::Strict, Some(problems)) => Err(refused(
                problems,
                "It must come from a model of the same layers, names and sizes; `Loading::Partial` takes over \
                 what fits.",
            )),
            (Loading::Partial, Some(problems)) if self.loaded.is_empty() => Err(refused(
                format!("none of them: {problems}"),
                "Is it the checkpoint of another architecture?",
            )),
            _ => Ok(()),
        }
    }

    fn table(&self) -> Table {
        let mut table = Table::new(&["tensor", "", "model", "file"]);
        for mismatch in &self.mismatched {
            let shape = crate::ops::shape_text(&mismatch.model);
            table.push(&[&mismatch.name, "different", &shape, &mismatch.file]);
        }
        for name in &self.missing {
            table.push(&[name.as_str(), "missing", "kept", ""]);
        }
        for name in &self.unexpected {
            table.push(&[name.as_str(), "unexpected", "", "left out"]);
        }
        table
    }

    fn lines(&self) -> Vec<String> {
        let total = self.loaded.len() + self.missing.len() + self.mismatched.len();
        let spelling = self.spelling.as_ref().map_or(String::new(), |title| format!(", names as in {title}"));
        let mut lines = vec![format!(
            "{} of {} tensors from {}{spelling}",
            count(self.loaded.len()),
            count(total),
            self.path.display()
        )];
        for (dtype, number) in &self.converted {
            lines.push(format!("{} of them were {dtype} and are now F32", count(*number)));
        }
        if !self.others.is_empty() {
            let others = self.others.iter().map(|other| format!("{}: {}", other.name, other.what));
            lines.push(list("also in the file:", &others.collect::<Vec<_>>()));
        }
        lines
    }

    /// What was taken over, and a table of what was not, in plain text.
    #[must_use]
    pub fn text(&self) -> String {
        let table = self.table();
        let table = if table.is_empty() { String::new() } else { table.text() };
        format!("{}\n{table}", self.lines().join("\n"))
    }
}

impl Mismatch {
    fn text(&self) -> String {
        format!("{}: {} instead of {}", self.name, self.file, crate::tensor_file::kind(&self.model, "F32"))
    }
}

impl Rich for LoadReport {
    fn rich(&self) -> Bundle {
        let table = self.table();
        let lines: String = self.lines().iter().map(|line| format!("<div>{}</div>", escape(line))).collect();
        let table = if table.is_empty() { String::new() } else { table.html() };
        Bundle::text(self.text()).html(format!("{lines}{table}"))
    }
}
