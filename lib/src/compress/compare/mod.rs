//! Models side by side: what they are worth and what they cost.

mod chance;
mod compared;
mod measure;
mod report;

use std::collections::HashSet;

pub use self::compared::Compared;
pub use self::report::{ComparedModel, Latency, ModelComparison};
use crate::data::Dataset;
use crate::{Error, Result};

/// How [`compare`] measures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CompareConfig {
    /// Images of a batch while the accuracy is measured; 64.
    pub batch_size: usize,
    /// How often each latency is measured, at least 1; 50.
    pub runs: usize,
    /// Runs before them that do not count; 3.
    pub warmup: usize,
    /// Seconds after which no more latencies are measured than 5 each; 60.
    pub seconds: f64,
}

impl Default for CompareConfig {
    fn default() -> CompareConfig {
        CompareConfig { batch_size: 64, runs: 50, warmup: 3, seconds: 60.0 }
    }
}

/// Compares models by their names on the same images: accuracy with its 95 % interval (Wilson 1927), parameters, multiply-adds, the
/// size of a file that is really written (and removed), memory in use at most, and the latency of batches of 1 and 32 images, median and 95th
/// percentile. A [`crate::nn::Model`], a [`QuantizedModel`](super::QuantizedModel) and a [`HalfModel`](super::HalfModel) can be compared, and
/// whatever else is [`Compared`].
///
/// Latencies are measured in turns, each model once in a round and in another order each time, so that whatever slows the machine
/// down meets all of them. The memory is counted, not measured: see [`Compared::peak_bytes`]. Differences to the first model are
/// told in words, with McNemar's exact test of whether that of the accuracies may be chance.
///
/// ```
/// use sconce::compress::{CompareConfig, PruneConfig, compare, prune_channels};
/// use sconce::prelude::*;
/// # fn main() -> sconce::Result<()> {
/// let data = datasets::digits()?.split([0.7, 0.15, 0.15], Seed(42))?;
/// let layers = |x: Value| x.conv2d(8, 3).batch_norm().relu().conv2d(8, 3).relu().global_avg_pool().linear(10);
/// let net = Model::build([1, 8, 8], layers)?.init(Seed(1), &Device::Cpu)?;
/// let small = prune_channels(&net, &PruneConfig::ratio(0.5))?.model;
/// let config = CompareConfig { runs: 5, ..CompareConfig::default() };
/// let both = compare(&data.valid, &[("whole", &net), ("pruned", &small)], &config)?;
/// assert!(both.models()[1].file_bytes < both.models()[0].file_bytes);
/// both
/// # ; Ok(()) }
/// ```
///
/// # Errors
/// No models, or two of one name; no images, or images without one class each, or that differ in size; a model that gives anything but one logit for each class of
/// the data, or one that is not a number; a file that cannot be written; settings out of their range; an interrupt.
pub fn compare(
    data: &Dataset,
    models: &[(&str, &dyn Compared)],
    config: &CompareConfig,
) -> Result<ModelComparison> {
    check(data, models, config)?;
    let right = measure::right(data, models, config)?;
    let image = right.image;
    // What cannot be written is told before the latencies take their time.
    let files = models.iter().map(|&model| measure::file_bytes(model)).collect::<Result<Vec<_>>>()?;
    let latencies = measure::latencies(&right.images, models, config)?;
    let mut rows = Vec::with_capacity(models.len());
    let found = right.of_models.into_iter().zip(latencies).zip(files);
    for ((name, model), ((right, latencies), file_bytes)) in models.iter().zip(found) {
        rows.push(ComparedModel {
            name: (*name).to_owned(),
            right,
            parameters: model.num_parameters(),
            multiply_adds: model.multiply_adds(image),
            file_bytes,
            peak_bytes: model.peak_bytes(image),
            latency_1: latencies[0],
            latency_32: latencies[1],
        });
    }
    ModelComparison::new(rows)
}

fn check(data: &Dataset, models: &[(&str, &dyn Compared)], config: &CompareConfig) -> Result<()> {
    check_names(models.iter().map(|(name, _)| *name))?;
    if data.is_empty() {
        return Err(refused(
            "images to compare on",
            "none".into(),
            "Give it a part of the data that is not empty.",
        ));
    }
    if config.batch_size == 0 || config.runs == 0 || config.seconds.is_nan() || config.seconds < 0.0 {
        let got = format!("{config:?}");
        return Err(refused("batches and runs of at least 1, and at least 0 seconds", got, ""));
    }
    Ok(())
}

/// An error for no names, and for two that are the same.
fn check_names<'a>(names: impl Iterator<Item = &'a str>) -> Result<()> {
    let mut known = HashSet::new();
    for name in names {
        if !known.insert(name) {
            return Err(refused("each model to have a name of its own", format!("{name:?} twice"), ""));
        }
    }
    if known.is_empty() {
        let hint = "Write &[(\"float\", &net), (\"pruned\", &small)].";
        return Err(refused("at least one model", "none".into(), hint));
    }
    Ok(())
}

fn refused(expected: &str, got: String, hint: &str) -> Error {
    Error::Argument { op: "compare".into(), expected: expected.into(), got, hint: hint.into() }
}
