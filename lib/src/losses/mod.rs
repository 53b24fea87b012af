//! Losses: how far a model's output is from its targets, as a scalar to go downhill on.

mod assignment;
mod attention_transfer;
mod binary;
mod cross_entropy;
mod decoupled;
mod dice;
mod distance;
mod distillation;
mod focal;
mod giou;
mod loss;
mod refused;
mod set_loss;
mod set_targets;

pub use attention_transfer::attention_transfer;
pub use binary::{BceWithLogits, SigmoidFocal, bce_with_logits, sigmoid_focal};
pub use cross_entropy::{CrossEntropy, cross_entropy};
pub use decoupled::DecoupledDistillation;
pub(crate) use decoupled::above_zero;
pub use dice::{Dice, dice};
pub use distance::{huber, l1, mse, smooth_l1};
pub use distillation::distillation;
pub use focal::{Focal, focal};
pub use giou::giou;
pub use loss::Loss;
pub use set_loss::{SetLoss, SetLosses, SetPrediction, set_loss};
