//! Gradients along the way from no information to the image.

use candle_core::Tensor;

use super::attribution::{Attribution, Completeness};
use super::baseline::Baseline;
use super::gradient::{of_images, over_channels, sum};
use super::subject::Subject;
use crate::nn::Model;
use crate::plot::OverlayScale;
use crate::progress::{Progress, Unit};
use crate::{Error, Result};

/// How [`integrated_gradients`] goes about it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct IntegratedGradientsConfig {
    /// The class; `None` for the one of the highest score.
    pub class: Option<usize>,
    /// Where the way starts.
    pub baseline: Baseline,
    /// The parts of the way: more make the attributions add up better.
    pub steps: usize,
    /// How many images are computed at once.
    pub batch: usize,
}

impl Default for IntegratedGradientsConfig {
    fn default() -> IntegratedGradientsConfig {
        IntegratedGradientsConfig { class: None, baseline: Baseline::default(), steps: 50, batch: 10 }
    }
}

/// The gradients of the score of a class on the straight way from the baseline to the image, averaged and times the way of
/// each pixel, summed over the channels (Sundararajan, Taly and Yan 2017, arXiv:1703.01365). The integral is taken at the
/// middles of `steps` equal parts. All attributions add up to the difference of the scores, but for the steps:
/// [`Attribution::completeness`] says how well.
///
/// # Errors
/// As [`saliency`](super::saliency); no steps or no batch, a baseline out of range; an interrupt.
pub fn integrated_gradients(
    model: &Model,
    image: &Tensor,
    config: IntegratedGradientsConfig,
) -> Result<Attribution> {
    let op = "explain::integrated_gradients";
    let IntegratedGradientsConfig { steps, batch, .. } = config;
    if steps == 0 || batch == 0 {
        return Err(Error::Argument {
            op: op.into(),
            expected: "at least one step and one image a batch".into(),
            got: format!("steps {steps}, batch {batch}"),
            hint: "The defaults are 50 and 10.".into(),
        });
    }
    let subject = Subject::new(op, model, image, config.class)?;
    let end = subject.values()?;
    let start = config.baseline.of(op, &end, subject.shape())?;
    let mut sums = vec![0.0_f64; end.len()];
    let mut progress = Progress::start("Integrated Gradients", Unit::Images, Some(steps as u64));
    let mut done = 0;
    while done < steps {
        let count = batch.min(steps - done);
        let mut images = Vec::with_capacity(count * end.len());
        for step in done..done + count {
            let part = (step as f64 + 0.5) / steps as f64;
            let between = |(&from, &to): (&f32, &f32)| {
                (f64::from(from) + part * (f64::from(to) - f64::from(from))) as f32
            };
            images.extend(start.iter().zip(&end).map(between));
        }
        let gradients = of_images(&subject, &subject.batch(images)?)?.flatten_all()?.to_vec1::<f32>()?;
        for gradient in gradients.chunks_exact(end.len().max(1)) {
            sums.iter_mut().zip(gradient).for_each(|(sum, &value)| *sum += f64::from(value));
        }
        done += count;
        progress.at(done as u64)?;
    }
    let way = start.iter().zip(&end).map(|(&from, &to)| f64::from(to) - f64::from(from));
    let attributions: Vec<f64> = way.zip(&sums).map(|(way, sum)| way * sum / steps as f64).collect();
    let nothing = subject.scores(&subject.batch(start)?)?;
    let difference = subject.score - nothing.first().copied().unwrap_or_default();
    let completeness = Completeness { sum: attributions.iter().sum(), difference };
    let attributions: Vec<f32> = attributions.into_iter().map(|value| value as f32).collect();
    let values = over_channels(&attributions, subject.shape()[0], sum);
    let method = format!("Integrated Gradients in {steps} steps");
    Ok(Attribution::of_pixels(method, &subject, values, OverlayScale::Signed)?.complete(completeness))
}
