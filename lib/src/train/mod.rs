//! Training: a [`Learner`] puts a model, data, a loss and an optimizer together, shows how it goes while
//! it goes, and can be stopped and taken up again at any step.
//!
//! It does nothing that a loop of one's own could not do: `forward`, [`crate::losses::Loss::of`],
//! `backward`, [`crate::optim::Optimizer::step`].

mod detection;
mod epoch;
mod evaluation;
mod fresh_folder;
mod gap;
mod history;
mod history_csv;
mod history_json;
mod json_numbers;
mod learner;
mod learning_curve;
mod live;
mod net;
mod predictions;
mod show;
mod tensorboard;
mod top_losses;

pub use crate::data::Split;
pub use detection::found_on;
pub use evaluation::Evaluation;
pub use gap::{GapConfig, GapReport, Verdict};
pub use history::{Epoch, History};
pub use learner::Learner;
pub use learning_curve::{LearningCurve, LearningCurveConfig};
pub use net::Net;
pub use predictions::Predictions;
pub use tensorboard::TensorBoard;
pub use top_losses::{TopLoss, TopLosses};
