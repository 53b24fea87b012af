//! Optimizers: what turns gradients into better parameters.
//!
//! A configuration ([`sgd`], [`adam`], [`adamw`], [`rmsprop`], [`adagrad`]) says how; `build` makes the [`Optimizer`] that holds the
//! state for given parameters:
//!
//! ```
//! # use sconce::{optim::adamw, nn::Parameter};
//! # use candle_core::{Device, Var};
//! # fn main() -> sconce::Result<()> {
//! let weight = Parameter::new("weight", Var::new(&[3.0f32, -1.0], &Device::Cpu)?);
//! let mut optimizer = adamw(0.1).build(std::slice::from_ref(&weight))?;
//! for _ in 0..100 {
//!     let loss = weight.var.sqr()?.sum_all()?;
//!     optimizer.step(&loss.backward()?)?;
//! }
//! assert!(weight.var.abs()?.max_all()?.to_scalar::<f32>()? < 0.1);
//! # Ok(()) }
//! ```
//!
//! Parameters may have settings of their own ([`param_group`], [`vectors`]), and [`Optimizer::save`] keeps
//! the state for a run that goes on later.
//!
//! Around it stand how the learning rate goes over a training ([`Schedule`], [`ReduceOnPlateau`]), what keeps gradients in
//! bounds ([`clip_grad_norm`], [`clip_grad_value`]), what adds up those of several batches ([`Accumulation`]), and the
//! average of the weights ([`Ema`]).
//!
//! The arithmetic is that of PyTorch's optimizers of the same names (each in its file's head), in the
//! parameter's own precision, F32 or F64.

mod accumulation;
mod adagrad;
mod adam;
mod better;
mod clip;
mod config;
#[cfg(feature = "cuda")]
mod cuda;
mod ema;
mod ema_file;
mod gradient;
mod group;
mod in_place;
mod layer_decay;
mod momentum;
mod optimizer;
mod plateau;
mod rmsprop;
mod rule;
mod schedule;
mod sgd;
mod show;
mod slot;
mod state;
mod state_file;

pub use accumulation::Accumulation;
pub use adagrad::{Adagrad, adagrad};
pub use adam::{Adam, adam, adamw};
pub(crate) use better::Better;
pub use clip::{clip_grad_norm, clip_grad_value};
pub use config::OptimizerConfig;
pub use ema::Ema;
pub use group::{ParamGroup, ParamNames, param_group, vectors};
pub use layer_decay::layer_decay;
pub use optimizer::{Optimizer, ParamSettings};
pub use plateau::{PlateauState, ReduceOnPlateau};
pub use rmsprop::{RmsProp, rmsprop};
pub use schedule::{
    Anneal, OneCycleConfig, Phases, Schedule, constant, cosine, cosine_restarts, exponential, linear,
    multi_step, one_cycle, polynomial, step_decay,
};
pub use sgd::{Sgd, sgd};
