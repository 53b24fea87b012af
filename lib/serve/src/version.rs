//! A version of a model, loaded and warmed, with its queue.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;

use crate::backend::{self, Backend};
use crate::batching::{self, Batcher};
use crate::failure::Failure;
use crate::metrics::Metrics;
use crate::native::Native;
use crate::picture::Pictures;
use crate::settings::Settings;
use crate::tensor::Tensor;

/// What the files of a version looked like: others are another version under the same number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint(Vec<(PathBuf, u64, Option<SystemTime>)>);

impl Fingerprint {
    /// Of the files in a version's folder, and of the settings of its model.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn of(model: &Path, version: &Path) -> std::io::Result<Fingerprint> {
        let mut files = Vec::new();
        let config = model.join("config.json");
        if let Ok(metadata) = fs::metadata(&config) {
            files.push((config, metadata.len(), metadata.modified().ok()));
        }
        for entry in fs::read_dir(version)? {
            let path = entry?.path();
            // What is being replaced may be gone meanwhile.
            if let Ok(metadata) = fs::metadata(&path) {
                files.push((path, metadata.len(), metadata.modified().ok()));
            }
        }
        files.sort();
        Ok(Fingerprint(files))
    }
}

/// A version that answers. Requests hold it while they wait for their answer: when it is replaced, its queue and
/// memory go with the last of them.
pub struct Version {
    /// The model.
    pub model: String,
    /// Its number.
    pub number: u64,
    /// What computes.
    pub backend: Arc<dyn Backend>,
    /// How it is shown pictures, where it takes them.
    pub pictures: Option<Pictures>,
    /// What its files looked like.
    pub fingerprint: Fingerprint,
    batcher: Batcher,
    timeout: Duration,
}

impl Version {
    /// Loads what is in `folder`, and runs it once for each size of a batch that will be frequent.
    ///
    /// # Errors
    /// If there is no model, it is damaged, or does not run; a sentence.
    pub fn load(
        model: &str,
        number: u64,
        folder: &Path,
        fingerprint: Fingerprint,
        settings: &Settings,
        metrics: &Metrics,
    ) -> Result<Version, String> {
        let start = Instant::now();
        let file = model_file(folder)?;
        let native = Native::open(&file, settings.max_image_pixels).map_err(|error| error.to_string())?;
        let classes = match settings.classes.is_empty() {
            true => native.classes().to_vec(),
            false => settings.classes.clone(),
        };
        let warm = native.own_size();
        let backend: Arc<dyn Backend> = Arc::new(native);
        warm_up(&*backend, &warm, settings.batching.max_batch_size)?;
        let pictures = Pictures::of(&*backend, classes, settings.preprocessing.clone());
        let batcher = Batcher::start(model, Arc::clone(&backend), settings, metrics.model(model))
            .map_err(|error| format!("a thread for its batches: {error}"))?;
        tracing::info!(model, version = number, seconds = start.elapsed().as_secs_f64(), "loaded");
        Ok(Version {
            model: model.to_owned(),
            number,
            backend,
            pictures,
            fingerprint,
            batcher,
            timeout: Duration::from_millis(settings.timeout_ms),
        })
    }

    /// The outputs for inputs in the order of the model's, after they have been put into a batch with others.
    ///
    /// # Errors
    /// If the model does not take them, the queue is full, or they are not answered in time.
    pub async fn infer(&self, inputs: Vec<Tensor>, start: Instant) -> Result<Vec<Tensor>, Failure> {
        let rows = backend::check(&*self.backend, &inputs)?;
        self.batcher.infer(inputs, rows, start + self.timeout).await
    }

    /// Requests that wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.batcher.waiting()
    }
}

impl Drop for Version {
    fn drop(&mut self) {
        tracing::info!(model = self.model, version = self.number, "unloaded");
    }
}

/// `model.safetensors`, or the one file of that kind that there is.
fn model_file(folder: &Path) -> Result<PathBuf, String> {
    let usual = folder.join("model.safetensors");
    if usual.is_file() {
        return Ok(usual);
    }
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut found = paths.filter(|path| path.extension().is_some_and(|ending| ending == "safetensors"));
    match (found.next(), found.next()) {
        (Some(path), None) => Ok(path),
        (None, _) => Err(format!(
            "{}: expected model.safetensors, as Model::save or QuantizedModel::save writes it, got none",
            folder.display()
        )),
        (Some(_), Some(_)) => Err(format!(
            "{}: expected one .safetensors file, got several; name the model's model.safetensors",
            folder.display()
        )),
    }
}

/// Runs a batch of one and a full one: what cannot run is found before it serves, and the first requests do not wait
/// for memory.
fn warm_up(backend: &dyn Backend, sides: &[usize], most_rows: usize) -> Result<(), String> {
    for rows in [1, most_rows] {
        let mut shape = vec![rows];
        shape.extend(sides);
        let bytes = shape.iter().product::<usize>() * 4;
        let inputs = backend
            .inputs()
            .iter()
            .map(|spec| Tensor::new(spec.dtype, shape.clone(), Bytes::from(vec![0; bytes])));
        let inputs = inputs.collect::<Result<Vec<_>, Failure>>().map_err(|failure| failure.to_string())?;
        batching::infer(backend, &inputs).map_err(|failure| format!("a first run: {failure}"))?;
    }
    Ok(())
}
