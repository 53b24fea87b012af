//! Metrics: how good predictions are, gathered over batches. All are fractions; making percent of them
//! is for whoever shows them.
//!
//! Counts are whole numbers and sums are f64, added sample by sample, so that a metric is the same for any sizes of
//! batches. Where each sample has one class, targets are u32 labels (B,); where it has any number of them, tags: f32
//! (B, K) of 0 and 1. [`precision`], [`recall`], [`f1`], [`roc_auc`], [`average_precision`] and [`calibration_error`] take
//! both. What has no value, as the ROC AUC of a class that does not occur, is an error that names it, never a number.

mod accuracy;
mod agreement;
mod average;
mod bootstrap;
mod box_error_kinds;
mod box_errors;
mod box_evaluation;
mod box_matching;
mod boxes;
mod calibration;
mod class_maps;
mod coco;
mod confusion;
mod counted;
mod f_score;
mod metric;
mod ranked;
mod ranking;
mod ranking_curves;
mod ranking_state;
mod reading;
mod refused;
mod regression;
mod report;
mod tally;
mod voc;

pub use accuracy::{accuracy, subset_accuracy, top_k};
pub use agreement::{KappaWeights, balanced_accuracy, cohen_kappa, mcc};
pub use average::Average;
pub use bootstrap::{Confidence, Interval};
pub use box_errors::{BoxError, BoxErrorConfig, BoxErrorKind, BoxErrors};
pub use box_evaluation::BoxEvaluation;
pub use boxes::{FoundBox, TrueBox, found_boxes};
pub use calibration::{CalibrationConfig, CalibrationNorm, calibration_error, reliability_diagram};
pub use class_maps::{mean_dice, mean_iou};
pub use coco::CocoScores;
pub use confusion::ConfusionCounts;
pub use f_score::{f_beta, f1, precision, recall, tag_accuracy};
pub use metric::{Accumulate, Metric, Redrawn};
pub use ranking::{average_precision, roc_auc};
pub use ranking_curves::{RankingCurves, RankingPoint, precision_recall_curves, roc_curves};
pub use regression::{mean_absolute_error, mean_squared_error, r2};
pub use report::ClassReport;
pub use tally::ClassTally;
pub use voc::{VocInterpolation, VocScores};

pub(crate) use reading::predicted_classes;
