//! Files of weights that others wrote: what is in them, how they come into a model, and what is refused.
#![allow(clippy::unwrap_used)]

mod broken;
mod hostile;
mod loading;
#[path = "../sets/mutate.rs"]
mod mutate;
mod spelt;
mod types;

use std::path::PathBuf;

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/checkpoints")).join(name)
}
