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

/// The architectures that this build tests: without optimization the small ones, whose names are for every operator.
fn tested() -> Vec<&'static ModelEntry> {
    let all = models::list();
    // `tests/models_outputs.rs` holds the detectors and segmenters.
    let classifies = |entry: &&ModelEntry| !["DETR", "FCOS", "U-Net"].contains(&entry.family);
    let entries = all.entries().iter().copied().filter(classifies);
    entries.filter(|entry| !cfg!(debug_assertions) || is_small(entry)).collect()
}
