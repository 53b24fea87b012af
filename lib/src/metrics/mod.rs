//! Metrics: how good predictions are, gathered over batches. All are fractions; making percent of them
//! is for whoever shows them.

mod accuracy;
mod boxes;
mod coco;
mod confusion;
mod detections;
mod metric;
mod voc;

pub use accuracy::accuracy;
pub use boxes::{FoundBox, TrueBox, found_boxes};
pub use coco::CocoScores;
pub use confusion::ConfusionCounts;
pub use detections::Detections;
pub use metric::{Accumulate, Metric};
pub use voc::{VocInterpolation, VocScores};

pub(crate) use accuracy::predicted_classes;
