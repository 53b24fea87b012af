//! Looking after data: what is wrong with images, and which labels are likely to be wrong.

mod confident;
mod suspects;

pub use confident::{LabelErrorConfig, Pruning, Ranking, label_errors};
pub use suspects::{LabelErrors, LabelSuspect};
