//! Training: a [`Learner`] puts a model, data, a loss and an optimizer together, shows how it goes while
//! it goes, and can be stopped and taken up again at any step.
//!
//! It does nothing that a loop of one's own could not do: `forward`, [`crate::losses::Loss::of`],
//! `backward`, [`crate::optim::Optimizer::step`].

mod box_error_grid;
mod callback;
mod checkpoint;
mod checkpoints;
mod detection;
mod diagnosis;
mod early_stopping;
mod epoch;
mod evaluation;
mod finder;
mod fine_tune;
mod fit;
mod followed;
mod fresh_folder;
mod gap;
mod histograms;
mod history;
mod history_csv;
mod history_json;
mod json_text;
mod judged_images;
mod learner;
mod learning_curve;
mod learning_curve_show;
mod live;
mod misclassified;
mod monitor;
mod named_tensors;
mod net;
mod overfit;
mod pass;
mod plan;
mod predictions;
mod runs;
mod sample_predictions;
mod settings;
mod show;
mod step;
mod teacher;
mod tensorboard;
mod top_losses;
mod trial;

pub use crate::data::Split;
pub use box_error_grid::BoxErrorGrid;
pub use callback::{Callback, Control, Ending, EpochEnd, FitBegin, FitEnd, StepEnd};
pub use checkpoints::Checkpoints;
pub use detection::found_on;
pub use early_stopping::EarlyStopping;
pub use evaluation::Evaluation;
pub use finder::{LrFindConfig, LrSearch};
pub use fine_tune::FineTuneConfig;
pub use gap::{GapConfig, GapReport, Verdict};
pub use histograms::{HistogramOf, Histograms};
pub use history::{Epoch, History};
pub use judged_images::JudgedImage;
pub use learner::Learner;
pub use learning_curve::{LearningCurve, LearningCurveConfig};
pub use misclassified::{Misclassified, MisclassifiedConfig, MistakenPair, Sureness};
pub use monitor::Monitor;
pub use net::Net;
pub use overfit::OneBatch;
pub use predictions::Predictions;
pub use runs::{Comparison, Run, RunEvaluation, RunRecord, compare};
pub use sample_predictions::SamplePredictions;
pub use teacher::{Teacher, Term};
pub use tensorboard::TensorBoard;
pub use top_losses::TopLosses;
