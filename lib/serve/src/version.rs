//! A version of a model, loaded and warmed, with its queue.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;

use crate::backend::{self, Backend, Opened};
use crate::batching::{self, Batcher};
use crate::failure::Failure;
use crate::metrics::Metrics;
use crate::native;
use crate::picture::Pictures;
use crate::settings::{Batching, Preprocessing, Settings};
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
        let opened = open(&file, settings).map_err(|error| error.to_string())?;
        let backend: Arc<dyn Backend> = Arc::from(opened.backend);
        // A model of a fixed batch takes no others beside it, and need not wait for them.
        let most_rows = settings.batching.max_batch_size.min(backend.most_rows());
        let batching = Batching { max_batch_size: most_rows, ..settings.batching.clone() };
        let settings = &Settings { batching, ..settings.clone() };
        warm_up(&*backend, most_rows)?;
        let or = |own: &[f32], file: Vec<f32>| if own.is_empty() { file } else { own.to_vec() };
        let preprocessing = Preprocessing {
            mean: or(&settings.preprocessing.mean, opened.mean),
            std: or(&settings.preprocessing.std, opened.std),
            ..settings.preprocessing.clone()
        };
        let classes = match settings.classes.is_empty() {
            true => opened.classes,
            false => settings.classes.clone(),
        };
        let pictures = Pictures::of(&*backend, classes, preprocessing);
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
        self.batcher.infer(inputs, rows, self.deadline(start)).await
    }

    /// When a request that came at `start` has to be answered.
    #[must_use]
    pub fn deadline(&self, start: Instant) -> Instant {
        start + self.timeout
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

/// The endings of files that hold models.
const ENDINGS: [&str; 2] = ["safetensors", "onnx"];

/// `model.safetensors` or `model.onnx`, or the one file of such a kind that there is.
fn model_file(folder: &Path) -> Result<PathBuf, String> {
    let usual = ENDINGS.map(|ending| folder.join(format!("model.{ending}")));
    if let Some(usual) = usual.into_iter().find(|path| path.is_file()) {
        return Ok(usual);
    }
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let is_model =
        |path: &PathBuf| ENDINGS.iter().any(|known| path.extension().is_some_and(|it| it == *known));
    // Opening what is no file may never end.
    let mut found = paths.filter(|path| is_model(path) && path.is_file());
    match (found.next(), found.next()) {
        (Some(path), None) => Ok(path),
        (None, _) => Err(format!(
            "{}: expected model.safetensors, as Model::save or QuantizedModel::save writes it, or model.onnx, got none",
            folder.display()
        )),
        (Some(_), Some(_)) => Err(format!(
            "{}: expected one file of a model, got several; name the model's model.safetensors or model.onnx",
            folder.display()
        )),
    }
}

/// The model in a file, by the file's ending.
fn open(file: &Path, settings: &Settings) -> sconce::Result<Opened> {
    match file.extension().is_some_and(|ending| ending == "onnx") {
        true => open_onnx(file),
        false => native::open(file, settings.max_image_pixels),
    }
}

#[cfg(feature = "onnx")]
fn open_onnx(file: &Path) -> sconce::Result<Opened> {
    crate::onnx::open(file)
}

#[cfg(not(feature = "onnx"))]
fn open_onnx(file: &Path) -> sconce::Result<Opened> {
    Err(sconce::Error::Format {
        path: file.to_owned(),
        expected: "a file of this library: the server was built without ONNX".into(),
        got: "a file of ONNX".into(),
        hint: "Build it with `cargo build --release -p sconce-serve --features onnx`.".into(),
    })
}

/// Runs a batch of one and a full one, where it is known what an image may look like: what cannot run is found before
/// it serves, and the first requests do not wait for memory.
fn warm_up(backend: &dyn Backend, most_rows: usize) -> Result<(), String> {
    let Some(usual) = backend.usual() else { return Ok(()) };
    let sizes = [1, most_rows];
    for &rows in if most_rows == 1 { &sizes[..1] } else { &sizes } {
        let inputs = backend.inputs().iter().zip(&usual).map(|(spec, sides)| {
            let shape = [&[rows], sides.as_slice()].concat();
            let bytes = shape.iter().product::<usize>() * spec.dtype.bytes();
            Tensor::new(spec.dtype, shape, Bytes::from(vec![0; bytes]))
        });
        let inputs = inputs.collect::<Result<Vec<_>, Failure>>().map_err(|failure| failure.to_string())?;
        batching::infer(backend, &inputs).map_err(|failure| format!("a first run: {failure}"))?;
    }
    Ok(())
}
