//! Smaller and faster models: passes over the model graph, the same for your own models and for the zoo's.
//!
//! [`quantize()`] makes a model that computes on integers of 8 bits, after training or, with [`qat`], along with it.
//! [`prune_channels`] removes channels, attention heads and widths; [`sensitivity`] says which layers bear it. [`prune_weights`] holds single weights at 0, and [`GradualPruning`] does so bit by bit in training; [`compare()`] puts models side by side. A pass gives a new model and a report; the model that went in
//! stays as it is.

mod channels;
mod choose;
mod compare;
mod cut;
mod groups;
mod heads;
mod importance;
mod named;
mod prepared;
mod prune;
mod prune_report;
mod quantize;
mod sensitivity;
mod sparsity;
mod ties;
mod trace;
mod whole;

pub use compare::{CompareConfig, Compared, ComparedModel, Latency, ModelComparison, compare};
pub use importance::{Importance, Taylor};
pub use prune::{PruneConfig, PruneTarget, Pruned, Scope, prune_channels};
pub use prune_report::{KeptIndices, PruneReport, PrunedGroup};
pub use quantize::{
    BiasCorrection, Calibration, Computes, HalfModel, HalfType, LayerError, LayerErrors, QatConfig,
    QuantizeConfig, QuantizeReport, Quantized, QuantizedLayer, QuantizedModel, compare_layers,
    fold_batch_norm, half_weights, qat, quantize, quantize_dynamic, quantize_trained,
};
pub(crate) use quantize::{Stored, Work, has_fixed_range, in_use, moves_numbers, prepared};
pub use sensitivity::{LayerSensitivity, Sensitivity, sensitivity};
pub use sparsity::{
    GradualPruning, LayerSparsity, LeftOut, LeftOutReason, Pattern, Span, Sparse, SparsityConfig,
    SparsityReport, prune_weights, prune_weights_in_place,
};
pub use trace::ChannelNorms;
