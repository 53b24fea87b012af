//! Computer vision on candle, made to be used step by step in a notebook and as a plain library.
//!
//! A model is a graph that stays open to inspection ([`nn`]); it trains with a [`train::Learner`] or
//! with a loop of one's own, and everything a cell can end with shows itself ([`rich`]).

mod atomic_file;
mod download;
mod error;
mod freed_memory;
mod input;
mod nearest;
mod pattern;
mod pickle;
mod progress;
mod seed;
mod tensor_file;

pub mod checkpoint;
pub mod compress;
pub mod data;
pub mod explain;
pub mod export;
pub mod live;
pub mod losses;
pub mod metrics;
pub mod models;
pub mod nn;
pub mod ops;
pub mod optim;
pub mod plot;
pub mod predict;
pub mod prelude;
pub mod rich;
pub mod threads;
pub mod train;
pub mod transforms;
pub mod widgets;

/// The plotters that [`plot::drawing`] takes, so that a drawing of one's own needs no dependency of its own.
pub use plotters;

pub use error::{Error, ImageProblem, Result};
pub use input::{input, password};
pub use seed::{Rng, Seed};
