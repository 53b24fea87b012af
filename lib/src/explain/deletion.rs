//! Whether a map's pixels matter: what happens as they go and as they come.

use candle_core::Tensor;
use sconce_display::Bundle;

use super::attribution::Attribution;
use super::baseline::Baseline;
use super::subject::Subject;
use crate::nn::Model;
use crate::plot::{Curves, number};
use crate::progress::{Progress, Unit};
use crate::rich::Rich;
use crate::{Error, Result};

/// How [`deletion_insertion`] goes about it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DeletionConfig {
    /// In how many equal parts the pixels go and come.
    pub steps: usize,
    /// What is there where pixels are gone.
    pub deleted: Baseline,
    /// What is there where pixels have not come yet.
    pub inserted: Baseline,
    /// How many images are computed at once.
    pub batch: usize,
}

impl Default for DeletionConfig {
    /// As in the paper: pixels that are gone are 0, those that come replace a blur.
    fn default() -> DeletionConfig {
        DeletionConfig {
            steps: 32,
            deleted: Baseline::Value(0.0),
            inserted: Baseline::Blurred(5.0),
            batch: 16,
        }
    }
}

/// What [`deletion_insertion`] found: the probability of the class against the part of the pixels that are gone or that
/// have come.
#[derive(Debug, Clone, PartialEq)]
pub struct DeletionInsertion {
    method: String,
    class: usize,
    deletion: Vec<f64>,
    insertion: Vec<f64>,
}

/// The deletion and insertion curves of a map (Petsiuk, Das and Saenko 2018, arXiv:1806.07421): the probability of its
/// class as the pixels of the greatest values are taken out of the image first, and as they come first into one without
/// information. A map that finds what the model uses has a small area under the first and a large one under the second.
/// Equal values go in the order of their rows.
///
/// # Errors
/// If the map is of no class, of another size than `image`, or has values that are not finite; no steps, more of them than
/// pixels, or no batch; as [`saliency`](super::saliency), but for gradients; an interrupt.
pub fn deletion_insertion(
    model: &Model,
    image: &Tensor,
    map: &Attribution,
    config: DeletionConfig,
) -> Result<DeletionInsertion> {
    let op = "explain::deletion_insertion";
    let argument = |expected: String, got: String, hint: &str| Error::Argument {
        op: op.into(),
        expected,
        got,
        hint: hint.into(),
    };
    let Some(class) = map.class() else {
        let hint = "Attention is the same for every class; take `grad_cam` or a gradient.";
        return Err(argument("the map of a class".into(), map.method().to_owned(), hint));
    };
    let subject = Subject::new(op, model, image, Some(class))?;
    let [_, height, width] = subject.shape();
    if map.size() != [height, width] {
        let [rows, columns] = map.size();
        let got = format!("one of {rows} x {columns}");
        return Err(argument(format!("a map of {height} x {width}"), got, "Take the map of this image."));
    }
    if let Some(odd) = map.values().iter().position(|value| !value.is_finite()) {
        let hint = "Look at the image and the weights.";
        return Err(argument("finite values".into(), format!("{} at {odd}", map.values()[odd]), hint));
    }
    let area = height * width;
    if config.steps == 0 || config.steps > area || config.batch == 0 {
        let expected = format!("from 1 to {area} steps and at least one image a batch");
        let got = format!("steps {}, batch {}", config.steps, config.batch);
        return Err(argument(expected, got, "The defaults are 32 and 16."));
    }
    let mut order: Vec<usize> = (0..area).collect();
    // -0 and 0 are equal.
    let value = |at: usize| map.values()[at] + 0.0;
    order.sort_by(|&a, &b| value(b).total_cmp(&value(a)));
    let seen = subject.values()?;
    let gone = config.deleted.of(op, &seen, subject.shape())?;
    let nothing = config.inserted.of(op, &seen, subject.shape())?;
    let runs = 2 * (config.steps as u64 + 1);
    let mut progress = Progress::start("deletion and insertion", Unit::Images, Some(runs));
    let mut done = 0;
    let mut curve = |from: &[f32], to: &[f32]| -> Result<Vec<f64>> {
        let mut curve = Vec::with_capacity(config.steps + 1);
        let mut image = from.to_vec();
        let mut moved = 0;
        let steps: Vec<usize> = (0..=config.steps).collect();
        for steps in steps.chunks(config.batch) {
            let mut images = Vec::with_capacity(steps.len() * image.len());
            for step in steps {
                let until = area * step / config.steps;
                for &pixel in &order[moved..until] {
                    for at in (pixel..image.len()).step_by(area) {
                        image[at] = to[at];
                    }
                }
                moved = until;
                images.extend(&image);
            }
            curve.extend(subject.probabilities(&subject.batch(images)?)?);
            done += steps.len() as u64;
            progress.at(done)?;
        }
        Ok(curve)
    };
    let deletion = curve(&seen, &gone)?;
    let insertion = curve(&nothing, &seen)?;
    Ok(DeletionInsertion { method: map.method().to_owned(), class, deletion, insertion })
}

impl DeletionInsertion {
    /// The probability of the class as pixels go: first of the whole image, last of none of it.
    #[must_use]
    pub fn deletion(&self) -> &[f64] {
        &self.deletion
    }

    /// The probability of the class as pixels come: first of nothing, last of the whole image.
    #[must_use]
    pub fn insertion(&self) -> &[f64] {
        &self.insertion
    }

    /// The area under the deletion curve, from 0 to 1, by trapezoids; less is better.
    #[must_use]
    pub fn deletion_area(&self) -> f64 {
        area(&self.deletion)
    }

    /// The area under the insertion curve, from 0 to 1, by trapezoids; more is better.
    #[must_use]
    pub fn insertion_area(&self) -> f64 {
        area(&self.insertion)
    }

    /// Both curves.
    #[must_use]
    pub fn curves(&self) -> Curves {
        let points = |curve: &[f64]| -> Vec<(f64, f64)> {
            let last = curve.len().saturating_sub(1).max(1) as f64;
            curve.iter().enumerate().map(|(at, &probability)| (at as f64 / last, probability)).collect()
        };
        let name = |what: &str, area: f64| format!("{what}, area {}", number(area));
        Curves::new(&format!("{}, class {}", self.method, self.class))
            .x_label("part of the pixels gone or come")
            .y_label("probability")
            .y_range(0.0..1.0)
            .series(&name("deletion", self.deletion_area()), &points(&self.deletion))
            .series(&name("insertion", self.insertion_area()), &points(&self.insertion))
    }
}

fn area(curve: &[f64]) -> f64 {
    let parts = curve.windows(2).map(|ends| (ends[0] + ends[1]) / 2.0);
    parts.sum::<f64>() / curve.len().saturating_sub(1).max(1) as f64
}

impl Rich for DeletionInsertion {
    fn rich(&self) -> Bundle {
        self.curves().rich()
    }
}
