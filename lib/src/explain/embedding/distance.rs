//! How far points are from each other, and whether a plane keeps who is near.

use rayon::prelude::*;

use super::rows::Rows;
use crate::ops::vectorized;
use crate::progress::{Progress, Unit};
use crate::{Error, Result};

/// So many sums are kept side by side, so that they become one vector.
const LANES: usize = 16;
/// So many points are done between two looks at whether somebody wants it to stop.
pub(super) const ROUND: usize = 64;

/// The squared distance between two rows. The sum is cut into parts by the width alone.
#[inline(always)]
fn squared(a: &[f32], b: &[f32]) -> f64 {
    let mut sums = [0.0_f64; LANES];
    let (a_parts, b_parts) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest = a_parts.remainder().iter().zip(b_parts.remainder());
    let rest: f64 = rest.map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum();
    for (a, b) in a_parts.zip(b_parts) {
        for ((sum, &a), &b) in sums.iter_mut().zip(a).zip(b) {
            let far = f64::from(a) - f64::from(b);
            *sum += far * far;
        }
    }
    sums.iter().sum::<f64>() + rest
}

/// The squared distances of a point to all points.
pub(super) fn squared_distances(rows: &Rows, from: usize) -> Vec<f64> {
    let own = rows.row(from);
    let mut distances = Vec::with_capacity(rows.len());
    vectorized(|| {
        distances.extend(rows.values.chunks_exact(rows.width.max(1)).map(|other| squared(own, other)));
    });
    distances
}

/// See [`super::Embedding::trustworthiness`].
pub(super) fn trustworthiness(rows: &Rows, points: &[[f64; 2]], neighbours: usize) -> Result<f64> {
    let op = "Embedding::trustworthiness";
    let refused = |expected: String, got: String, hint: &str| {
        Err(Error::Argument { op: op.into(), expected, got, hint: hint.into() })
    };
    let all = rows.len();
    if points.len() != all {
        let hint = "Take the plane that was made of these points.";
        return refused(format!("{all} points, as here"), points.len().to_string(), hint);
    }
    if let Some(odd) = points.iter().position(|point| !point.iter().all(|value| value.is_finite())) {
        let hint = "A plane made by this library has none.";
        return refused("finite coordinates".into(), format!("others for point {odd}"), hint);
    }
    if neighbours == 0 || 2 * neighbours >= all {
        let expected = format!("from 1 to fewer than half of {all} neighbours");
        return refused(expected, neighbours.to_string(), "5 is usual.");
    }
    crate::threads::init()?;
    let mut progress = Progress::start("trustworthiness", Unit::Images, Some(all as u64));
    let mut strange = 0.0;
    for start in (0..all).step_by(ROUND) {
        progress.at(start as u64)?;
        let round = (start..(start + ROUND).min(all)).into_par_iter();
        let sums: Vec<f64> = round.map(|at| strangers(rows, points, at, neighbours)).collect();
        strange += sums.iter().sum::<f64>();
    }
    let (n, k) = (all as f64, neighbours as f64);
    Ok(1.0 - strange * 2.0 / (n * k * (2.0 * n - 3.0 * k - 1.0)))
}

/// Of the neighbours of a point in the plane that are none in the space of the rows, how far their ranks there are beyond
/// the last neighbour's, all together.
fn strangers(rows: &Rows, points: &[[f64; 2]], at: usize, neighbours: usize) -> f64 {
    let there = squared_distances(rows, at);
    let far = |other: &usize| {
        (points[*other][0] - points[at][0]).powi(2) + (points[*other][1] - points[at][1]).powi(2)
    };
    let mut near: Vec<usize> = (0..points.len()).filter(|&other| other != at).collect();
    let order = |a: &usize, b: &usize| far(a).total_cmp(&far(b)).then(a.cmp(b));
    near.select_nth_unstable_by(neighbours - 1, order);
    near.truncate(neighbours);
    let rank = |neighbour: usize| {
        let before = |other: usize| {
            (there[other], other) < (there[neighbour], neighbour) && other != at && other != neighbour
        };
        (0..there.len()).filter(|&other| before(other)).count() + 1
    };
    near.into_iter().map(|neighbour| rank(neighbour).saturating_sub(neighbours) as f64).sum()
}
