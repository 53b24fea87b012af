//! How far to the right each vertex stands.

use super::layers::Layers;

/// Between two boxes of a row.
const GAP: f64 = 24.0;
/// Between lines, and between a line and a box.
const LINE_GAP: f64 = 14.0;
const SWEEPS: usize = 16;
/// How much more a box keeps to its place than a line does.
const HEAVY: f64 = 64.0;

/// The centre of each vertex: rows keep their order and their gaps, and what hangs together stands one below the other.
pub(super) fn centres(layers: &Layers, widths: &[f64]) -> Vec<f64> {
    let is_box = |vertex: usize| vertex < layers.boxes;
    let apart = |a: usize, b: usize| {
        let gap = if is_box(a) && is_box(b) { GAP } else { LINE_GAP };
        (widths[a] + widths[b]) / 2.0 + gap
    };
    let mut centres = vec![0.0; widths.len()];
    for row in &layers.rows {
        let whole: f64 = row.windows(2).map(|pair| apart(pair[0], pair[1])).sum();
        let mut x = -whole / 2.0;
        for (at, &vertex) in row.iter().enumerate() {
            if at > 0 {
                x += apart(row[at - 1], vertex);
            }
            centres[vertex] = x;
        }
    }
    for sweep in 0..SWEEPS {
        // The last one goes down.
        let down = sweep % 2 == 1;
        let neighbours = if down { &layers.above } else { &layers.below };
        let mut order: Vec<usize> = (0..layers.rows.len()).collect();
        if !down {
            order.reverse();
        }
        for layer in order {
            let row = &layers.rows[layer];
            let wanted: Vec<(f64, f64)> = row
                .iter()
                .map(|&vertex| {
                    // Boxes follow boxes, so that a chain is straight; lines follow lines.
                    let alike: Vec<usize> = neighbours[vertex]
                        .iter()
                        .copied()
                        .filter(|&next| is_box(next) == is_box(vertex))
                        .collect();
                    let next = if alike.is_empty() { &neighbours[vertex] } else { &alike };
                    let weight = if is_box(vertex) { HEAVY } else { 1.0 };
                    match next.len() {
                        0 => (centres[vertex], weight / HEAVY),
                        count => {
                            let sum: f64 = next.iter().map(|&next| centres[next]).sum();
                            (sum / count as f64, weight)
                        }
                    }
                })
                .collect();
            let gaps: Vec<f64> = row.windows(2).map(|pair| apart(pair[0], pair[1])).collect();
            for (&vertex, x) in row.iter().zip(nearest(&wanted, &gaps)) {
                centres[vertex] = x;
            }
        }
    }
    centres
}

/// The places nearest to the `wanted` ones, each with its weight, by least squares, of which each is at least its gap
/// right of the one before: isotonic regression by pooling neighbours.
fn nearest(wanted: &[(f64, f64)], gaps: &[f64]) -> Vec<f64> {
    // Less the gaps before it, places only have to rise.
    let mut offsets = vec![0.0];
    for gap in gaps {
        offsets.push(offsets[offsets.len() - 1] + gap);
    }
    // Mean, weight and number of each pool.
    let mut pools: Vec<(f64, f64, usize)> = Vec::new();
    for (&(x, weight), offset) in wanted.iter().zip(&offsets) {
        let mut pool = (x - offset, weight, 1);
        while let Some(&(mean, other, count)) = pools.last().filter(|(mean, ..)| *mean > pool.0) {
            pools.pop();
            let both = other + pool.1;
            pool = ((mean * other + pool.0 * pool.1) / both, both, count + pool.2);
        }
        pools.push(pool);
    }
    let means = pools.into_iter().flat_map(|(mean, _, count)| std::iter::repeat_n(mean, count));
    means.zip(offsets).map(|(mean, offset)| mean + offset).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_keep_their_gaps_and_stay_as_near_as_they_can() {
        assert_eq!(nearest(&[(0.0, 1.0), (10.0, 1.0)], &[4.0]), [0.0, 10.0]);
        assert_eq!(nearest(&[(0.0, 1.0), (0.0, 1.0)], &[4.0]), [-2.0, 2.0]);
        assert_eq!(nearest(&[(0.0, 3.0), (0.0, 1.0)], &[4.0]), [-1.0, 3.0]);
    }

    #[test]
    fn a_chain_is_straight_though_an_edge_goes_around_it() {
        let layers = Layers::new(4, &[[0, 1], [1, 2], [2, 3], [0, 3]]);
        let centres = centres(&layers, &[100.0, 100.0, 100.0, 100.0, 0.0, 0.0]);
        assert!(centres[..4].windows(2).all(|pair| (pair[0] - pair[1]).abs() < 1.0), "{centres:?}");
        assert!(
            (centres[4] - centres[0]).abs() > 60.0 && (centres[4] - centres[5]).abs() < 1.0,
            "{centres:?}"
        );
    }
}
