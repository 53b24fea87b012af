//! How values lie in memory.

use super::arrange::{moves_nothing, permuted};
use super::lower::Lowering;
use super::program::{OPEN, ValueId};

/// Images: rows, columns, channels.
pub(super) const CHANNELS_LAST: [usize; 3] = [1, 2, 0];

/// A value of the graph in the program.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) id: ValueId,
    /// The graph's dimension, without the batch, of each dimension behind the batch.
    pub(super) order: Vec<usize>,
    /// For a row of numbers, the dimensions that it was and the order in which they lie: numbers that the graph has in
    /// another order.
    pub(super) flat: Option<(Vec<usize>, Vec<usize>)>,
}

impl Stored {
    /// In the graph's own order.
    pub(super) fn plain(id: ValueId, rank: usize) -> Stored {
        Stored { id, order: (0..rank).collect(), flat: None }
    }

    /// An image, channels last.
    pub(super) fn image(id: ValueId) -> Stored {
        Stored { id, order: CHANNELS_LAST.to_vec(), flat: None }
    }

    /// Another value that lies in the same way.
    pub(super) fn with(&self, id: ValueId) -> Stored {
        Stored { id, ..self.clone() }
    }

    /// Where the graph's dimension lies, behind the batch.
    pub(super) fn place(&self, dim: usize) -> usize {
        self.order.iter().position(|&here| here == dim).unwrap_or_default()
    }

    /// Numbers for values that lie like this. `dims` are dimensions of the graph, 1 where the numbers repeat. Gives
    /// them with their dimensions in memory, without the batch.
    pub(super) fn arranged(&self, dims: &[usize], data: &[f32]) -> (Vec<usize>, Vec<f32>) {
        if let (Some((dims, order)), true) = (&self.flat, data.len() > 1) {
            return (vec![data.len()], permuted(data, dims, order));
        }
        let turned = self.order.iter().map(|&dim| dims[dim]).collect();
        (turned, permuted(data, dims, &self.order))
    }
}

impl Lowering<'_> {
    /// A value with its dimensions in this order, transposed if they are not.
    pub(super) fn ordered(&mut self, value: &Stored, order: &[usize]) -> ValueId {
        let value = self.unflattened(value);
        if value.order == order {
            return value.id;
        }
        let turned: Vec<usize> = order.iter().map(|&dim| value.place(dim)).collect();
        self.b.transpose(value.id, &turned)
    }

    /// A value in the graph's own order.
    pub(super) fn plain(&mut self, value: &Stored) -> ValueId {
        let order: Vec<usize> = (0..value.order.len()).collect();
        self.ordered(value, &order)
    }

    /// An image, channels last.
    pub(super) fn image(&mut self, value: &Stored) -> ValueId {
        self.ordered(value, &CHANNELS_LAST)
    }

    /// A row of numbers as the graph has it.
    fn unflattened(&mut self, value: &Stored) -> Stored {
        let Some((dims, order)) = &value.flat else { return value.clone() };
        let stored: Vec<usize> = order.iter().map(|&dim| dims[dim]).collect();
        let id = self.b.reshape(value.id, &stored);
        let back: Vec<usize> = (0..dims.len())
            .map(|dim| order.iter().position(|&here| here == dim).unwrap_or_default())
            .collect();
        let id = self.b.transpose(id, &back);
        let id = self.b.reshape(id, &[dims.iter().product()]);
        Stored::plain(id, 1)
    }

    /// A value with one of its dimensions innermost, and the order of the others kept.
    pub(super) fn with_last(&mut self, value: &Stored, dim: usize) -> Stored {
        let value = self.unflattened(value);
        if value.order.last() == Some(&dim) {
            return value;
        }
        let order: Vec<usize> =
            value.order.iter().copied().filter(|&other| other != dim).chain([dim]).collect();
        Stored { id: self.ordered(&value, &order), order, flat: None }
    }

    /// Values of one shape, or with 1 where they repeat, in one order.
    pub(super) fn aligned(&mut self, values: &[Stored]) -> Vec<Stored> {
        let [first, rest @ ..] = values else { return Vec::new() };
        if rest.iter().all(|other| other.order == first.order && other.flat == first.flat) {
            return values.to_vec();
        }
        let order = first.order.clone();
        let turned = values.iter().map(|value| Stored {
            id: self.ordered(value, &order),
            order: order.clone(),
            flat: None,
        });
        turned.collect()
    }

    /// The same numbers in other dimensions.
    pub(super) fn reshaped(&mut self, value: &Stored, from: &[usize], to: &[usize]) -> Stored {
        if let Some((dims, order)) = &value.flat {
            if to == dims {
                let stored: Vec<usize> = order.iter().map(|&dim| dims[dim]).collect();
                return Stored { id: self.b.reshape(value.id, &stored), order: order.clone(), flat: None };
            }
            if to.len() == 1 {
                return value.clone();
            }
        }
        if from.contains(&OPEN) || to.contains(&OPEN) {
            // Where numbers would lie is not known before there are images.
            let id = self.plain(value);
            return Stored::plain(self.b.reshape(id, to), to.len());
        }
        let value = self.unflattened(value);
        if moves_nothing(from, &value.order) {
            return Stored::plain(self.b.reshape(value.id, to), to.len());
        }
        if to.len() == 1 {
            let flat = Some((from.to_vec(), value.order.clone()));
            return Stored { id: self.b.reshape(value.id, to), order: vec![0], flat };
        }
        // Dimensions that become others, group by group; the groups stay where they lie.
        let mut groups = groups(from, to);
        groups.sort_by_key(|(old, _)| old.iter().map(|&dim| value.place(dim)).min());
        let order: Vec<usize> = groups.iter().flat_map(|(old, _)| old.clone()).collect();
        let id = self.ordered(&value, &order);
        let order: Vec<usize> = groups.iter().flat_map(|(_, new)| new.clone()).collect();
        let dims: Vec<usize> = order.iter().map(|&dim| to[dim]).collect();
        Stored { id: self.b.reshape(id, &dims), order, flat: None }
    }
}

/// The smallest runs of dimensions that hold as many numbers before as after.
fn groups(from: &[usize], to: &[usize]) -> Vec<(Vec<usize>, Vec<usize>)> {
    let (mut groups, mut i, mut j) = (Vec::new(), 0, 0);
    while i < from.len() && j < to.len() {
        let (start, end) = (i, j);
        let (mut before, mut after) = (from[i], to[j]);
        (i, j) = (i + 1, j + 1);
        while before != after {
            if before < after && i < from.len() {
                before *= from[i];
                i += 1;
            } else if j < to.len() {
                after *= to[j];
                j += 1;
            } else {
                break;
            }
        }
        groups.push(((start..i).collect::<Vec<_>>(), (end..j).collect::<Vec<_>>()));
    }
    if let Some((old, new)) = groups.last_mut() {
        // What is left has a length of 1.
        old.extend(i..from.len());
        new.extend(j..to.len());
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dimensions_become_others_in_groups() {
        assert_eq!(
            groups(&[4, 2, 8, 8], &[8, 8, 8]),
            [(vec![0, 1], vec![0]), (vec![2], vec![1]), (vec![3], vec![2])]
        );
        assert_eq!(groups(&[12, 1, 1], &[12]), [(vec![0, 1, 2], vec![0])]);
        assert_eq!(groups(&[1, 6, 4], &[3, 2, 4, 1]), [(vec![0, 1], vec![0, 1]), (vec![2], vec![2, 3])]);
    }
}
