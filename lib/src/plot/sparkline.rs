//! A curve in one line of text.

/// At most this many characters: a line that fits beside its name.
const WIDTH: usize = 60;

/// A line of bars `▁▂▃▄▅▆▇█` from the least to the greatest value, for text.
///
/// More than 60 values are averaged in 60 stretches of equal length. A value that is not finite shows as
/// `·`, values that are all the same as bars of half height. No values give an empty text.
#[must_use]
pub fn sparkline(values: &[f64]) -> String {
    let width = values.len().min(WIDTH);
    let means: Vec<f64> = (0..width)
        .map(|at| {
            let stretch = &values[at * values.len() / width..(at + 1) * values.len() / width];
            // Divided before the sum, which could overflow.
            stretch.iter().map(|value| value / stretch.len() as f64).sum()
        })
        .collect();
    let finite = || means.iter().copied().filter(|value| value.is_finite());
    let (low, high) = (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
    means
        .iter()
        .map(|&value| {
            if !value.is_finite() {
                '·'
            } else if high == low {
                '▄'
            } else {
                // Halved first: the difference of two huge values could overflow.
                let position = (value / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0);
                ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'][(position * 7.0).round().clamp(0.0, 7.0) as usize]
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_follow_the_values() {
        assert_eq!(sparkline(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]), "▁▂▃▄▅▆▇█");
        assert_eq!(sparkline(&[]), "");
        assert_eq!(sparkline(&[5.0, 5.0]), "▄▄");
        assert_eq!(sparkline(&[f64::NAN, 0.0, f64::INFINITY, 1.0]), "·▁·█");
        assert_eq!(sparkline(&[-f64::MAX, f64::MAX]), "▁█");
        assert_eq!(sparkline(&[0.0, f64::MIN_POSITIVE * 0.5]).chars().count(), 2);
    }

    #[test]
    fn long_series_keep_their_shape_in_60_bars() {
        let ramp: Vec<f64> = (0..100_000).map(f64::from).collect();
        let bars: Vec<char> = sparkline(&ramp).chars().collect();
        assert_eq!(bars.len(), 60);
        assert!(bars.is_sorted() && bars[0] == '▁' && bars[59] == '█', "{bars:?}");
    }
}
