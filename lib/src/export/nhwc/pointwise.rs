//! Functions of every number by itself, and of pairs.

use super::lower::Lowering;
use super::open::of_one_size;
use super::program::{Bound, Function, OPEN, Op, Pair};
use super::stored::Stored;
use crate::Result;
use crate::nn::{Activation, Node};

impl Lowering<'_> {
    pub(super) fn activation(&mut self, activation: Activation, x: &Stored) -> Stored {
        let function = match activation {
            Activation::Relu => Function::Relu,
            Activation::Relu6 => Function::Relu6,
            Activation::LeakyRelu { slope } => Function::LeakyRelu(slope),
            Activation::Gelu => Function::Gelu,
            Activation::GeluTanh => Function::GeluTanh,
            Activation::Sigmoid => Function::Sigmoid,
            Activation::Tanh => Function::Tanh,
            Activation::Hardswish => Function::Hardswish,
            Activation::Silu => {
                let gate = self.b.function(Function::Sigmoid, x.id);
                return x.with(self.b.pair(Pair::Multiply, x.id, gate));
            }
            Activation::Hardsigmoid => {
                let three = self.b.scalar("three", 3.0);
                let sum = self.b.pair(Pair::Add, x.id, three);
                if let Some(step) = self.b.program.steps.last_mut() {
                    step.bound = Bound::Relu6;
                }
                let sixth = self.b.scalar("sixth", 1.0 / 6.0);
                return x.with(self.b.pair(Pair::Multiply, sum, sixth));
            }
        };
        x.with(self.b.function(function, x.id))
    }

    pub(super) fn pair(&mut self, pair: Pair, x: &Stored, y: &Stored) -> Stored {
        let aligned = self.aligned(&[x.clone(), y.clone()]);
        aligned[0].with(self.b.pair(pair, aligned[0].id, aligned[1].id))
    }

    /// A softmax over one dimension of the graph's.
    pub(super) fn over_last(&mut self, op: Op, dim: usize, x: &Stored) -> Stored {
        let x = self.with_last(x, dim);
        let dims = self.b.dims(x.id).to_vec();
        x.with(self.b.step(op, vec![x.id], dims))
    }

    pub(super) fn layer_scale(&mut self, node: &Node, dims: &[usize], x: &Stored) -> Result<Stored> {
        let factors = self.tensor(node, 0)?;
        // (C, 1, 1), or the last dimension.
        let dim = if dims.len() == 3 { 0 } else { node.shape.len() - 1 };
        Ok(self.scaled(node, x, dim, &factors, None))
    }

    pub(super) fn position_embedding(&mut self, node: &Node, x: &Stored) -> Result<Stored> {
        if node.shape.contains(&OPEN) {
            return Err(of_one_size(node, "an embedding for one size"));
        }
        let data = self.tensor(node, 0)?;
        let (stored, data) = x.arranged(&node.shape, &data);
        let embedding = self.b.float("embedding", &[&[1], stored.as_slice()].concat(), data);
        Ok(x.with(self.b.pair(Pair::Add, x.id, embedding)))
    }
}
