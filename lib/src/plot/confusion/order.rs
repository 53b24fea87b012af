//! In which order classes stand.

use std::cmp::Reverse;

use super::{ClassOrder, ConfusionMatrix};

/// The classes in their new order.
pub(super) fn places(matrix: &ConfusionMatrix, order: ClassOrder) -> Vec<usize> {
    let mut places: Vec<usize> = (0..matrix.names.len()).collect();
    match order {
        ClassOrder::Frequency => places.sort_by_key(|&class| Reverse(matrix.row_total(class))),
        ClassOrder::MostConfused => places.sort_by_key(|&class| Reverse(mistakes(matrix, class))),
        ClassOrder::Clusters => return clusters(&likenesses(matrix), matrix.names.len()),
    }
    places
}

/// Images of a class that were taken for another, and others that were taken for it.
fn mistakes(matrix: &ConfusionMatrix, class: usize) -> u128 {
    let right = u128::from(matrix.row(class)[class]);
    matrix.row_total(class) + matrix.column_total(class) - 2 * right
}

/// How often two classes are confused, row by row: the part of the one's images that is taken for the other, and the other
/// way round.
fn likenesses(matrix: &ConfusionMatrix) -> Vec<f64> {
    let classes = matrix.names.len();
    let totals: Vec<u128> = (0..classes).map(|class| matrix.row_total(class)).collect();
    let rate = |truth: usize, predicted: usize| match totals[truth] {
        0 => 0.0,
        total => matrix.row(truth)[predicted] as f64 / total as f64,
    };
    let mut likenesses = vec![0.0; classes * classes];
    for one in 0..classes {
        for other in 0..one {
            let likeness = rate(one, other) + rate(other, one);
            likenesses[one * classes + other] = likeness;
            likenesses[other * classes + one] = likeness;
        }
    }
    likenesses
}

/// Joins the two clusters that are most alike until none are any more: average linkage. The largest cluster comes first.
fn clusters(likenesses: &[f64], classes: usize) -> Vec<usize> {
    let of_classes = |one: usize, other: usize| likenesses[one * classes + other];
    let mut alike = likenesses.to_vec();
    let mut clusters: Vec<Vec<usize>> = (0..classes).map(|class| vec![class]).collect();
    let nearest = |alike: &[f64], clusters: &[Vec<usize>], one: usize| {
        let others = (0..classes).filter(|&other| other != one && !clusters[other].is_empty());
        others
            .map(|other| (other, alike[one * classes + other]))
            .fold(None, |best: Option<(usize, f64)>, next| {
                best.filter(|best| best.1 >= next.1).or(Some(next))
            })
    };
    let mut best: Vec<Option<(usize, f64)>> =
        (0..classes).map(|class| nearest(&alike, &clusters, class)).collect();
    loop {
        let pairs = best.iter().enumerate().filter(|(one, _)| !clusters[*one].is_empty());
        let pairs = pairs.filter_map(|(one, best)| best.map(|(other, likeness)| (one, other, likeness)));
        let closest = pairs.fold(None, |best: Option<(usize, usize, f64)>, next| {
            best.filter(|best| best.2 >= next.2).or(Some(next))
        });
        let Some((one, other, _)) = closest.filter(|closest| closest.2 > 0.0) else { break };
        let [size, added] = [clusters[one].len() as f64, clusters[other].len() as f64];
        let part = std::mem::take(&mut clusters[other]);
        let whole = std::mem::take(&mut clusters[one]);
        clusters[one] = joined(whole, part, of_classes);
        for third in (0..classes).filter(|&third| third != one) {
            let likeness = (alike[third * classes + one] * size + alike[third * classes + other] * added)
                / (size + added);
            alike[third * classes + one] = likeness;
            alike[one * classes + third] = likeness;
        }
        for cluster in 0..classes {
            let stale = best[cluster].is_some_and(|(near, _)| near == one || near == other);
            if !clusters[cluster].is_empty() && (cluster == one || stale) {
                best[cluster] = nearest(&alike, &clusters, cluster);
            }
        }
    }
    clusters.retain(|cluster| !cluster.is_empty());
    clusters.sort_by_key(|cluster| (Reverse(cluster.len()), cluster.iter().copied().min()));
    clusters.concat()
}

/// Two clusters in a row, each turned so that the classes that touch are most alike.
fn joined(mut one: Vec<usize>, mut other: Vec<usize>, alike: impl Fn(usize, usize) -> f64) -> Vec<usize> {
    let end = |classes: &[usize], last: End| match last {
        End::First => classes.first().copied().unwrap_or(0),
        End::Last => classes.last().copied().unwrap_or(0),
    };
    let ends =
        [(End::Last, End::First), (End::Last, End::Last), (End::First, End::First), (End::First, End::Last)];
    let likeness = |(left, right): (End, End)| alike(end(&one, left), end(&other, right));
    let touching = ends.into_iter().fold(
        ends[0],
        |best, next| {
            if likeness(next) > likeness(best) { next } else { best }
        },
    );
    if touching.0 == End::First {
        one.reverse();
    }
    if touching.1 == End::Last {
        other.reverse();
    }
    one.append(&mut other);
    one
}

#[derive(Clone, Copy, PartialEq)]
enum End {
    First,
    Last,
}
