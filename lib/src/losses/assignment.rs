//! Who gets whom at the least cost.

/// Pairs of a row and a column of a matrix of finite costs, row by row, so that the sum over the pairs is the least there
/// is. Each row and each column is in one pair at most, and the pairs are as many as the shorter side.
///
/// The Hungarian method (Kuhn 1955) with shortest augmenting paths (Jonker and Volgenant 1987), in O(rows² · columns):
/// each row takes the cheapest way to a free column, along which earlier rows change theirs. Prices of rows and columns
/// keep all reduced costs at 0 or more, and at 0 in every pair, which is what makes the sum the least.
pub(super) fn least_cost_pairs(costs: &[f64], [rows, columns]: [usize; 2]) -> Vec<(usize, usize)> {
    if rows <= columns {
        return columns_of_rows(&|row, column| costs[row * columns + column], [rows, columns])
            .into_iter()
            .enumerate()
            .collect();
    }
    let rows_of_columns =
        columns_of_rows(&|column, row| costs[row * columns + column], [columns, rows]).into_iter();
    let mut pairs: Vec<(usize, usize)> =
        rows_of_columns.enumerate().map(|(column, row)| (row, column)).collect();
    pairs.sort_unstable();
    pairs
}

/// The column of each row, of which there are not more than columns.
fn columns_of_rows(cost: &dyn Fn(usize, usize) -> f64, [rows, columns]: [usize; 2]) -> Vec<usize> {
    let mut row_prices = vec![0.0; rows];
    let mut column_prices = vec![0.0; columns];
    let mut row_of: Vec<Option<usize>> = vec![None; columns];
    for start in 0..rows {
        // The cost of the cheapest way found so far to each column, and the column before it on that way.
        let mut reach = vec![f64::INFINITY; columns];
        let mut before: Vec<Option<usize>> = vec![None; columns];
        let mut settled = vec![false; columns];
        let (mut row, mut from, mut walked) = (start, None, 0.0);
        let free = loop {
            let mut next: Option<usize> = None;
            for column in (0..columns).filter(|&column| !settled[column]) {
                let way = walked + cost(row, column) - row_prices[row] - column_prices[column];
                if way < reach[column] {
                    (reach[column], before[column]) = (way, from);
                }
                if next.is_none_or(|best| reach[column] < reach[best]) {
                    next = Some(column);
                }
            }
            // There is a free column as long as there are not more rows than columns.
            let Some(column) = next else { break None };
            (walked, from) = (reach[column], Some(column));
            settled[column] = true;
            match row_of[column] {
                Some(taken_by) => row = taken_by,
                None => break Some(column),
            }
        };
        let Some(free) = free else { continue };
        row_prices[start] += walked;
        for column in (0..columns).filter(|&column| settled[column] && column != free) {
            let slack = walked - reach[column];
            column_prices[column] -= slack;
            if let Some(row) = row_of[column] {
                row_prices[row] += slack;
            }
        }
        // Back along the way, each column goes to the row that came through the one before it.
        let mut column = free;
        while let Some(earlier) = before[column] {
            row_of[column] = row_of[earlier];
            column = earlier;
        }
        row_of[column] = Some(start);
    }
    let mut columns_of = vec![0; rows];
    for (column, row) in row_of.into_iter().enumerate() {
        if let Some(row) = row {
            columns_of[row] = column;
        }
    }
    columns_of
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Seed;

    fn sum(costs: &[f64], columns: usize, pairs: &[(usize, usize)]) -> f64 {
        pairs.iter().map(|&(row, column)| costs[row * columns + column]).sum()
    }

    /// The least sum by trying all.
    fn least(costs: &[f64], [rows, columns]: [usize; 2], row: usize, taken: &mut Vec<bool>) -> f64 {
        let left = rows - row;
        if left == 0 {
            return 0.0;
        }
        let mut best = f64::INFINITY;
        // A row may stay alone if there are not enough columns for all.
        if taken.iter().filter(|taken| !**taken).count() < left {
            best = least(costs, [rows, columns], row + 1, taken);
        }
        for column in 0..columns {
            if !taken[column] {
                taken[column] = true;
                let rest = least(costs, [rows, columns], row + 1, taken);
                taken[column] = false;
                best = best.min(costs[row * columns + column] + rest);
            }
        }
        best
    }

    #[test]
    fn no_other_pairs_cost_less() {
        for case in 0..400 {
            let mut rng = Seed(case).rng();
            let sides @ [rows, columns] = [1 + rng.below(5), 1 + rng.below(6)];
            // Few different costs make many ways that cost the same; negative ones are allowed.
            let few = case % 3 == 0;
            let mut cost = || if few { rng.below(3) as f64 } else { 20.0 * rng.uniform() - 10.0 };
            let costs: Vec<f64> = (0..rows * columns).map(|_| cost()).collect();
            let pairs = least_cost_pairs(&costs, sides);
            assert_eq!(pairs.len(), rows.min(columns), "case {case}");
            let mut seen = [vec![false; rows], vec![false; columns]];
            for &(row, column) in &pairs {
                assert!(!seen[0][row] && !seen[1][column], "case {case}: one is in two pairs: {pairs:?}");
                (seen[0][row], seen[1][column]) = (true, true);
            }
            assert!(pairs.is_sorted(), "case {case}");
            let wanted = least(&costs, sides, 0, &mut vec![false; columns]);
            let got = sum(&costs, columns, &pairs);
            assert!((got - wanted).abs() < 1e-9, "case {case}: {got}, not {wanted}");
        }
    }

    #[test]
    fn large_matrices_take_the_permutation_they_were_made_of() {
        // Costs u + v + 1 off a hidden permutation and u + v on it: only the permutation is the least.
        let n = 300;
        let mut rng = Seed(7).rng();
        let mut hidden: Vec<usize> = (0..n).collect();
        rng.shuffle(&mut hidden);
        let prices: Vec<f64> = (0..2 * n).map(|_| 100.0 * rng.uniform()).collect();
        let mut costs = Vec::with_capacity(n * n);
        for row in 0..n {
            for column in 0..n {
                let extra = if hidden[row] == column { 0.0 } else { 1.0 + rng.uniform() };
                costs.push(prices[row] + prices[n + column] + extra);
            }
        }
        let pairs = least_cost_pairs(&costs, [n, n]);
        assert!(pairs.iter().all(|&(row, column)| hidden[row] == column));
    }

    #[test]
    fn nobody_is_nothing() {
        assert!(least_cost_pairs(&[], [0, 3]).is_empty());
        assert!(least_cost_pairs(&[], [3, 0]).is_empty());
    }
}
