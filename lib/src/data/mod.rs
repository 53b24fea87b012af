//! Data sets: images with labels, their parts and batches.

mod batches;
mod dataset;
pub mod datasets;
mod show;
mod split;

pub use batches::{Batch, BatchConfig, Batches, LastBatch};
pub use dataset::Dataset;
pub use split::DataSplit;
