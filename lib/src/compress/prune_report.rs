use sconce_display::Bundle;

use super::groups::layers_in_words;
use crate::nn::Model;
use crate::plot::{Table, count, percent};
use crate::rich::Rich;

/// What a model costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cost {
    parameters: usize,
    multiply_adds: u64,
}

impl Cost {
    pub(super) fn of(model: &Model) -> Cost {
        Cost { parameters: model.num_parameters(), multiply_adds: model.graph().multiply_adds() }
    }
}

/// Layers whose channels hang together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrunedGroup {
    /// The layers that make the channels.
    pub layers: Vec<String>,
    /// Channels that could have gone.
    pub before: usize,
    /// Those of them that stayed.
    pub after: usize,
}

/// What stayed along a dimension of a tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptIndices {
    /// The tensor's name.
    pub tensor: String,
    /// The dimension.
    pub dim: usize,
    /// How long it was.
    pub of: usize,
    /// The old indices that stayed, in order.
    pub kept: Vec<usize>,
}

/// What structured pruning removed. Made by [`super::prune_channels`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PruneReport {
    before: Cost,
    after: Cost,
    groups: Vec<PrunedGroup>,
    kept: Vec<KeptIndices>,
}

impl PruneReport {
    pub(super) fn new(
        before: Cost,
        after: Cost,
        groups: Vec<PrunedGroup>,
        kept: Vec<KeptIndices>,
    ) -> PruneReport {
        PruneReport { before, after, groups, kept }
    }

    /// Parameters of the model as it was.
    #[must_use]
    pub fn parameters_before(&self) -> usize {
        self.before.parameters
    }

    /// Parameters of the new model.
    #[must_use]
    pub fn parameters_after(&self) -> usize {
        self.after.parameters
    }

    /// Multiplications with their additions for one image, before.
    #[must_use]
    pub fn multiply_adds_before(&self) -> u64 {
        self.before.multiply_adds
    }

    /// Multiplications with their additions for one image, now.
    #[must_use]
    pub fn multiply_adds_after(&self) -> u64 {
        self.after.multiply_adds
    }

    /// The layers whose channels could have gone, those together that hang together.
    #[must_use]
    pub fn groups(&self) -> &[PrunedGroup] {
        &self.groups
    }

    /// The tensors of which something went, with what stayed of them: from the old weights to the new ones.
    #[must_use]
    pub fn kept(&self) -> &[KeptIndices] {
        &self.kept
    }

    fn line(&self) -> String {
        let of = |after: f64, before: f64| percent(after / before.max(1.0));
        format!(
            "{} of {} parameters left ({}), {} of {} multiply-adds ({})",
            count(self.after.parameters),
            count(self.before.parameters),
            of(self.after.parameters as f64, self.before.parameters as f64),
            count(self.after.multiply_adds as usize),
            count(self.before.multiply_adds as usize),
            of(self.after.multiply_adds as f64, self.before.multiply_adds as f64),
        )
    }

    fn table(&self) -> Table {
        let mut table = Table::new(&["layers", "channels", "left"]);
        for group in &self.groups {
            table.push(&[layers_in_words(&group.layers), count(group.before), count(group.after)]);
        }
        table
    }
}

impl Rich for PruneReport {
    fn rich(&self) -> Bundle {
        let (line, table) = (self.line(), self.table());
        Bundle::text(format!("{line}\n{}", table.text())).html(format!("<p>{line}</p>{}", table.html()))
    }
}
