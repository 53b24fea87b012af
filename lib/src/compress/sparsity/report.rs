use std::fmt;

use sconce_display::Bundle;

use super::weights::{Weight, opaque};
use crate::Result;
use crate::nn::Model;
use crate::plot::{Bars, Table, count, escape, percent, svg_in_html};
use crate::progress::bytes;
use crate::rich::Rich;

/// Bars of the picture; the table has more.
const BARS: usize = 24;
/// Rows of the table.
const ROWS: usize = 200;

/// How many weights of one tensor are held at 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerSparsity {
    /// The tensor: `stem.weight`.
    pub name: String,
    /// Its values.
    pub weights: usize,
    /// Those of them that are held at 0.
    pub held: usize,
}

impl LayerSparsity {
    /// The share of its values that is held at 0.
    #[must_use]
    pub fn sparsity(&self) -> f64 {
        self.held as f64 / self.weights.max(1) as f64
    }
}

/// Something that keeps all its weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// The tensor, or the layer.
    pub name: String,
    /// Why.
    pub reason: LeftOutReason,
}

/// Why something keeps all its weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeftOutReason {
    /// It was asked for.
    Excluded,
    /// Its inputs are no multiple of a group.
    Inputs {
        /// How many it has.
        inputs: usize,
        /// What a group has.
        of: usize,
    },
    /// It is code of the user's, and which of its parameters are weights is not known.
    OwnCode,
}

impl fmt::Display for LeftOutReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LeftOutReason::Excluded => write!(f, "excluded"),
            LeftOutReason::Inputs { inputs, of } => write!(f, "{inputs} inputs, no multiple of {of}"),
            LeftOutReason::OwnCode => write!(f, "code of your own, whose weights are not known"),
        }
    }
}

/// How many weights of a model are held at 0, and what it takes on disk. Made by [`super::prune_weights`] and [`SparsityReport::of`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SparsityReport {
    layers: Vec<LayerSparsity>,
    left_out: Vec<LeftOut>,
    parameters: usize,
    bytes: [usize; 2],
}

impl SparsityReport {
    /// Of a model as it is now.
    ///
    /// # Errors
    /// If there is not enough memory.
    pub fn of(model: &Model) -> Result<SparsityReport> {
        SparsityReport::new(model, opaque(model.graph()))
    }

    pub(super) fn new(model: &Model, left_out: Vec<LeftOut>) -> Result<SparsityReport> {
        let masks = model.mask_tensors();
        let mut layers = Vec::new();
        for weight in Weight::of(model.graph()) {
            let held = match &masks[weight.tensor] {
                None => 0,
                Some(mask) => {
                    mask.flatten_all()?.to_vec1::<u8>()?.iter().filter(|&&value| value == 0).count()
                }
            };
            layers.push(LayerSparsity { weights: weight.len(), name: weight.name, held });
        }
        Ok(SparsityReport {
            layers,
            left_out,
            parameters: model.num_parameters(),
            bytes: model.stored_bytes()?,
        })
    }

    /// The weights, layer by layer; biases and norms are not among them.
    #[must_use]
    pub fn layers(&self) -> &[LayerSparsity] {
        &self.layers
    }

    /// What was left out, and why.
    #[must_use]
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    /// The share of all weights that is held at 0.
    #[must_use]
    pub fn sparsity(&self) -> f64 {
        let sum = |of: fn(&LayerSparsity) -> usize| self.layers.iter().map(of).sum::<usize>();
        sum(|layer| layer.held) as f64 / sum(|layer| layer.weights).max(1) as f64
    }

    /// All parameters, biases and norms too.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.parameters
    }

    /// Those of them that are not held at 0.
    #[must_use]
    pub fn parameters_left(&self) -> usize {
        self.parameters - self.layers.iter().map(|layer| layer.held).sum::<usize>()
    }

    /// Bytes of all tensors in a file of [`Model::save`], without the description that stands before them.
    #[must_use]
    pub fn bytes_dense(&self) -> usize {
        self.bytes[0]
    }

    /// The same in a file of [`Model::save_compact`].
    #[must_use]
    pub fn bytes_compact(&self) -> usize {
        self.bytes[1]
    }

    /// The share of each layer that is held at 0, of the largest layers where there are many, with a mark at that of all.
    ///
    /// # Errors
    /// A fault of ours.
    pub fn bars(&self) -> Result<Bars> {
        let mut shown: Vec<usize> = (0..self.layers.len()).collect();
        shown.sort_by_key(|&at| std::cmp::Reverse(self.layers[at].weights));
        shown.truncate(BARS);
        shown.sort_unstable();
        let title = match self.layers.len() - shown.len() {
            0 => "weights held at 0".to_owned(),
            more => format!("weights held at 0, the {} largest of {}", shown.len(), shown.len() + more),
        };
        let mut bars = Bars::new(&title);
        for layer in shown.into_iter().map(|at| &self.layers[at]) {
            let note = format!("{} of {}", percent(layer.sparsity()), count(layer.weights));
            bars = bars.bar(&layer.name, layer.sparsity(), &note)?;
        }
        bars.mark(self.sparsity(), "all")
    }

    fn lines(&self) -> Vec<String> {
        let left = self.parameters_left();
        let mut lines = vec![
            format!(
                "{} of all weights held at 0, {} of {} parameters left ({})",
                percent(self.sparsity()),
                count(left),
                count(self.parameters),
                percent(left as f64 / self.parameters.max(1) as f64)
            ),
            format!("on disk {}, compact {}", bytes(self.bytes[0] as u64), bytes(self.bytes[1] as u64)),
        ];
        if !self.left_out.is_empty() {
            let names: Vec<String> =
                self.left_out.iter().map(|left| format!("{} ({})", left.name, left.reason)).collect();
            lines.push(crate::tensor_file::list("left out:", &names));
        }
        lines
    }

    fn table(&self) -> Table {
        let mut table = Table::new(&["weights", "values", "held at 0", "sparsity"]);
        for layer in self.layers.iter().take(ROWS) {
            table.push(&[&layer.name, &count(layer.weights), &count(layer.held), &percent(layer.sparsity())]);
        }
        table
    }
}

impl Rich for SparsityReport {
    fn rich(&self) -> Bundle {
        let more = match self.layers.len().saturating_sub(ROWS) {
            0 => String::new(),
            more => format!("and {more} more\n"),
        };
        let (lines, table) = (self.lines(), self.table());
        let text = format!("{}\n{}{more}", lines.join("\n"), table.text());
        let lines: String = lines.iter().map(|line| format!("<div>{}</div>", escape(line))).collect();
        let picture = self.bars().and_then(|bars| Ok((bars.svg()?, bars.text())));
        match picture {
            Ok((svg, words)) => {
                let html = format!(
                    "{lines}{}{}{}",
                    svg_in_html(&svg, words.trim_end()),
                    table.html(),
                    escape(&more)
                );
                Bundle::text(text).html(html)
            }
            Err(error) => Bundle::text(format!("{text}({error})\n")),
        }
    }
}
