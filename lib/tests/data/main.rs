//! Data from files to batches.

#![allow(clippy::unwrap_used)]

mod label_errors;
mod loader;
mod show;
mod sources;
mod split;
mod targets;
mod tensors;
