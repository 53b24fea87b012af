//! The gradient of batch normalization (Ioffe and Szegedy 2015), and of the rectified linear unit behind it.

use rayon::prelude::*;

use super::norm::{Affine, Moments};
use super::rows::{block_rows, sums};
use crate::ops::simd::vectorized;

/// What stands between a batch norm and what its gradient comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behind {
    /// Nothing that has a gradient of its own.
    Nothing,
    /// A rectified linear unit. What it got is computed again from the norm's input: that takes less time than to read
    /// what it gave, and to write and read the gradient in between.
    Relu,
}

/// The gradients of a batch norm's weight and bias and what that of its input needs of them.
pub(crate) struct NormGradient {
    pub(crate) weight: Vec<f32>,
    pub(crate) bias: Vec<f32>,
    scale: Vec<f32>,
    mean: Vec<f32>,
    /// What is added to a scaled value before a rectified linear unit sees it; infinity where there is none.
    added: Vec<f32>,
    shift: Vec<f32>,
    slope: Vec<f32>,
}

impl NormGradient {
    /// Of pixels `x` (…, C), where the gradient of what stands `behind` the norm is `dy`. With `batch` the moments are
    /// those of `x`, so that the gradient flows through them, too; otherwise they are constants.
    pub(crate) fn new(
        x: &[f32],
        dy: &[f32],
        moments: &Moments,
        affine: &Affine,
        eps: f64,
        batch: bool,
        behind: Behind,
    ) -> NormGradient {
        let channels = affine.channels();
        let rows = x.len() / channels.max(1);
        let added = match behind {
            Behind::Nothing => vec![f32::INFINITY; channels],
            Behind::Relu => affine.shift.clone(),
        };
        let [sum, centred] = sums(rows, channels, |rows, [sum, centred]| {
            let values = rows.start * channels..rows.end * channels;
            let (x, dy) = (&x[values.clone()], &dy[values]);
            vectorized(|| {
                for (x, dy) in x.chunks_exact(channels).zip(dy.chunks_exact(channels)) {
                    let sums = sum.iter_mut().zip(&mut *centred);
                    let constants = affine.mean.iter().zip(affine.scale.iter().zip(&added));
                    for (((sum, products), (&x, &dy)), (mean, line)) in
                        sums.zip(x.iter().zip(dy)).zip(constants)
                    {
                        let centred = x - mean;
                        let dy = through(centred, line, dy);
                        *sum += dy;
                        *products += centred * dy;
                    }
                }
            });
        });
        let share = if batch { 1.0 / rows as f64 } else { 0.0 };
        let inverse: Vec<f64> = moments.var.iter().map(|var| 1.0 / (var + eps).sqrt()).collect();
        let weight: Vec<f64> = centred.iter().zip(&inverse).map(|(sum, inverse)| sum * inverse).collect();
        let single =
            |values: Vec<f64>| -> Vec<f32> { values.into_iter().map(|value| value as f32).collect() };
        NormGradient {
            scale: affine.scale.clone(),
            mean: affine.mean.clone(),
            added,
            shift: single(sum.iter().map(|sum| sum * share).collect()),
            slope: single(
                weight.iter().zip(&inverse).map(|(weight, inverse)| weight * inverse * share).collect(),
            ),
            weight: single(weight),
            bias: single(sum),
        }
    }

    /// The gradient of the input: `scale · (dy - mean(dy) - x̂ · mean(dy · x̂))`, in the place of `dy`.
    pub(crate) fn input(&self, x: &[f32], dy: &mut [f32]) {
        let channels = self.mean.len();
        let len = block_rows(channels) * channels.max(1);
        dy.par_chunks_mut(len).zip(x.par_chunks(len)).for_each(|(dy, x)| {
            vectorized(|| {
                for (dy, x) in dy.chunks_exact_mut(channels).zip(x.chunks_exact(channels)) {
                    let lines = self.scale.iter().zip(&self.added);
                    let constants = self.mean.iter().zip(lines).zip(self.shift.iter().zip(&self.slope));
                    for ((dy, &x), ((mean, line), slopes)) in dy.iter_mut().zip(x).zip(constants) {
                        let centred = x - mean;
                        *dy = slope(centred, through(centred, line, *dy), line.0, slopes);
                    }
                }
            });
        });
    }

