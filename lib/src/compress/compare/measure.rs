//! What has to be run to be known: which images are right, how long it takes, how large the file is.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use candle_core::{D, DType, Tensor};
use sconce_display::interrupt;

use super::chance::quantile;
use super::compared::Compared;
use super::report::Latency;
use super::{CompareConfig, refused};
use crate::data::Dataset;
use crate::progress::{Progress, Unit};
use crate::{Error, Result};

/// The sizes of batches whose latencies are measured.
const BATCHES: [usize; 2] = [1, 32];
/// Whatever time it takes, each is measured so often.
const LEAST_RUNS: usize = 5;

/// Which images each model has right.
pub(super) struct Right {
    pub(super) of_models: Vec<Vec<bool>>,
    /// The first images (N, C, H, W), for the latencies.
    pub(super) images: Tensor,
    /// Channels, height, width.
    pub(super) image: [usize; 3],
}

/// Each batch is read once and goes through all models.
pub(super) fn right(
    data: &Dataset,
    models: &[(&str, &dyn Compared)],
    config: &CompareConfig,
) -> Result<Right> {
    let mut of_models = vec![Vec::with_capacity(data.len()); models.len()];
    let mut first: Option<Tensor> = None;
    let mut progress = Progress::start("comparing accuracies", Unit::Images, Some(data.len() as u64));
    let mut seen = 0;
    for batch in data.batches(config.batch_size) {
        let batch = batch?;
        if batch.labels.elem_count() != batch.len() {
            let hint = "Accuracy is of images with exactly one class each.";
            return Err(refused("images of one class each", "images of none or several".into(), hint));
        }
        let labels = batch.labels.to_vec1::<u32>()?;
        for ((name, model), right) in models.iter().zip(&mut of_models) {
            check_interrupt(|| format!("while comparing accuracies, after {seen} of {} images", data.len()))?;
            let logits =
                model.logits(&batch.images.to_device(&model.device())?).map_err(|error| of(error, name))?;
            if logits.dims() != [batch.len(), data.num_classes()] {
                return Err(Error::Shape {
                    op: format!("compare, model {name:?}"),
                    expected: format!(
                        "one logit for each of the data's {} classes, for {} images",
                        data.num_classes(),
                        batch.len()
                    ),
                    got: format!("{:?}", logits.dims()),
                    hint: "Compare models on the data that they were trained for, or replace their heads."
                        .into(),
                });
            }
            let sums = logits.to_dtype(DType::F32)?.sum(D::Minus1)?.to_vec1::<f32>()?;
            if let Some(at) = sums.iter().position(|sum| sum.is_nan()) {
                let hint = "Look at its weights: nothing that it says counts.";
                let got = format!("NaN of the model {name:?} for image {}", batch.indices[at]);
                return Err(refused("logits that are numbers", got, hint));
            }
            let found = logits.argmax(D::Minus1)?.to_vec1::<u32>()?;
            right.extend(found.iter().zip(&labels).map(|(found, label)| found == label));
        }
        seen += batch.len();
        progress.at(seen as u64)?;
        if first.is_none() {
            first = Some(batch.images);
        }
    }
    let images = first.ok_or_else(|| refused("images that can be read", "none".into(), ""))?;
    let &[_, channels, height, width] = images.dims() else {
        return Err(refused("images (B, C, H, W)", format!("{:?}", images.dims()), ""));
    };
    Ok(Right { of_models, images, image: [channels, height, width] })
}

/// The latencies of each model, in the order of [`BATCHES`].
pub(super) fn latencies(
    images: &Tensor,
    models: &[(&str, &dyn Compared)],
    config: &CompareConfig,
) -> Result<Vec<[Latency; 2]>> {
    let have = images.dims()[0] as u32;
    let mut inputs = Vec::with_capacity(models.len());
    for (_, model) in models {
        let mut of_model = Vec::with_capacity(BATCHES.len());
        for batch in BATCHES {
            // Where there are too few, they come again.
            let places: Vec<u32> = (0..batch as u32).map(|at| at % have).collect();
            let places = Tensor::from_vec(places, batch, images.device())?;
            of_model.push(images.index_select(&places, 0)?.to_device(&model.device())?);
        }
        inputs.push(of_model);
    }
    let mut taken = vec![[Vec::new(), Vec::new()]; models.len()];
    let rounds = config.warmup.saturating_add(config.runs);
    let mut progress = Progress::start("comparing latencies", Unit::Steps, Some(rounds as u64));
    let mut start = None;
    for round in 0..rounds {
        if round >= config.warmup {
            let start = *start.get_or_insert_with(Instant::now);
            if round - config.warmup >= LEAST_RUNS && start.elapsed().as_secs_f64() > config.seconds {
                break;
            }
        }
        for turn in 0..models.len() {
            // In another order each time: what a model leaves in the caches meets all others.
            let at = (turn + round) % models.len();
            let (name, model) = models[at];
            for (input, taken) in inputs[at].iter().zip(&mut taken[at]) {
                check_interrupt(|| format!("while comparing latencies, after {round} of {rounds} rounds"))?;
                let start = Instant::now();
                let logits = model.logits(input).map_err(|error| of(error, name))?;
                // On a GPU it has only been asked for.
                logits.device().synchronize()?;
                let seconds = start.elapsed().as_secs_f64();
                if round >= config.warmup {
                    taken.push(seconds);
                }
            }
        }
        progress.at(round as u64 + 1)?;
    }
    let latency = |mut seconds: Vec<f64>| {
        seconds.sort_by(f64::total_cmp);
        let [median, p95] = [0.5, 0.95].map(|share| quantile(&seconds, share));
        Latency { median, p95, runs: seconds.len() }
    };
    Ok(taken.into_iter().map(|of_model| of_model.map(latency)).collect())
}

/// How large a file the model is written to.
pub(super) fn file_bytes((name, model): (&str, &dyn Compared)) -> Result<u64> {
    let file = Passing::new();
    model.write(&file.0).map_err(|error| of(error, name))?;
    let metadata = std::fs::metadata(&file.0);
    let metadata =
        metadata.map_err(|source| Error::Io { op: "read the size of", path: file.0.clone(), source })?;
    Ok(metadata.len())
}

/// A file that goes when this does.
struct Passing(PathBuf);

impl Passing {
    fn new() -> Passing {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("sconce-compare-{}-{number}.safetensors", std::process::id());
        Passing(std::env::temp_dir().join(name))
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        // It may not have been written.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// An error with the name of the model.
fn of(error: Error, name: &str) -> Error {
    let named = |op: String| format!("compare, model {name:?}: {op}");
    match error {
        Error::Shape { op, expected, got, hint } => Error::Shape { op: named(op), expected, got, hint },
        Error::Argument { op, expected, got, hint } => Error::Argument { op: named(op), expected, got, hint },
        error => error,
    }
}

/// Stops here if somebody asked for it.
fn check_interrupt(at: impl FnOnce() -> String) -> Result<()> {
    if interrupt::requested() { Err(Error::Interrupted { at: at() }) } else { Ok(()) }
}
