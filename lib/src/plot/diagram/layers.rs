//! Which box stands in which layer, and in which order (Sugiyama, Tagawa and Toda 1981).

/// How often the order is improved, down and up.
const SWEEPS: usize = 12;

/// Boxes in layers. Where an edge passes layers, each has a bend for it; vertices are the boxes, then the bends.
pub(super) struct Layers {
    /// The layer of each vertex.
    pub(super) rank: Vec<usize>,
    /// The vertices of each layer, from left to right.
    pub(super) rows: Vec<Vec<usize>>,
    /// For each vertex those that flow into it from the layer above.
    pub(super) above: Vec<Vec<usize>>,
    /// For each vertex those in the layer below that it flows into.
    pub(super) below: Vec<Vec<usize>>,
    /// For each edge the vertices on its way, its ends included.
    pub(super) routes: Vec<Vec<usize>>,
    /// Vertices from this on are bends.
    pub(super) boxes: usize,
}

impl Layers {
    /// The layers of `boxes` boxes, whose edges `[from, to]` all go from a lower to a higher number.
    pub(super) fn new(boxes: usize, edges: &[[usize; 2]]) -> Layers {
        let mut rank = ranks(boxes, edges);
        let mut routes = Vec::with_capacity(edges.len());
        for &[from, to] in edges {
            let mut route = vec![from];
            for layer in rank[from] + 1..rank[to] {
                route.push(rank.len());
                rank.push(layer);
            }
            route.push(to);
            routes.push(route);
        }
        let (mut above, mut below) = (vec![Vec::new(); rank.len()], vec![Vec::new(); rank.len()]);
        for route in &routes {
            for step in route.windows(2) {
                below[step[0]].push(step[1]);
                above[step[1]].push(step[0]);
            }
        }
        let mut rows = vec![Vec::new(); rank.iter().max().map_or(0, |last| last + 1)];
        for (vertex, &layer) in rank.iter().enumerate() {
            rows[layer].push(vertex);
        }
        let mut layers = Layers { rank, rows, above, below, routes, boxes };
        layers.order();
        layers
    }

    /// Sorts each row by where its neighbours stand, and keeps the order with the fewest crossings.
    fn order(&mut self) {
        let mut best = (self.crossings(), self.rows.clone());
        for sweep in 0..SWEEPS {
            let mut places = vec![0.0; self.rank.len()];
            let note = |places: &mut Vec<f64>, row: &[usize]| {
                let middle = (row.len() as f64 - 1.0) / 2.0;
                row.iter().enumerate().for_each(|(place, &vertex)| places[vertex] = place as f64 - middle);
            };
            self.rows.iter().for_each(|row| note(&mut places, row));
            let down = sweep % 2 == 0;
            let neighbours = if down { &self.above } else { &self.below };
            let mut order: Vec<usize> = (0..self.rows.len()).collect();
            if !down {
                order.reverse();
            }
            for layer in order {
                let row = &mut self.rows[layer];
                let key = |vertex: usize| {
                    let next = &neighbours[vertex];
                    match next.len() {
                        0 => places[vertex],
                        count => next.iter().map(|&other| places[other]).sum::<f64>() / count as f64,
                    }
                };
                let mut keyed: Vec<(f64, usize)> = row.iter().map(|&vertex| (key(vertex), vertex)).collect();
                keyed.sort_by(|(a, _), (b, _)| a.total_cmp(b));
                *row = keyed.into_iter().map(|(_, vertex)| vertex).collect();
                note(&mut places, row);
            }
            let crossings = self.crossings();
            if crossings < best.0 {
                best = (crossings, self.rows.clone());
            }
        }
        self.rows = best.1;
    }

    fn crossings(&self) -> usize {
        let mut places = vec![0; self.rank.len()];
        for row in &self.rows {
            row.iter().enumerate().for_each(|(place, &vertex)| places[vertex] = place);
        }
        let crossed = |row: &Vec<usize>| {
            let lines: Vec<(usize, usize)> = row
                .iter()
                .flat_map(|&vertex| self.below[vertex].iter().map(move |&other| (vertex, other)))
                .map(|(vertex, other)| (places[vertex], places[other]))
                .collect();
            let pairs =
                lines.iter().enumerate().flat_map(|(at, a)| lines[at + 1..].iter().map(move |b| (a, b)));
            pairs.filter(|(a, b)| (a.0 < b.0 && a.1 > b.1) || (a.0 > b.0 && a.1 < b.1)).count()
        };
        self.rows.iter().map(crossed).sum()
    }
}

/// Each box below all that flow into it; what nothing flows into stands just above where it flows.
fn ranks(boxes: usize, edges: &[[usize; 2]]) -> Vec<usize> {
    let mut sorted = edges.to_vec();
    sorted.sort_unstable();
    let mut rank = vec![0; boxes];
    for &[from, to] in &sorted {
        rank[to] = rank[to].max(rank[from] + 1);
    }
    let mut fed = vec![false; boxes];
    edges.iter().for_each(|&[_, to]| fed[to] = true);
    for (index, _) in fed.iter().enumerate().filter(|(_, fed)| !**fed) {
        let next = edges.iter().filter(|[from, _]| *from == index).map(|&[_, to]| rank[to]).min();
        rank[index] = next.map_or(rank[index], |next| next - 1);
    }
    rank
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_that_skips_layers_bends_in_each() {
        // 0 -> 1 -> 2 -> 4, 0 -> 4, and 3 -> 4 beside them.
        let layers = Layers::new(5, &[[0, 1], [1, 2], [2, 4], [0, 4], [3, 4]]);
        assert_eq!(layers.rank[..5], [0, 1, 2, 2, 3]);
        assert_eq!(layers.routes[3].len(), 4);
        assert!(layers.routes[3][1..3].iter().all(|&vertex| vertex >= layers.boxes));
    }

    #[test]
    fn edges_do_not_cross_where_they_need_not() {
        // Two chains that start the wrong way round.
        let layers = Layers::new(6, &[[0, 3], [1, 2], [3, 4], [2, 5]]);
        assert_eq!(layers.crossings(), 0);
    }
}
