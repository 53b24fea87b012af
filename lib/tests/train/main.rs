//! The learner and what is kept of its trainings.

#![allow(clippy::unwrap_used)]

mod data;
mod evaluation;
mod finder;
mod gap;
mod histograms;
mod history;
mod imbalance;
mod learning_curve;
mod peer;
mod resume;
mod runs;
mod settings;
#[path = "../small/mod.rs"]
mod small;
mod small_tasks;
mod teacher;
