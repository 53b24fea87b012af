//! Smaller and faster models: passes over the model graph, the same for your own models and for the zoo's.
//!
//! [`prune_channels`] removes channels, attention heads and widths; [`sensitivity`] says which layers bear it. A pass gives a new model and a report; the model that went in
//! stays as it is.

mod channels;
mod choose;
mod cut;
mod groups;
mod heads;
mod importance;
mod prune;
mod prune_report;
mod sensitivity;
mod ties;
mod trace;

pub use importance::{Importance, Taylor};
pub use prune::{PruneConfig, PruneTarget, Pruned, Scope, prune_channels};
pub use prune_report::{KeptIndices, PruneReport, PrunedGroup};
pub use sensitivity::{LayerSensitivity, Sensitivity, sensitivity};
pub use trace::ChannelNorms;
