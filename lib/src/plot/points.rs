//! Fewer points that look the same.

/// A curve is drawn with about this many points; of more, the extremes of each stretch are kept.
const POINTS: usize = 1000;

/// The stretches of points without a gap.
pub(super) fn runs(points: &[(f64, f64)]) -> Vec<Vec<(f64, f64)>> {
    let finite = |point: &(f64, f64)| point.0.is_finite() && point.1.is_finite();
    points.split(|point| !finite(point)).filter(|run| !run.is_empty()).map(<[_]>::to_vec).collect()
}

/// At most about `POINTS` points, of each stretch the first, least, greatest and last.
pub(super) fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    if points.len() <= POINTS {
        return points.to_vec();
    }
    let mut kept = Vec::with_capacity(POINTS);
    for stretch in points.chunks(points.len().div_ceil(POINTS / 4)) {
        let by_y = |a: &&(f64, f64), b: &&(f64, f64)| a.1.total_cmp(&b.1);
        let position = |point: Option<&(f64, f64)>| point.and_then(|p| stretch.iter().position(|q| q == p));
        let mut picks: Vec<usize> = [
            Some(0),
            position(stretch.iter().min_by(by_y)),
            position(stretch.iter().max_by(by_y)),
            stretch.len().checked_sub(1),
        ]
        .into_iter()
        .flatten()
        .collect();
        picks.sort_unstable();
        picks.dedup();
        kept.extend(picks.into_iter().map(|at| stretch[at]));
    }
    kept
}

/// At most `most` values, the first and the last among them.
pub(super) fn spread(values: &[f64], most: usize) -> Vec<f64> {
    if values.len() <= most {
        return values.to_vec();
    }
    (0..most).map(|at| values[at * (values.len() - 1) / (most - 1)]).collect()
}
