//! Models as graphs: built from symbolic values, with shapes known before anything is computed, and
//! open to whoever wants to look into them.
//!
//! [`Model::build`] turns a closure over a [`Value`] into an [`Architecture`];
//! [`Architecture::init`] gives it weights. What the layers are, and how they hang together, is data:
//! [`Graph`].

mod architecture;
mod checkpoint;
mod compute;
mod cost;
mod draft;
mod engine;
mod feature_maps;
mod graph;
mod infer;
mod mode;
mod model;
mod operator;
mod summary;
mod value;
mod weights;

pub use crate::ops::{Activation, BatchNormConfig, Padding, Parameter, Rounding};
pub use architecture::Architecture;
pub use feature_maps::FeatureMaps;
pub use graph::{Graph, Node, TensorSpec};
pub use mode::Mode;
pub use model::Model;
pub use operator::{Conv2dConfig, Operator, Pool2dConfig};
pub use summary::{LayerSummary, Summary};
pub use value::Value;
pub use weights::{Initial, Role};
