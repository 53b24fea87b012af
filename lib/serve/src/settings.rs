//! `config.json` beside the versions of a model: how it is batched, which versions are served, what its outputs are
//! called.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

/// How one model is served. Everything has a default; a `config.json` in the model's folder names what differs.
///
/// ```json
/// {
///   "batching": {"max_batch_size": 32, "max_delay_ms": 1, "queue": 1024},
///   "instances": 1,
///   "versions": {"latest": 2},
///   "labels": {"stable": 3, "next": 4},
///   "timeout_ms": 30000,
///   "max_image_pixels": 1000000,
///   "classes": ["cat", "dog"],
///   "preprocessing": {"resize": {"shorter": 256}, "crop": 224,
///                     "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How requests are put together.
    pub batching: Batching,
    /// Threads that compute batches of a version at the same time; at least 1. Each uses all cores where it can.
    pub instances: usize,
    /// Which versions are served.
    pub versions: Versions,
    /// Names for versions.
    pub labels: BTreeMap<String, u64>,
    /// After so many milliseconds a request that is not answered gets a refusal.
    pub timeout_ms: u64,
    /// Images of other sizes than the model's own are taken, up to so many pixels (height times width).
    pub max_image_pixels: Option<usize>,
    /// The names of the classes, in the order of the outputs. They go before those of the model's file.
    pub classes: Vec<String>,
    /// What is done to a picture before it goes into the model.
    pub preprocessing: Preprocessing,
}

impl Default for Settings {
    /// The latest version, one instance, 30 s, images of the model's own size.
    fn default() -> Settings {
        Settings {
            batching: Batching::default(),
            instances: 1,
            versions: Versions::Latest(1),
            labels: BTreeMap::new(),
            timeout_ms: 30_000,
            max_image_pixels: None,
            classes: Vec::new(),
            preprocessing: Preprocessing::default(),
        }
    }
}

/// How requests are put together into batches.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Batching {
    /// Images of a batch at most; at least 1. A larger request is computed in parts.
    pub max_batch_size: usize,
    /// How long the first request of a batch waits for others, in milliseconds.
    pub max_delay_ms: f64,
    /// Requests that wait at most; more are refused. At least 1.
    pub queue: usize,
}

impl Default for Batching {
    /// 32 images, 1 ms, 1024 requests.
    fn default() -> Batching {
        Batching { max_batch_size: 32, max_delay_ms: 1.0, queue: 1024 }
    }
}

impl Batching {
    /// How long the first request of a batch waits for others.
    #[must_use]
    pub fn delay(&self) -> Duration {
        Duration::try_from_secs_f64(self.max_delay_ms / 1e3).unwrap_or_default()
    }
}

/// Which versions are served.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Versions {
    /// So many of the highest that can be loaded.
    Latest(usize),
    /// These.
    Specific(Vec<u64>),
    /// All that there are.
    All,
}

/// What is done to a picture before it goes into the model: made grey or RGB as the model has channels, resized, cut,
/// divided by 255, normalized.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Preprocessing {
    /// How it is resized. By default to the model's own size: a square model has the shorter side resized and the
    /// middle cut out, others have both sides resized.
    pub resize: Option<Resizing>,
    /// The sides of the square that is cut out of the middle, in pixels.
    pub crop: Option<usize>,
    /// Taken from each channel, in fractions of the brightest; by default 0.
    pub mean: Vec<f32>,
    /// What each channel is then divided by; by default 1.
    pub std: Vec<f32>,
}

/// The size that a picture is brought to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Resizing {
    /// The shorter side, in pixels; the other in proportion.
    Shorter(usize),
    /// `[height, width]`, whatever the proportions were.
    Exactly([usize; 2]),
    /// `[shorter, longest]`: the shorter side, in pixels, less where the longer one would be longer than `longest`.
    Within([usize; 2]),
}

/// Bytes of a `config.json` at most.
const MOST_BYTES: u64 = 16 << 20;

impl Settings {
    /// The settings in a model's folder; the defaults where it has no `config.json`.
    ///
    /// # Errors
    /// If the file cannot be read, is no JSON, or has a field that is not known or out of its range; a sentence.
    pub fn read(folder: &Path) -> Result<Settings, String> {
        let path = folder.join("config.json");
        let length = match fs::metadata(&path) {
            // Reading what is no file may never end.
            Ok(metadata) if !metadata.is_file() => {
                return Err(format!("{}: expected a file", path.display()));
            }
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Settings::default()),
            Err(error) => return Err(format!("{}: {error}", path.display())),
        };
        if length > MOST_BYTES {
            return Err(format!("{}: expected {MOST_BYTES} bytes at most, got {length}", path.display()));
        }
        let bytes = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let settings: Settings =
            serde_json::from_slice(&bytes).map_err(|error| format!("{}: {error}", path.display()))?;
        settings.check().map_err(|problem| format!("{}: {problem}", path.display()))?;
        Ok(settings)
    }

    fn check(&self) -> Result<(), String> {
        let range = |name: &str, value: usize, most: usize| match (1..=most).contains(&value) {
            true => Ok(()),
            false => Err(format!("{name}: expected 1 to {most}, got {value}")),
        };
        range("max_batch_size", self.batching.max_batch_size, 65_536)?;
        range("queue", self.batching.queue, 1 << 24)?;
        range("instances", self.instances, 1024)?;
        if let Versions::Latest(count) = self.versions {
            range("versions", count, 1024)?;
        }
        if !(0.0..=60_000.0).contains(&self.batching.max_delay_ms) {
            return Err(format!("max_delay_ms: expected 0 to 60000, got {}", self.batching.max_delay_ms));
        }
        range("timeout_ms", usize::try_from(self.timeout_ms).unwrap_or(usize::MAX), 86_400_000)?;
        let Preprocessing { mean, std, .. } = &self.preprocessing;
        let finite = mean.iter().chain(std).all(|value| value.is_finite());
        if !finite || std.contains(&0.0) {
            return Err("preprocessing: expected finite means and deviations other than 0".into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_file_names_what_differs() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Settings::read(folder.path()).unwrap(), Settings::default());
        let read = |text: &str| {
            fs::write(folder.path().join("config.json"), text).unwrap();
            Settings::read(folder.path())
        };
        let settings = read(
            r#"{"batching": {"max_batch_size": 8}, "versions": {"specific": [1, 3]}, "labels": {"stable": 1},
                "preprocessing": {"resize": {"within": [800, 1333]}}}"#,
        )
        .unwrap();
        assert_eq!(settings.batching, Batching { max_batch_size: 8, ..Batching::default() });
        assert_eq!(settings.versions, Versions::Specific(vec![1, 3]));
        assert_eq!(settings.preprocessing.resize, Some(Resizing::Within([800, 1333])));
        assert_eq!(read(r#"{"versions": "all"}"#).unwrap().versions, Versions::All);
        for (text, part) in [
            (r#"{"batchng": {}}"#, "batchng"),
            (r#"{"batching": {"max_batch_size": 0}}"#, "1 to"),
            (r#"{"batching": {"max_delay_ms": -1}}"#, "max_delay_ms"),
            (r#"{"instances": 0}"#, "instances"),
            (r#"{"preprocessing": {"std": [0.0]}}"#, "deviations"),
            ("[", "config.json"),
        ] {
            let problem = read(text).unwrap_err();
            assert!(problem.contains(part), "{problem}");
        }
    }
}
