//! Random shares: gamma, beta and Dirichlet.

use crate::Rng;

/// A gamma variate of this shape and scale 1 (Marsaglia and Tsang 2000).
fn gamma(shape: f64, rng: &mut Rng) -> f64 {
    if shape < 1.0 {
        // 1 - uniform is never 0.
        return gamma(shape + 1.0, rng) * (1.0 - rng.uniform()).powf(1.0 / shape);
    }
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let x = rng.normal();
        let v = (1.0 + c * x).powi(3);
        if v > 0.0 && (1.0 - rng.uniform()).ln() < 0.5 * x * x + d - d * v + d * v.ln() {
            return d * v;
        }
    }
}

/// Shares that sum to 1, all of the same expectation; the smaller alpha, the more one of them has all.
pub(super) fn dirichlet(alpha: f64, count: usize, rng: &mut Rng) -> Vec<f64> {
    let raw: Vec<f64> = (0..count).map(|_| gamma(alpha, rng)).collect();
    let sum: f64 = raw.iter().sum();
    if sum > 0.0 {
        return raw.iter().map(|value| value / sum).collect();
    }
    // With a tiny alpha all of them may be below the least number: then one has all.
    let winner = rng.below(count);
    (0..count).map(|at| if at == winner { 1.0 } else { 0.0 }).collect()
}

/// A share of beta distribution, both parameters `alpha`.
pub(super) fn beta(alpha: f64, rng: &mut Rng) -> f64 {
    dirichlet(alpha, 2, rng)[0]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Seed;

    #[test]
    fn beta_has_its_mean_and_variance() {
        let mut rng = Seed(4).rng();
        for alpha in [0.2, 1.0, 4.0] {
            let values: Vec<f64> = (0..50_000).map(|_| beta(alpha, &mut rng)).collect();
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let variance =
                values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64;
            let expected = 1.0 / (4.0 * (2.0 * alpha + 1.0));
            assert!((mean - 0.5).abs() < 0.01, "alpha {alpha}: mean {mean}");
            assert!(
                (variance - expected).abs() < 0.005,
                "alpha {alpha}: variance {variance}, not {expected}"
            );
        }
    }

    #[test]
    fn shares_sum_to_one() {
        let mut rng = Seed(5).rng();
        for alpha in [1e-6, 0.5, 100.0] {
            let shares = dirichlet(alpha, 3, &mut rng);
            assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-12, "{shares:?}");
        }
    }
}
