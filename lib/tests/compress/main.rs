//! Smaller models by passes over the graph.
#![allow(clippy::unwrap_used)]

mod bad_input;
mod compare;
mod graphs;
mod prune;
mod quantize_hard;
mod quantize_models;
mod quantize_other;
mod quantize_values;
mod saved;
mod sparsity;
mod sparsity_files;
mod sparsity_training;
mod widths;
mod zeroed;
mod zoo;
