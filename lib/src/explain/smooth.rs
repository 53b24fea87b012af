//! The gradient averaged over noise.

use candle_core::Tensor;

use super::attribution::Attribution;
use super::gradient::{greatest_size, of_images, over_channels};
use super::subject::Subject;
use crate::nn::Model;
use crate::plot::OverlayScale;
use crate::progress::{Progress, Unit};
use crate::{Error, Result, Seed};

/// How [`smooth_grad`] goes about it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SmoothGradConfig {
    /// The class; `None` for the one of the highest score.
    pub class: Option<usize>,
    /// How many noisy images.
    pub samples: usize,
    /// The standard deviation of the noise, as a part of the distance from the image's least to its greatest value.
    pub noise: f64,
    /// Where the noise starts.
    pub seed: Seed,
    /// How many images are computed at once.
    pub batch: usize,
}

impl Default for SmoothGradConfig {
    fn default() -> SmoothGradConfig {
        SmoothGradConfig { class: None, samples: 50, noise: 0.15, seed: Seed(0), batch: 10 }
    }
}

/// [`saliency`](super::saliency) of the mean gradient over copies of the image with normal noise (Smilkov et al. 2017,
/// arXiv:1706.03825), which is less speckled than that of one image.
///
/// # Errors
/// As [`saliency`](super::saliency); no samples or no batch, or noise that is negative or not finite; an interrupt.
pub fn smooth_grad(model: &Model, image: &Tensor, config: SmoothGradConfig) -> Result<Attribution> {
    let op = "explain::smooth_grad";
    if config.samples == 0 || config.batch == 0 || !config.noise.is_finite() || config.noise < 0.0 {
        return Err(Error::Argument {
            op: op.into(),
            expected: "at least one sample and one image a batch, and noise of 0 or more".into(),
            got: format!("samples {}, batch {}, noise {}", config.samples, config.batch, config.noise),
            hint: "The defaults are 50, 10 and 0.15.".into(),
        });
    }
    let subject = Subject::new(op, model, image, config.class)?;
    let values = subject.values()?;
    let (low, high) = values
        .iter()
        .fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &value| (low.min(value), high.max(value)));
    let spread = config.noise * f64::from(high - low);
    let mut rng = config.seed.rng();
    let mut sums = vec![0.0_f64; values.len()];
    let mut progress = Progress::start("SmoothGrad", Unit::Images, Some(config.samples as u64));
    let mut done = 0;
    while done < config.samples {
        let count = config.batch.min(config.samples - done);
        let noisy = (0..count).flat_map(|_| &values);
        let noisy = noisy.map(|&value| (f64::from(value) + spread * rng.normal()) as f32).collect();
        let gradients = of_images(&subject, &subject.batch(noisy)?)?.flatten_all()?.to_vec1::<f32>()?;
        for gradient in gradients.chunks_exact(values.len().max(1)) {
            sums.iter_mut().zip(gradient).for_each(|(sum, &value)| *sum += f64::from(value));
        }
        done += count;
        progress.at(done as u64)?;
    }
    let mean: Vec<f32> = sums.into_iter().map(|sum| (sum / config.samples as f64) as f32).collect();
    let values = over_channels(&mean, subject.shape()[0], greatest_size);
    let method = format!("SmoothGrad of {} images", config.samples);
    Attribution::of_pixels(method, &subject, values, OverlayScale::Positive)
}
