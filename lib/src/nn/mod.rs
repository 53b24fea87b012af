//! Models as graphs: built from symbolic values, with shapes known before anything is computed, and
//! open to whoever wants to look into them.
//!
//! [`Model::build`] turns a closure over a [`Value`] into an [`Architecture`];
//! [`Architecture::init`] gives it weights. What the layers are, and how they hang together, is data:
//! [`Graph`].

mod architecture;
mod checkpoint;
mod compact;
mod compute;
mod config;
mod cost;
mod describe;
mod diagram;
mod draft;
mod engine;
mod feature_maps;
mod freeze;
mod graph;
mod infer;
mod initial;
mod inputs;
mod inside;
mod load_report;
mod loading;
mod map;
mod masks;
mod mode;
mod model;
mod n_of_m;
mod observe;
mod operator;
mod outputs;
mod parts;
mod positions;
mod rebuild;
mod saved_graph;
mod summary;
#[cfg(test)]
mod tests;
mod value;
mod weights;

pub use crate::ops::{
    Activation, BatchNormConfig, Corners, Divisor, Interpolation, Mask, PadMode, Padding, Parameter,
    Rounding, SinePositionConfig, backward, backward_from,
};
pub use architecture::Architecture;
pub(crate) use compute::evaluate;
pub use config::{
    AvgPool2dConfig, Conv2dConfig, ConvTranspose2dConfig, GroupNormConfig, LayerNormConfig, LinearConfig,
    Pool2dConfig, Rounds, TargetSize, WeightPrecision,
};
pub use diagram::Detail;
pub use feature_maps::FeatureMaps;
pub(crate) use graph::of_layer;
pub use graph::{Graph, Node, TensorSpec};
pub use initial::{Fan, Initial};
pub use inputs::Inputs;
pub(crate) use inputs::batch_text;
pub use load_report::{LoadReport, Loading, Mismatch};
pub use map::Map;
pub use mode::Mode;
pub use model::Model;
pub(crate) use observe::bytes_of;
pub use operator::Operator;
pub use outputs::{ModelOutputs, Output, OutputUse, Outputs};
pub(crate) use parts::Parts;
pub(crate) use saved_graph::Unreadable;
pub use summary::{LayerSummary, Summary};
pub use value::Value;
pub use weights::Role;