    /// The same into `dx`, with nothing behind the norm.
    pub(crate) fn input_into(&self, x: &[f32], dy: &[f32], dx: &mut [f32]) {
        let channels = self.mean.len();
        let len = block_rows(channels) * channels.max(1);
        dx.par_chunks_mut(len).zip(x.par_chunks(len).zip(dy.par_chunks(len))).for_each(|(dx, (x, dy))| {
            vectorized(|| {
                let rows = x.chunks_exact(channels).zip(dy.chunks_exact(channels));
                for (dx, (x, dy)) in dx.chunks_exact_mut(channels).zip(rows) {
                    let constants = self.mean.iter().zip(&self.scale).zip(self.shift.iter().zip(&self.slope));
                    for ((dx, (&x, &dy)), ((mean, scale), slopes)) in
                        dx.iter_mut().zip(x.iter().zip(dy)).zip(constants)
                    {
                        *dx = slope(x - mean, dy, scale, slopes);
                    }
                }
            });
        });
    }
}

/// Of a value that is `centred` on its mean, `dy`, or 0 where a rectified linear unit behind it got nothing above 0: in
/// the steps of the way there, so that it is the same number.
#[inline(always)]
fn through(centred: f32, (scale, added): (&f32, &f32), dy: f32) -> f32 {
    if centred * scale + added <= 0.0 { 0.0 } else { dy }
}

#[inline(always)]
fn slope(centred: f32, dy: f32, scale: &f32, (shift, slope): (&f32, &f32)) -> f32 {
    scale * (dy - shift - centred * slope)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Seed;
    use crate::ops::channels_last::relu_gradient;

    fn values(seed: &str, len: usize) -> Vec<f32> {
        let mut rng = Seed(4).derive(seed).rng();
        (0..len).map(|_| 2.0 * rng.uniform_f32() - 1.0).collect()
    }

    #[test]
    fn a_rectified_linear_unit_behind_it_is_as_good_as_one_of_its_own() {
        for (pixels, channels) in [(1500, 1), (700, 3), (1201, 8), (303, 24), (90, 37), (2, 2051)] {
            let x = values("x", pixels * channels);
            let moments = Moments::of(&x, channels);
            let (weight, bias) = (values("weight", channels), values("bias", channels));
            let affine = Affine::new(&moments, 1e-5, &weight, &bias);
            let mut y = vec![0.0; x.len()];
            affine.apply(&x, None, true, &mut y);

            let dy = values("dy", x.len());
            let mut through = dy.clone();
            relu_gradient(&y, &mut through);
            assert!(through.contains(&0.0) && through.iter().any(|&dy| dy != 0.0));
            let one_by_one = NormGradient::new(&x, &through, &moments, &affine, 1e-5, true, Behind::Nothing);
            let together = NormGradient::new(&x, &dy, &moments, &affine, 1e-5, true, Behind::Relu);
            assert_eq!(together.weight, one_by_one.weight, "{channels} channels");
            assert_eq!(together.bias, one_by_one.bias, "{channels} channels");

            let mut apart = vec![0.0; x.len()];
            one_by_one.input_into(&x, &through, &mut apart);
            one_by_one.input(&x, &mut through);
            let mut dx = dy.clone();
            together.input(&x, &mut dx);
            assert_eq!(dx, through, "{channels} channels");
            assert_eq!(apart, through, "{channels} channels");

            // And the sums are those of f64.
            for channel in 0..channels {
                let of_channel = |values: &[f32]| -> Vec<f64> {
                    values.iter().skip(channel).step_by(channels).map(|&value| f64::from(value)).collect()
                };
                let (x, y, dy) = (of_channel(&x), of_channel(&y), of_channel(&dy));
                let inverse = 1.0 / (moments.var[channel] + 1e-5).sqrt();
                let (mut weight, mut bias) = (0.0, 0.0);
                for ((x, y), dy) in x.into_iter().zip(y).zip(dy) {
                    if y > 0.0 {
                        weight += (x - moments.mean[channel]) * inverse * dy;
                        bias += dy;
                    }
                }
                let near = |got: f32, wanted: f64| (f64::from(got) - wanted).abs() < 1e-4;
                assert!(near(together.weight[channel], weight) && near(together.bias[channel], bias));
            }
        }
    }
}
