//! What the server counts, in Prometheus's text format.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::failure::Failure;

/// Upper ends of the classes of a time, in seconds.
const SECONDS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Upper ends of the classes of a batch's size.
const IMAGES: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];
/// Parts of the unit that sums are kept in.
const PARTS: f64 = 1e9;

/// How often a value fell where.
#[derive(Debug)]
pub struct Histogram {
    ends: &'static [f64],
    counts: Vec<AtomicU64>,
    sum: AtomicU64,
}

impl Histogram {
    fn new(ends: &'static [f64]) -> Histogram {
        let counts = (0..=ends.len()).map(|_| AtomicU64::new(0)).collect();
        Histogram { ends, counts, sum: AtomicU64::new(0) }
    }

    /// Takes note of a value, 0 or more.
    pub fn observe(&self, value: f64) {
        let place = self.ends.iter().position(|end| value <= *end).unwrap_or(self.ends.len());
        if let Some(count) = self.counts.get(place) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.sum.fetch_add((value * PARTS) as u64, Ordering::Relaxed);
    }

    fn write(&self, out: &mut String, name: &str, labels: &str) {
        let mut total = 0;
        for (place, count) in self.counts.iter().enumerate() {
            total += count.load(Ordering::Relaxed);
            let end = self.ends.get(place).map_or_else(|| "+Inf".to_owned(), ToString::to_string);
            let _ = writeln!(out, "{name}_bucket{{{labels},le=\"{end}\"}} {total}");
        }
        let sum = self.sum.load(Ordering::Relaxed) as f64 / PARTS;
        let _ = writeln!(out, "{name}_sum{{{labels}}} {sum}\n{name}_count{{{labels}}} {total}");
    }
}

/// What is counted of a model, over all its versions.
#[derive(Debug)]
pub struct ModelMetrics {
    /// Seconds that a request waited.
    pub queue: Histogram,
    /// Seconds that a batch took to compute.
    pub compute: Histogram,
    /// Images of a batch.
    pub batch: Histogram,
}

/// Requests by model, protocol and how they ended.
type Requests = BTreeMap<(String, &'static str, &'static str), (u64, f64)>;

/// All that the server counts.
#[derive(Debug, Default)]
pub struct Metrics {
    models: Mutex<BTreeMap<String, Arc<ModelMetrics>>>,
    requests: Mutex<Requests>,
    /// Connections that are open.
    pub connections: AtomicI64,
}

/// What the metrics tell of the versions that are there.
#[derive(Debug, Clone)]
pub struct VersionState {
    /// The model.
    pub model: String,
    /// The version.
    pub version: u64,
    /// Requests that wait for it.
    pub waiting: usize,
}

impl Metrics {
    /// The counters of a model.
    pub fn model(&self, name: &str) -> Arc<ModelMetrics> {
        let mut models = self.models.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || {
            Arc::new(ModelMetrics {
                queue: Histogram::new(&SECONDS),
                compute: Histogram::new(&SECONDS),
                batch: Histogram::new(&IMAGES),
            })
        };
        Arc::clone(models.entry(name.to_owned()).or_insert_with(new))
    }

    /// Takes note of how a request ended that came at `start`, and leaves a line in the log. `model` is empty where
    /// the request names none that there is.
    pub fn request(&self, model: &str, protocol: &'static str, start: Instant, failure: Option<&Failure>) {
        let seconds = start.elapsed().as_secs_f64();
        let outcome = failure.map_or("ok", |failure| failure.reason.word());
        match failure {
            None => tracing::debug!(model, protocol, seconds, "answered"),
            Some(failure) => tracing::info!(model, protocol, seconds, outcome, %failure, "refused"),
        }
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, sum) = requests.entry((model.to_owned(), protocol, outcome)).or_default();
        *count += 1;
        *sum += seconds;
    }

    /// Everything as text.
    #[must_use]
    pub fn text(&self, versions: &[VersionState]) -> String {
        let mut out = String::new();
        let head = |out: &mut String, name: &str, kind: &str, help: &str| {
            let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
        };
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let name = "sconce_serve_requests_total";
        head(&mut out, name, "counter", "Requests by model, protocol and outcome.");
        for ((model, protocol, outcome), (count, _)) in &requests {
            let labels = format!("model=\"{model}\",protocol=\"{protocol}\",outcome=\"{outcome}\"");
            let _ = writeln!(out, "{name}{{{labels}}} {count}");
        }
        let name = "sconce_serve_request_failures_total";
        head(&mut out, name, "counter", "Requests that got a refusal, by model and reason.");
        for ((model, protocol, outcome), (count, _)) in requests.iter().filter(|entry| entry.0.2 != "ok") {
            let labels = format!("model=\"{model}\",protocol=\"{protocol}\",reason=\"{outcome}\"");
            let _ = writeln!(out, "{name}{{{labels}}} {count}");
        }
        let name = "sconce_serve_request_seconds_total";
        head(&mut out, name, "counter", "Seconds from a request's head to its answer, summed up.");
        for ((model, protocol, outcome), (_, sum)) in &requests {
            let labels = format!("model=\"{model}\",protocol=\"{protocol}\",outcome=\"{outcome}\"");
            let _ = writeln!(out, "{name}{{{labels}}} {sum}");
        }
        let models = self.models.lock().unwrap_or_else(PoisonError::into_inner).clone();
        type Part = fn(&ModelMetrics) -> &Histogram;
        let parts: [(&str, &str, Part); 3] = [
            ("sconce_serve_queue_seconds", "Seconds that a request waited for its batch.", |it| &it.queue),
            ("sconce_serve_compute_seconds", "Seconds that a batch took to compute.", |it| &it.compute),
            ("sconce_serve_batch_size", "Images of a batch.", |it| &it.batch),
        ];
        for (name, help, part) in parts {
            head(&mut out, name, "histogram", help);
            for (model, metrics) in &models {
                part(metrics).write(&mut out, name, &format!("model=\"{model}\""));
            }
        }
        head(&mut out, "sconce_serve_version_loaded", "gauge", "Versions that are served.");
        for VersionState { model, version, .. } in versions {
            let _ = writeln!(out, "sconce_serve_version_loaded{{model=\"{model}\",version=\"{version}\"}} 1");
        }
        head(&mut out, "sconce_serve_waiting", "gauge", "Requests that wait for a batch.");
        for VersionState { model, version, waiting } in versions {
            let _ =
                writeln!(out, "sconce_serve_waiting{{model=\"{model}\",version=\"{version}\"}} {waiting}");
        }
        head(&mut out, "sconce_serve_connections", "gauge", "Connections that are open.");
        let _ = writeln!(out, "sconce_serve_connections {}", self.connections.load(Ordering::Relaxed));
        out
    }
}
