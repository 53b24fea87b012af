//! What stands for an image without information.

use crate::{Error, Result};

/// The pixels that stand for no information.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Baseline {
    /// This value everywhere. In images that are normalized, 0 is the mean of the training set.
    Value(f32),
    /// Of each channel the mean over the image.
    Mean,
    /// The image blurred by a normal distribution of this standard deviation, in pixels. Beyond the edge the last pixel
    /// goes on.
    Blurred(f64),
}

impl Default for Baseline {
    fn default() -> Baseline {
        Baseline::Value(0.0)
    }
}

impl Baseline {
    /// An image (C, H, W) without information, of the same shape.
    pub(super) fn of(
        self,
        op: &'static str,
        image: &[f32],
        [channels, height, width]: [usize; 3],
    ) -> Result<Vec<f32>> {
        let refused = |expected: &str, got: f64| Error::Argument {
            op: op.into(),
            expected: expected.into(),
            got: got.to_string(),
            hint: "See `Baseline`.".into(),
        };
        match self {
            Baseline::Value(value) if value.is_finite() => Ok(vec![value; image.len()]),
            Baseline::Value(value) => Err(refused("a baseline of a finite value", f64::from(value))),
            Baseline::Mean => {
                let area = (image.len() / channels.max(1)).max(1);
                let mean = |plane: &[f32]| {
                    let sum = plane.iter().map(|&value| f64::from(value)).sum::<f64>();
                    vec![(sum / area as f64) as f32; area]
                };
                Ok(image.chunks(area).flat_map(mean).collect())
            }
            Baseline::Blurred(sigma) if sigma.is_finite() && sigma > 0.0 && sigma <= 1000.0 => {
                let weights = normal(sigma);
                let rows = blurred(image, width, 1, &weights);
                Ok(blurred(&rows, height, width, &weights))
            }
            Baseline::Blurred(sigma) => {
                Err(refused("a blur with a standard deviation above 0, up to 1000 pixels", sigma))
            }
        }
    }
}

/// The weights of a pixel's neighbours at distances 0, 1, …, up to three standard deviations.
fn normal(sigma: f64) -> Vec<f64> {
    let reach = (3.0 * sigma).ceil() as usize;
    let weights: Vec<f64> = (0..=reach).map(|at| (-0.5 * (at as f64 / sigma).powi(2)).exp()).collect();
    let sum = 2.0 * weights.iter().sum::<f64>() - weights[0];
    weights.into_iter().map(|weight| weight / sum).collect()
}

/// Lines of `length` values that lie `stride` apart, each blurred.
fn blurred(values: &[f32], length: usize, stride: usize, weights: &[f64]) -> Vec<f32> {
    let value = |at: usize| {
        let place = at / stride % length;
        let first = at - place * stride;
        let read = |place: usize| f64::from(values[first + place.min(length - 1) * stride]);
        let mut sum = weights[0] * read(place);
        for (distance, weight) in weights.iter().enumerate().skip(1) {
            sum += weight * (read(place.saturating_sub(distance)) + read(place + distance));
        }
        sum as f32
    };
    (0..values.len()).map(value).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_blur_keeps_what_is_even_and_spreads_a_point() {
        let even = Baseline::Blurred(1.5).of("x", &[2.0; 2 * 4 * 6], [2, 4, 6]).unwrap();
        assert!(even.iter().all(|value| (value - 2.0).abs() < 1e-6), "{even:?}");
        let mut point = vec![0.0; 9 * 11];
        point[4 * 11 + 5] = 1.0;
        let spread = Baseline::Blurred(1.0).of("x", &point, [1, 9, 11]).unwrap();
        let at = |row: usize, column: usize| f64::from(spread[row * 11 + column]);
        // exp(-d² / 2) over its sum for d from -3 to 3 is 0.39905 and 0.24204 at d of 0 and 1.
        assert!((at(4, 5) - 0.39905_f64.powi(2)).abs() < 1e-5, "{}", at(4, 5));
        assert!((at(4, 6) - 0.39905 * 0.24204).abs() < 1e-5 && (at(5, 5) - at(4, 6)).abs() < 1e-7);
    }

    #[test]
    fn means_are_those_of_channels() {
        let mean = Baseline::Mean.of("x", &[1.0, 3.0, -2.0, 0.0], [2, 1, 2]).unwrap();
        assert_eq!(mean, [2.0, 2.0, -1.0, -1.0]);
        let error = Baseline::Blurred(0.0).of("x", &[1.0], [1, 1, 1]).unwrap_err().to_string();
        assert!(error.contains("above 0, up to 1000 pixels, got 0"), "{error}");
        assert!(Baseline::Value(f32::NAN).of("x", &[1.0], [1, 1, 1]).is_err());
    }
}
