//! Metrics: how good predictions are, gathered over batches. All are fractions; making percent of them
//! is for whoever shows them.

mod accuracy;
mod confusion;
mod metric;

pub use accuracy::accuracy;
pub use confusion::ConfusionCounts;
pub use metric::{Accumulate, Metric};

pub(crate) use accuracy::predicted_classes;
