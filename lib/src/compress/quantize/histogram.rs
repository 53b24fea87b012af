//! How the values of an activation are distributed, and the ranges that follow from it.

/// Bins on either side of 0.
const BINS: usize = 2048;

/// Counts of values by their size, negative and positive ones apart.
#[derive(Debug, Clone)]
pub(super) struct Histogram {
    /// The largest size.
    most: f32,
    negative: Vec<u64>,
    positive: Vec<u64>,
}

impl Histogram {
    /// For values of sizes up to `most`.
    pub(super) fn new(most: f32) -> Histogram {
        Histogram { most, negative: vec![0; BINS], positive: vec![0; BINS] }
    }

    pub(super) fn add(&mut self, values: &[f32]) {
        let per_size = if self.most > 0.0 { BINS as f64 / f64::from(self.most) } else { 0.0 };
        for &value in values {
            let bin = ((f64::from(value.abs()) * per_size) as usize).min(BINS - 1);
            let side = if value < 0.0 { &mut self.negative } else { &mut self.positive };
            side[bin] += 1;
        }
    }

    /// The range in which `percent` of the values lie below the greatest, and as many above the least. 0 is in it.
    pub(super) fn percentile(&self, percent: f64) -> [f32; 2] {
        let total: u64 = self.negative.iter().chain(&self.positive).sum();
        // Of 10,000 values 99.99 % leave out one, whatever the last bits of these numbers say.
        let out = ((1.0 - percent / 100.0) * total as f64 + 1e-6).floor() as u64;
        // The outermost bins go as long as no more values go than may.
        let edge = |bins: &[u64]| {
            let mut gone = 0;
            let kept = bins.iter().enumerate().rev().find(|(_, count)| {
                gone += **count;
                gone > out
            });
            kept.map_or(0.0, |(bin, _)| self.edge(bin + 1))
        };
        [-edge(&self.negative), edge(&self.positive)]
    }

    /// The range that loses the least information when its values are rounded to those of a byte.
    pub(super) fn entropy(&self) -> [f32; 2] {
        let signed = self.negative.iter().any(|&count| count > 0);
        let mut sizes: Vec<u64> = self.negative.iter().zip(&self.positive).map(|(a, b)| a + b).collect();
        // Exact zeros, of which there are many behind a ReLU, are exact in any range.
        sizes[0] = sizes[1];
        let size = self.edge(kept_bins(&sizes, if signed { 128 } else { 256 }));
        [-size, size]
    }

    fn edge(&self, bins: usize) -> f32 {
        (f64::from(self.most) * bins as f64 / BINS as f64) as f32
    }
}

/// How many of the bins, counted from 0, a range must have so that rounding to `levels` loses the least: the
/// divergence of the rounded distribution from the one in which what is outside is in the last bin.
fn kept_bins(bins: &[u64], levels: usize) -> usize {
    let mut outside: u64 = bins.iter().sum();
    let mut best = (f64::INFINITY, bins.len());
    for kept in 1..=bins.len() {
        outside -= bins[kept - 1];
        if kept < levels {
            continue;
        }
        let lost = divergence(&bins[..kept], outside, levels);
        if lost < best.0 {
            best = (lost, kept);
        }
    }
    best.1
}

/// Of a distribution from the same rounded to `levels`; infinite where the rounded one has nothing and the other
/// something.
fn divergence(bins: &[u64], outside: u64, levels: usize) -> f64 {
    let inside: u64 = bins.iter().sum();
    let (all, inside) = ((inside + outside) as f64, inside as f64);
    if inside == 0.0 {
        return f64::INFINITY;
    }
    let last = bins.len() - 1;
    let mut lost = 0.0;
    for level in 0..levels {
        let (start, end) = (level * bins.len() / levels, (level + 1) * bins.len() / levels);
        let part = &bins[start..end];
        let sum: u64 = part.iter().sum();
        let filled = part.iter().filter(|&&count| count > 0).count().max(1);
        let mean = sum as f64 / filled as f64;
        for (bin, &count) in (start..end).zip(part) {
            let p = (count + if bin == last { outside } else { 0 }) as f64 / all;
            let q = if count > 0 { mean / inside } else { 0.0 };
            if p > 0.0 {
                if q == 0.0 {
                    return f64::INFINITY;
                }
                lost += p * (p / q).ln();
            }
        }
    }
    lost
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_leave_out_what_is_rare_at_either_end() {
        let mut histogram = Histogram::new(8.0);
        // 100 values, one of them far up and one far down.
        let mut values = vec![0.5; 49];
        values.extend(vec![-0.25; 49]);
        values.extend([8.0, -4.0]);
        histogram.add(&values);
        let width = 8.0 / BINS as f32;
        let near = |got: f32, wanted: f32| assert!((got - wanted).abs() <= width, "{got}, not {wanted}");
        let [low, high] = histogram.percentile(99.0);
        near(low, -0.25);
        near(high, 0.5);
        let [low, high] = histogram.percentile(99.5);
        near(low, -4.0);
        near(high, 8.0);
        let mut many = Histogram::new(8.0);
        many.add(&[vec![0.5; 9_999], vec![8.0]].concat());
        near(many.percentile(99.99)[1], 0.5);
        near(many.percentile(99.995)[1], 8.0);
        let [low, high] = histogram.percentile(50.0);
        // All of one side may go.
        assert_eq!(low, 0.0);
        assert_eq!(high, 0.0);
    }

    /// A distribution that is rounded without loss loses nothing: the divergence is 0 where each level has one bin,
    /// or bins alike.
    #[test]
    fn divergence_by_hand() {
        assert_eq!(divergence(&[1, 2, 3, 4], 0, 4), 0.0);
        assert!(divergence(&[3, 3, 5, 5], 0, 2).abs() < 1e-12);
        // Two levels for 1 3 2 2: the first is 2 2 then. Of 8: 1/8 ln(1/2) + 3/8 ln(3/2).
        let wanted = 0.125 * 0.5_f64.ln() + 0.375 * 1.5_f64.ln();
        assert!((divergence(&[1, 3, 2, 2], 0, 2) - wanted).abs() < 1e-12);
        // Empty bins stay empty: 4 0 is rounded to 4 0.
        assert!(divergence(&[4, 0, 2, 2], 0, 2).abs() < 1e-12);
        // What is outside counts in the last bin: p = 1/4 1/4 1/2, q = 1/3 each.
        let wanted = 2.0 * 0.25 * 0.75_f64.ln() + 0.5 * 1.5_f64.ln();
        assert!((divergence(&[1, 1, 1], 1, 3) - wanted).abs() < 1e-12);
    }

    /// A bell with one value far out: the range is that of the bell.
    #[test]
    fn entropy_cuts_off_an_outlier_and_keeps_what_is_even() {
        let mut histogram = Histogram::new(100.0);
        let bell: Vec<f32> = (0..200_000).map(|i| ((i as f32 + 0.5) / 100_000.0 - 1.0) * 10.0).collect();
        let bell: Vec<f32> = bell.iter().map(|x| x * x * x / 100.0).collect();
        histogram.add(&bell);
        histogram.add(&[100.0]);
        let [low, high] = histogram.entropy();
        assert_eq!(low, -high);
        assert!((6.0..=20.0).contains(&high), "{high}");
        let mut even = Histogram::new(1.0);
        even.add(&(0..100_000).map(|i| i as f32 / 100_000.0).collect::<Vec<_>>());
        assert!(even.entropy()[1] > 0.95, "{:?}", even.entropy());
    }
}
