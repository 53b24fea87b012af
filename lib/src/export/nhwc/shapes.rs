//! Parts of values, values side by side, means, and the linear layer, which takes what lies innermost.

use std::ops::Range;

use super::lower::Lowering;
use super::program::Op;
use super::stored::Stored;
use crate::Result;
use crate::nn::Node;

impl Lowering<'_> {
    pub(super) fn slice(&mut self, dim: usize, range: &Range<usize>, x: &Stored) -> Stored {
        let x = self.sorted(x);
        x.with(self.b.slice(x.id, x.place(dim), range.start, range.len()))
    }

    pub(super) fn concat(&mut self, node: &Node, dim: usize, inputs: &[Stored]) -> Stored {
        let inputs: Vec<Stored> = inputs.iter().map(|input| self.sorted(input)).collect();
        let inputs = self.aligned(&inputs);
        let Some(first) = inputs.first().cloned() else { return Stored::plain(0, 0) };
        if inputs.len() == 1 {
            return first;
        }
        let dims: Vec<usize> = first.order.iter().map(|&dim| node.shape[dim]).collect();
        let dims = self.b.batched(&dims);
        let ids = inputs.iter().map(|input| input.id).collect();
        first.with(self.b.moved(Op::Concat(first.place(dim) + 1), ids, dims))
    }

    pub(super) fn mean(&mut self, dims: &[usize], shape: &[usize], x: &Stored) -> Stored {
        let x = self.sorted(x);
        let mut places: Vec<usize> = dims.iter().map(|&dim| x.place(dim) + 1).collect();
        places.sort_unstable();
        places.dedup();
        let kept: Vec<usize> = x.order.iter().copied().filter(|dim| !dims.contains(dim)).collect();
        let lengths: Vec<usize> = kept.iter().map(|&dim| shape[dim]).collect();
        let lengths = self.b.batched(&lengths);
        let id = self.b.step(Op::Mean(places), vec![x.id], lengths);
        // The dimensions that are left, counted anew.
        let order = kept.iter().map(|&dim| (0..dim).filter(|other| !dims.contains(other)).count());
        Stored { id, order: order.collect(), flat: None }
    }

    pub(super) fn class_token(&mut self, node: &Node, x: &Stored) -> Result<Stored> {
        let token = self.tensor(node, 0)?;
        let x = self.plain(x);
        let token = self.b.repeated("token", &[1, node.shape[1]], &token);
        let dims = self.b.batched(&node.shape);
        Ok(Stored::plain(self.b.step(Op::Concat(1), vec![token, x], dims), 2))
    }

    pub(super) fn linear(&mut self, node: &Node, x: &Stored) -> Result<Stored> {
        let shape = self.shape_of(node, 0);
        let last = shape.len() - 1;
        let (inputs, outputs) = (shape[last], node.shape[last]);
        let (x, from) = match &x.flat {
            // The columns come in the order of the numbers, so that these need not move.
            Some((dims, order)) => {
                let turned: Vec<usize> = std::iter::once(0).chain(order.iter().map(|dim| dim + 1)).collect();
                (Stored::plain(x.id, 1), ([&[outputs], dims.as_slice()].concat(), turned))
            }
            None => (self.with_last(x, last), (vec![outputs, inputs], vec![0, 1])),
        };
        let weight = self.weight(node, x.id, (&from.0, &from.1), &[outputs, inputs])?;
        let [weight, bias] = self.bias(node, outputs, weight, x.id)?;
        let dims: Vec<usize> = x.order.iter().map(|&dim| node.shape[dim]).collect();
        let dims = self.b.batched(&dims);
        Ok(x.with(self.b.step(Op::FullyConnected, vec![x.id, weight, bias], dims)))
    }

    /// A value whose numbers lie in some order of its own dimensions.
    fn sorted(&mut self, x: &Stored) -> Stored {
        match x.flat {
            Some(_) => Stored::plain(self.plain(x), 1),
            None => x.clone(),
        }
    }
}
