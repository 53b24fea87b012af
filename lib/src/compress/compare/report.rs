//! What was found, as a table, a picture and sentences.

use std::path::Path;

use sconce_display::Bundle;

use super::chance::{mcnemar, wilson};
use super::{check_names, refused};
use crate::Result;
use crate::plot::{Scatter, Table, count, escape, number, percent, svg_in_html};
use crate::progress::bytes;
use crate::rich::Rich;

/// Below so high a probability a difference is hardly chance.
const CHANCE: f64 = 0.05;

/// Models side by side. Made by [`compare`](super::compare).
#[derive(Debug, Clone, PartialEq)]
pub struct ModelComparison {
    pub(super) models: Vec<ComparedModel>,
}

/// What is known of one of them.
#[derive(Debug, Clone, PartialEq)]
pub struct ComparedModel {
    /// What it was called.
    pub name: String,
    /// Of each image, whether it is right.
    pub right: Vec<bool>,
    /// How many values its parameters have.
    pub parameters: usize,
    /// Multiplications, each with its addition, for one image; `None` where they cannot be counted.
    pub multiply_adds: Option<u64>,
    /// How large its file is, in bytes.
    pub file_bytes: u64,
    /// Bytes in use at most for one image, counted: see [`Compared::peak_bytes`](super::Compared::peak_bytes).
    pub peak_bytes: Option<u64>,
    /// Of one image.
    pub latency_1: Latency,
    /// Of a batch of 32 images.
    pub latency_32: Latency,
}

/// How long a batch takes, in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Latency {
    /// Half of the runs took no longer.
    pub median: f64,
    /// 95 % of the runs took no longer.
    pub p95: f64,
    /// How often it was measured.
    pub runs: usize,
}

impl ComparedModel {
    /// How many images it has right.
    #[must_use]
    pub fn correct(&self) -> usize {
        self.right.iter().filter(|right| **right).count()
    }

    /// The share of images that are right.
    #[must_use]
    pub fn accuracy(&self) -> f64 {
        self.correct() as f64 / self.right.len() as f64
    }

    /// In which its accuracy on all such images lies, with a probability of 95 %.
    #[must_use]
    pub fn interval(&self) -> [f64; 2] {
        wilson(self.correct(), self.right.len())
    }
}

impl ModelComparison {
    /// Of what is known already, e.g. from several machines: models by names of their own, all of the same images.
    ///
    /// # Errors
    /// No models, two of one name, no images or not equally many.
    pub fn new(models: Vec<ComparedModel>) -> Result<ModelComparison> {
        check_names(models.iter().map(|model| model.name.as_str()))?;
        let images = models.first().map_or(0, |model| model.right.len());
        match models.iter().find(|model| model.right.len() != images || images == 0) {
            None => Ok(ModelComparison { models }),
            Some(other) => {
                let got = format!("{} of the model {:?}", other.right.len(), other.name);
                Err(refused(&format!("the {images} images of the first model, at least 1"), got, ""))
            }
        }
    }

    /// The models, in the order in which they were given.
    #[must_use]
    pub fn models(&self) -> &[ComparedModel] {
        &self.models
    }

    /// The model of this name.
    ///
    /// # Errors
    /// If there is none; the error lists the names.
    pub fn model(&self, name: &str) -> Result<&ComparedModel> {
        self.models.iter().find(|model| model.name == name).ok_or_else(|| {
            let names: Vec<&str> = self.models.iter().map(|model| model.name.as_str()).collect();
            refused(&format!("one of {}", names.join(", ")), format!("{name:?}"), "")
        })
    }

    /// How likely two models that are equally good differ as much as these two, by McNemar's exact test on the images that only one
    /// of them has right: a small number, below 0.05 say, means that the difference is hardly chance.
    ///
    /// # Errors
    /// If there are no such models; the error lists the names.
    pub fn p_value(&self, first: &str, second: &str) -> Result<f64> {
        let (first, second) = (self.model(first)?, self.model(second)?);
        Ok(mcnemar(alone(first, second), alone(second, first)))
    }

    /// A row for each model.
    #[must_use]
    pub fn table(&self) -> Table {
        let mut table = Table::new(&[
            "model",
            "accuracy",
            "95 % interval",
            "parameters",
            "multiply-adds",
            "file",
            "memory",
            "batch of 1: median, p95",
            "batch of 32: median, p95",
        ]);
        for model in &self.models {
            let [low, high] = model.interval();
            let or_dash = |value: Option<String>| value.unwrap_or_else(|| "–".into());
            let latency = |latency: Latency| format!("{}, {} ms", ms(latency.median), ms(latency.p95));
            table.push(&[
                model.name.clone(),
                percent(model.accuracy()),
                format!("{} to {}", percent(low), percent(high)),
                count(model.parameters),
                or_dash(model.multiply_adds.map(|number| count(number as usize))),
                bytes(model.file_bytes),
                or_dash(model.peak_bytes.map(bytes)),
                latency(model.latency_1),
                latency(model.latency_32),
            ]);
        }
        table
    }

