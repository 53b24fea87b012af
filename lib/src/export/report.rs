use std::fmt;
use std::path::PathBuf;

use sconce_display::Bundle;

use crate::plot::{Table, number};
use crate::progress::bytes;
use crate::rich::Rich;

/// What an export wrote, and what became of it when it was run back.
#[derive(Debug, Clone, PartialEq)]
pub struct ExportReport {
    /// The format and its version: `ONNX, opset 17`.
    pub format: String,
    /// The file, or the folder of several.
    pub path: PathBuf,
    /// Bytes of all that was written.
    pub bytes: u64,
    /// What goes in, as text: `input f32 (batch, 3, 32, 32)`.
    pub inputs: Vec<String>,
    /// What comes out, likewise.
    pub outputs: Vec<String>,
    /// The format's operators with how often each is there, the most frequent first.
    pub operators: Vec<(String, usize)>,
    /// How far it is from the model.
    pub check: Check,
}

/// Whether an exported model was run again, and what it gave.
#[derive(Debug, Clone, PartialEq)]
pub enum Check {
    /// It was.
    Ran {
        /// In what: `onnxruntime`.
        runtime: String,
        /// How far its outputs were from the model's.
        deviations: Vec<Deviation>,
    },
    /// It was not, because of this.
    NotRun(String),
}

/// How far the outputs of an exported model are from those of the model it was made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Deviation {
    /// For which images: `random images (2, 3, 32, 32)`.
    pub images: String,
    /// The largest difference of any number of any output.
    pub largest: f64,
    /// The largest size of a number in the model's outputs, beside which the difference is to be seen.
    pub scale: f64,
}

impl ExportReport {
    /// Counts operators, the most frequent first.
    pub(crate) fn counted<'a>(operators: impl IntoIterator<Item = &'a str>) -> Vec<(String, usize)> {
        let mut counts = std::collections::BTreeMap::new();
        operators.into_iter().for_each(|name| *counts.entry(name).or_insert(0) += 1);
        let mut counts: Vec<(String, usize)> =
            counts.into_iter().map(|(name, count)| (name.to_owned(), count)).collect();
        // Names of one count stay in their order.
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        counts
    }

    fn table(&self) -> Table {
        let file = format!("{}, {}", self.path.display(), bytes(self.bytes));
        let mut table = Table::new(&[self.format.as_str(), file.as_str()]);
        let operators: Vec<String> =
            self.operators.iter().map(|(name, count)| format!("{count} {name}")).collect();
        table.push(&["in", self.inputs.join(", ").as_str()]);
        table.push(&["out", self.outputs.join(", ").as_str()]);
        table.push(&["operators", operators.join(", ").as_str()]);
        match &self.check {
            Check::Ran { runtime, deviations } => {
                for deviation in deviations {
                    table.push(&[format!("in {runtime}"), deviation.to_string()]);
                }
            }
            Check::NotRun(reason) => table.push(&["not run back", reason.as_str()]),
        }
        table
    }
}

impl Deviation {
    /// Of `theirs` from `ours`, tensors of f32 in the same order.
    pub(crate) fn of(
        images: String,
        ours: &[candle_core::Tensor],
        theirs: &[candle_core::Tensor],
    ) -> crate::Result<Deviation> {
        let (mut largest, mut scale) = (0.0_f64, 0.0_f64);
        for (one, other) in ours.iter().zip(theirs) {
            if one.dims() != other.dims() || ours.len() != theirs.len() {
                return Err(crate::Error::Shape {
                    op: "export".into(),
                    expected: crate::ops::shape_text(one.dims()),
                    got: crate::ops::shape_text(other.dims()),
                    hint: "The exported file gives other outputs than the model. Please report this.".into(),
                });
            }
            let values = |tensor: &candle_core::Tensor| tensor.flatten_all()?.to_vec1::<f32>();
            for (a, b) in values(one)?.into_iter().zip(values(other)?) {
                let far = f64::from(a - b).abs();
                // What is not a number on one side only is as far as can be.
                let far = if far.is_nan() && a.is_nan() != b.is_nan() { f64::INFINITY } else { far };
                (largest, scale) = (largest.max(far), scale.max(f64::from(a).abs()));
            }
        }
        Ok(Deviation { images, largest, scale })
    }
}

impl fmt::Display for Deviation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (largest, scale) = (number(self.largest), number(self.scale));
        write!(f, "largest deviation {largest} of outputs up to {scale}, on {}", self.images)
    }
}

impl fmt::Display for ExportReport {
    /// A line for the file, and one for each of what goes in and out, the operators and how it ran.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.table().text())
    }
}

impl Rich for ExportReport {
    fn rich(&self) -> Bundle {
        self.table().rich()
    }
}
