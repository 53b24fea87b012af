//! Losses: how far a model's output is from its targets, as a scalar to go downhill on.

mod cross_entropy;
mod loss;
mod refused;

pub use cross_entropy::{CrossEntropy, cross_entropy};
pub use loss::Loss;