    /// What is different in each model from the first, in a sentence each.
    #[must_use]
    pub fn sentences(&self) -> Vec<String> {
        let Some((first, others)) = self.models.split_first() else { return Vec::new() };
        others.iter().map(|other| difference(first, other)).collect()
    }

    /// The accuracy over the median latency of one image, each model by its name.
    #[must_use]
    pub fn scatter(&self) -> Scatter {
        let mut scatter = Scatter::new("accuracy and latency")
            .x_label("latency of one image, median, in ms")
            .y_label("accuracy")
            .named_at_points();
        let latencies = || self.models.iter().map(|model| model.latency_1.median);
        let (least, most) = latencies().fold((f64::INFINITY, 0.0), |(least, most), latency| {
            (f64::min(least, latency), f64::max(most, latency))
        });
        // Where they are apart by much, ratios are what counts.
        if most > 5.0 * least && least > 0.0 {
            scatter = scatter.logarithmic_x();
        }
        self.models.iter().fold(scatter, |scatter, model| {
            scatter.points(&model.name, &[(1e3 * model.latency_1.median, model.accuracy())])
        })
    }

    /// Writes the picture to a file that ends with `.svg`.
    ///
    /// # Errors
    /// For another ending, or when the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        self.scatter().save(path)
    }

    /// How it was measured, and what is different, line by line.
    fn notes(&self) -> Vec<String> {
        let runs = self.models.first().map_or(0, |model| model.latency_1.runs);
        let images = self.models.first().map_or(0, |model| model.right.len());
        let how = format!(
            "on {} images; latencies of {} runs each, in turns; memory is counted: weights and values of one image",
            count(images),
            count(runs)
        );
        [how].into_iter().chain(self.sentences()).collect()
    }

    /// What a screen reader says of the picture.
    fn description(&self) -> String {
        let models = self.models.iter().map(|model| {
            format!("{} {} in {} ms", model.name, percent(model.accuracy()), ms(model.latency_1.median))
        });
        format!("accuracy and latency of one image: {}", models.collect::<Vec<_>>().join(", "))
    }
}

/// How many images `one` has right and `other` has not.
fn alone(one: &ComparedModel, other: &ComparedModel) -> usize {
    one.right.iter().zip(&other.right).filter(|(one, other)| **one && !**other).count()
}

fn difference(first: &ComparedModel, other: &ComparedModel) -> String {
    let (lost, won) = (alone(first, other), alone(other, first));
    let p = mcnemar(lost, won);
    let points = 100.0 * (other.accuracy() - first.accuracy());
    let accuracy = if lost + won == 0 {
        "right and wrong on the same images".to_owned()
    } else {
        let by = if points == 0.0 {
            "equally accurate".to_owned()
        } else {
            format!(
                "{} points {} accurate",
                number((points.abs() * 100.0).round() / 100.0),
                if points > 0.0 { "more" } else { "less" }
            )
        };
        let chance = if p < CHANCE { "hardly chance" } else { "may be chance" };
        let p = if p < 1e-3 { "below 0.001".to_owned() } else { format!("{p:.3}") };
        format!("{by} ({} images lost and {} won; p {p}, {chance})", count(lost), count(won))
    };
    let mut parts = vec![accuracy];
    let pairs = [
        ("of the parameters", Some((first.parameters as f64, other.parameters as f64))),
        (
            "of the multiply-adds",
            first.multiply_adds.zip(other.multiply_adds).map(|(a, b)| (a as f64, b as f64)),
        ),
        ("of the file", Some((first.file_bytes as f64, other.file_bytes as f64))),
        ("of the memory", first.peak_bytes.zip(other.peak_bytes).map(|(a, b)| (a as f64, b as f64))),
        ("of the time for one image", Some((first.latency_1.median, other.latency_1.median))),
        ("of the time for 32", Some((first.latency_32.median, other.latency_32.median))),
    ];
    for (what, pair) in pairs {
        if let Some((before, after)) = pair.filter(|(before, _)| *before > 0.0) {
            parts.push(format!("{} {what}", percent(after / before)));
        }
    }
    format!("{} beside {}: {}", other.name, first.name, parts.join(", "))
}

fn ms(seconds: f64) -> String {
    let ms = 1e3 * seconds;
    if ms < 10.0 { format!("{ms:.2}") } else { format!("{ms:.1}") }
}

impl Rich for ModelComparison {
    fn rich(&self) -> Bundle {
        let notes = self.notes();
        let lines: String = notes.iter().map(|note| format!("{note}\n")).collect();
        let text = format!("{}{lines}", self.table().text());
        let lines: String = notes.iter().map(|note| format!("<div>{}</div>", escape(note))).collect();
        let html = format!("{}{lines}", self.table().html());
        match self.scatter().svg() {
            Ok(svg) => {
                let picture = svg_in_html(&svg, &self.description());
                Bundle::text(text).html(format!("{picture}{html}"))
            }
            Err(error) => Bundle::text(format!("{text}({error})\n")).html(html),
        }
    }
}
