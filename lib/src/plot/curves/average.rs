//! An average that follows.

/// A debiased exponential average of the values so far.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Average {
    weight: f64,
    sum: f64,
    /// What the weights in the sum come to.
    weights: f64,
}

impl Average {
    /// Of no values, with a weight of the past from 0 to below 1.
    pub(crate) fn new(weight: f64) -> Average {
        Average { weight, sum: 0.0, weights: 0.0 }
    }

    /// The average with one more value. One that is not finite has none, and changes nothing.
    pub(crate) fn push(&mut self, value: f64) -> f64 {
        if !value.is_finite() {
            return f64::NAN;
        }
        self.sum = self.sum * self.weight + value * (1.0 - self.weight);
        self.weights = self.weights * self.weight + (1.0 - self.weight);
        self.sum / self.weights
    }
}

/// The average at each of the points.
pub(super) fn averages(points: &[(f64, f64)], weight: f64) -> Vec<(f64, f64)> {
    let mut average = Average::new(weight);
    points.iter().map(|&(x, y)| (x, average.push(y))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `last = last * 0.5 + (1 - 0.5) * y`, divided by `1 - 0.5^n`, as TensorBoard does it.
    #[test]
    fn the_past_loses_weight_and_the_beginning_is_no_zero() {
        let points = [(1.0, 4.0), (2.0, 8.0), (3.0, f64::NAN), (4.0, 2.0)];
        let averages: Vec<f64> = averages(&points, 0.5).iter().map(|point| point.1).collect();
        assert_eq!(averages[..2], [4.0, 5.0 / 0.75]);
        assert!(averages[2].is_nan());
        assert!((averages[3] - (5.0 * 0.5 + 1.0) / 0.875).abs() < 1e-12, "{averages:?}");
        // Values that stay the same stay the same.
        let mut average = Average::new(0.999);
        assert!((0..1000).all(|_| (average.push(0.3) - 0.3).abs() < 1e-12));
    }
}
