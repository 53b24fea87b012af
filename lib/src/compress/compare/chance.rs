//! How sure numbers of right images are.

/// Of a normal distribution, 95 % lie within so many standard deviations.
const SURE: f64 = 1.959_963_984_540_054;

/// The 95 % interval of a share of which `right` of `all` were seen, `all` above 0 (Wilson 1927): it stays within 0 and 1, and is
/// good for few images and for shares near 1, too.
pub(super) fn wilson(right: usize, all: usize) -> [f64; 2] {
    let (n, share) = (all as f64, right as f64 / all as f64);
    let square = SURE * SURE;
    let middle = share + square / (2.0 * n);
    let half = SURE * (share * (1.0 - share) / n + square / (4.0 * n * n)).sqrt();
    let scale = 1.0 + square / n;
    [((middle - half) / scale).max(0.0), ((middle + half) / scale).min(1.0)]
}

/// How likely two models that are equally good differ on at least so many more images one way than the other, where `first` images
/// are right by the first alone and `second` by the second alone: McNemar's test, exact and two-sided (McNemar 1947).
pub(super) fn mcnemar(first: usize, second: usize) -> f64 {
    let (n, few) = (first + second, first.min(second));
    // The logarithm of n over k by 2 to the n, from k to k.
    let mut log = -(n as f64) * std::f64::consts::LN_2;
    let mut sum = log.exp();
    for k in 1..=few {
        log += ((n - k + 1) as f64 / k as f64).ln();
        sum += log.exp();
    }
    (2.0 * sum).min(1.0)
}

/// The value below or at which this share of some values lies, which are in order and not none.
pub(super) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.clamp(1, sorted.len().max(1)) - 1).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Worked out in Python by the formulas, with whole numbers where there are some.
    #[test]
    fn values_are_scipys() {
        for ((right, all), [low, high]) in [
            ((90, 100), [0.825_634_3, 0.944_771_4]),
            ((100, 100), [0.963_006_5, 1.0]),
            ((0, 10), [0.0, 0.277_532_8]),
        ] {
            let [got_low, got_high] = wilson(right, all);
            assert!((got_low - low).abs() < 1e-6 && (got_high - high).abs() < 1e-6, "{got_low} {got_high}");
        }
        for ((first, second), p) in [((5, 15), 0.041_389_47), ((0, 0), 1.0), ((3, 3), 1.0), ((0, 5), 0.0625)]
        {
            let got = mcnemar(first, second);
            assert!((got - p).abs() < 1e-7, "{got}, not {p}");
            assert_eq!(got, mcnemar(second, first));
        }
        assert!((mcnemar(2000, 2000) - 1.0).abs() < 1e-9);
        assert!(mcnemar(1000, 3000) < 1e-100);
        let values: Vec<f64> = (1..=20).map(f64::from).collect();
        assert_eq!(
            (quantile(&values, 0.5), quantile(&values, 0.95), quantile(&[3.0], 0.95)),
            (10.0, 19.0, 3.0)
        );
    }
}
