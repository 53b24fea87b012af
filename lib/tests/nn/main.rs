//! Models: built, changed, kept and drawn.

#![allow(clippy::unwrap_used)]

mod build;
mod checkpoint;
mod diagram;
mod foreign_values;
mod inputs;
mod layers;
mod model;
