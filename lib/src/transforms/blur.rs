//! Blurred images.

use super::refused::refused;
use super::span::{POSITIVE, Span};
use super::value::{Value, on_pixels};
use super::window::PadMode;
use crate::data::{Sample, Transform};
use crate::ops::vectorized;
use crate::{Result, Rng};

/// Blurs images by a Gaussian, over `kernel` by `kernel` pixels; edges are mirrored, as in torchvision.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GaussianBlur {
    kernel: usize,
    sigma: Span,
}

impl GaussianBlur {
    /// Over so many pixels a side, an odd number; with a sigma of 0.1 to 2 pixels.
    #[must_use]
    pub fn new(kernel: usize) -> GaussianBlur {
        GaussianBlur { kernel, sigma: (0.1..=2.0).into() }
    }

    /// Sets the standard deviation in pixels, fixed or drawn from a range for each image.
    #[must_use]
    pub fn sigma(mut self, pixels: impl Into<Span>) -> GaussianBlur {
        self.sigma = pixels.into();
        self
    }
}

impl Transform for GaussianBlur {
    fn apply(&self, sample: Sample, rng: &mut Rng) -> Result<Sample> {
        const OP: &str = "GaussianBlur";
        if self.kernel.is_multiple_of(2) || self.kernel > 4097 {
            let hint = "About 6 sigma and a pixel hold all of a Gaussian.";
            return Err(refused(OP, "a kernel of an odd number of pixels", self.kernel.to_string(), hint));
        }
        self.sigma.check(OP, "sigma", POSITIVE)?;
        let weights = gaussian(self.kernel, self.sigma.draw(rng));
        let shape = sample.image.shape();
        let image = on_pixels!(sample.image, shape, |values| blurred(values, shape, &weights))?;
        Ok(Sample { image, ..sample })
    }
}

/// Weights of a Gaussian at `count` pixels around its middle, which sum to 1.
pub(super) fn gaussian(count: usize, sigma: f64) -> Vec<f32> {
    let middle = (count as f64 - 1.0) / 2.0;
    let raw: Vec<f64> = (0..count).map(|at| (-0.5 * ((at as f64 - middle) / sigma).powi(2)).exp()).collect();
    let sum: f64 = raw.iter().sum();
    raw.iter().map(|weight| (weight / sum) as f32).collect()
}

/// Sums over a square around each pixel, of which the weights along each side are these.
pub(super) fn blurred<T: Value>(values: &[T], shape: [usize; 3], weights: &[f32]) -> Vec<T> {
    let [height, width, channels] = shape;
    let row = width * channels;
    let reach = weights.len() / 2;
    let source = |at: usize, length: usize| {
        PadMode::Reflect.source(at as isize - reach as isize, length).unwrap_or_default()
    };
    let columns: Vec<usize> = (0..width + 2 * reach).map(|at| source(at, width) * channels).collect();
    let mut line = vec![0.0_f32; (width + 2 * reach) * channels];
    let mut along = vec![0.0_f32; values.len()];
    for (values, along) in values.chunks_exact(row).zip(along.chunks_exact_mut(row)) {
        for (to, &from) in line.chunks_exact_mut(channels).zip(&columns) {
            for (to, from) in to.iter_mut().zip(&values[from..]) {
                *to = from.number();
            }
        }
        // The neighbour of a number on its own channel is one pixel further.
        vectorized(|| {
            for (tap, &weight) in weights.iter().enumerate() {
                add(along, &line[tap * channels..], weight);
            }
        });
    }
    let mut sums = vec![0.0_f32; row];
    let mut out = Vec::with_capacity(values.len());
    for y in 0..height {
        sums.fill(0.0);
        vectorized(|| {
            for (tap, &weight) in weights.iter().enumerate() {
                add(&mut sums, &along[source(y + tap, height) * row..], weight);
            }
        });
        out.extend(sums.iter().map(|&sum| T::from_number(sum)));
    }
    out
}

#[inline(always)]
fn add(sums: &mut [f32], values: &[f32], weight: f32) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum += value * weight;
    }
}
