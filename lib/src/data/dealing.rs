//! How many samples of each class each part gets.

use std::collections::VecDeque;

/// Whole numbers beside `fraction * size` for every class and part, so that each differs from its share by
/// less than 1, and so does the sum of each part. That this is always possible is known from the rounding
/// of tables (Bacharach 1966): it is a flow in a network with whole capacities.
///
/// Gives one row for each class; a row sums to the class's size if the fractions sum to 1.
pub(super) fn deal(sizes: &[usize], fractions: &[f64]) -> Vec<Vec<usize>> {
    let parts = fractions.len();
    let mut table = Vec::with_capacity(sizes.len());
    // What each part should have got so far and has not.
    let mut owed = vec![0.0; parts];
    for &size in sizes {
        let row = Row::begin(size, fractions);
        for (owed, part) in owed.iter_mut().zip(0..) {
            *owed += fractions[part] * size as f64 - row.least[part] as f64;
        }
        let mut row = row;
        for _ in row.given()..size {
            // One more to whom most is owed of those that may have it, the earlier part if two are equal.
            let open = (0..parts).filter(|&part| row.may_have_more(part));
            let Some(part) =
                open.reduce(|best, part| if owed[part] > owed[best] + 1e-9 { part } else { best })
            else {
                break;
            };
            row.more[part] = true;
            owed[part] -= 1.0;
        }
        table.push(row);
    }
    settle(&mut table, sizes.iter().sum::<usize>(), fractions);
    table
        .iter()
        .map(|row| (0..parts).map(|part| row.least[part] + usize::from(row.more[part])).collect())
        .collect()
}

/// What one class gives to each part: its share rounded down, or one more.
struct Row {
    least: Vec<usize>,
    more: Vec<bool>,
    /// Parts whose share is a whole number get exactly that.
    whole: Vec<bool>,
}

impl Row {
    fn begin(size: usize, fractions: &[f64]) -> Row {
        let shares: Vec<f64> = fractions.iter().map(|fraction| fraction * size as f64).collect();
        // A share that is a whole number but for rounding is one.
        let whole: Vec<bool> = shares.iter().map(|share| (share - share.round()).abs() < 1e-9).collect();
        let least = shares
            .iter()
            .zip(&whole)
            .map(|(share, &whole)| if whole { share.round() } else { share.floor() } as usize)
            .collect();
        Row { least, more: vec![false; fractions.len()], whole }
    }

    fn given(&self) -> usize {
        self.least.iter().sum::<usize>() + self.more.iter().filter(|more| **more).count()
    }

    fn may_have_more(&self, part: usize) -> bool {
        !self.more[part] && !self.whole[part]
    }
}

/// Moves single samples between parts until the sum of each part is its share rounded down or up.
fn settle(table: &mut [Row], all: usize, fractions: &[f64]) {
    let sum = |table: &[Row], part: usize| -> f64 {
        table.iter().map(|row| row.least[part] as f64 + f64::from(u8::from(row.more[part]))).sum()
    };
    let share = |part: usize| fractions[part] * all as f64;
    // Each round brings one part a sample nearer to its share and takes none away from it.
    loop {
        let over: Vec<f64> = (0..fractions.len()).map(|part| sum(table, part) - share(part)).collect();
        let widest = (0..fractions.len()).max_by(|&a, &b| over[a].abs().total_cmp(&over[b].abs()));
        let Some(worst) = widest.filter(|&part| over[part].abs() >= 1.0 - 1e-9) else { return };
        let gives = over[worst] > 0.0;
        let Some(path) =
            path(table, worst, gives, |part| if gives { over[part] < -1e-9 } else { over[part] > 1e-9 })
        else {
            return;
        };
        for (row, from, to) in path {
            table[row].more[from] = false;
            table[row].more[to] = true;
        }
    }
}

/// The shortest way on which a sample goes from `start` to a part that wants it, or, unless `gives`, comes
/// to it from one that can spare it: steps of (class, from, to).
fn path(
    table: &[Row],
    start: usize,
    gives: bool,
    wanted: impl Fn(usize) -> bool,
) -> Option<Vec<(usize, usize, usize)>> {
    let parts = table.first()?.more.len();
    let mut came: Vec<Option<(usize, usize)>> = vec![None; parts];
    let mut queue = VecDeque::from([start]);
    while let Some(at) = queue.pop_front() {
        if at != start && wanted(at) {
            let mut steps = Vec::new();
            let mut part = at;
            while let Some((row, before)) = came[part] {
                steps.push(if gives { (row, before, part) } else { (row, part, before) });
                part = before;
            }
            return Some(steps);
        }
        let fresh: Vec<usize> = (0..parts).filter(|&part| part != start && came[part].is_none()).collect();
        for next in fresh {
            let (from, to) = if gives { (at, next) } else { (next, at) };
            if let Some(row) = table.iter().position(|row| row.more[from] && row.may_have_more(to)) {
                came[next] = Some((row, at));
                queue.push_back(next);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_share_and_every_sum_is_within_one(
            sizes in proptest::collection::vec(0..40_usize, 1..30),
            weights in proptest::collection::vec(0.01..1.0_f64, 1..9),
        ) {
            let sum: f64 = weights.iter().sum();
            let fractions: Vec<f64> = weights.iter().map(|weight| weight / sum).collect();
            let table = deal(&sizes, &fractions);
            for (row, &size) in table.iter().zip(&sizes) {
                prop_assert_eq!(row.iter().sum::<usize>(), size);
                for (&count, fraction) in row.iter().zip(&fractions) {
                    prop_assert!((count as f64 - fraction * size as f64).abs() < 1.0, "{} of {}", count, size);
                }
            }
            let all: usize = sizes.iter().sum();
            for (part, fraction) in fractions.iter().enumerate() {
                let count: usize = table.iter().map(|row| row[part]).sum();
                prop_assert!((count as f64 - fraction * all as f64).abs() < 1.0, "{} of {}", count, all);
            }
        }
    }

    #[test]
    fn equal_parts_of_equal_classes_are_equal() {
        assert_eq!(deal(&[10, 20], &[0.2; 5]), [[2; 5], [4; 5]]);
        assert_eq!(deal(&[1, 1, 1], &[0.5, 0.5]).iter().map(|row| row[0]).sum::<usize>(), 2);
    }
}
