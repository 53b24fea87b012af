//! The architectures of the zoo: against torchvision, timm and PyTorch, and what must hold for every one of them.
#![allow(clippy::unwrap_used)]

mod every;
#[path = "../formula/mod.rs"]
mod formula;
mod reference;
mod registry;

use sconce::models::{self, ModelEntry};

/// Whether an architecture is small enough to be tested without optimization.
fn is_small(entry: &ModelEntry) -> bool {
    let architecture = entry.architecture(models::ModelConfig::default()).unwrap();
    architecture.summary().num_parameters() < 6_000_000
}

/// Whether an architecture gives one class an image; the detectors and segmenters have tests of their own too, in
/// `tests/models_outputs.rs`.
fn classifies(entry: &ModelEntry) -> bool {
    !["DETR", "FCOS", "U-Net"].contains(&entry.family)
}

/// The architectures that this build tests: without optimization the small ones, whose names are for every operator.
fn every() -> Vec<&'static ModelEntry> {
    let all = models::list();
    all.entries().iter().copied().filter(|entry| !cfg!(debug_assertions) || is_small(entry)).collect()
}

/// The classifiers among them.
fn tested() -> Vec<&'static ModelEntry> {
    every().into_iter().filter(|entry| classifies(entry)).collect()
}
