//! Attention, of products of matrices.

use super::lower::Lowering;
use super::open::{of_one_size, product};
use super::program::{OPEN, Op, Pair, Side, ValueId};
use super::stored::Stored;
use crate::Result;
use crate::nn::Node;

impl Lowering<'_> {
    /// Queries (…, N, D), keys (…, M, D) and values (…, M, E) in heads.
    pub(super) fn attention(
        &mut self,
        node: &Node,
        num_heads: usize,
        inputs: [&Stored; 3],
    ) -> Result<Stored> {
        let shapes = [0, 1, 2].map(|input| self.shape_of(node, input));
        if shapes.iter().any(|shape| shape.last() == Some(&OPEN)) {
            return Err(of_one_size(node, "features, as many as the image is wide"));
        }
        let features = shapes[0].last().copied().unwrap_or(1) / num_heads;
        let [q, k, v] = inputs.map(|input| {
            let id = self.plain(input);
            self.in_heads(id, num_heads)
        });
        let y = self.attended([q, k, v], features, None);
        let y = self.out_of_heads(y, num_heads, &node.shape);
        Ok(Stored::plain(y, node.shape.len()))
    }

    /// (B, …, N, D) to (B, …, heads, N, D / heads), where what stands before N is one dimension.
    fn in_heads(&mut self, x: ValueId, num_heads: usize) -> ValueId {
        let dims = self.b.behind_batch(x);
        let [before @ .., rows, features] = dims.as_slice() else { return x };
        let mut shape: Vec<usize> = if before.is_empty() { Vec::new() } else { vec![product(before)] };
        let rank = shape.len();
        if num_heads == 1 {
            shape.extend([*rows, *features]);
            return self.b.reshape(x, &shape);
        }
        shape.extend([*rows, num_heads, features / num_heads]);
        let x = self.b.reshape(x, &shape);
        self.b.transpose(x, &exchanged(rank))
    }

    fn out_of_heads(&mut self, x: ValueId, num_heads: usize, shape: &[usize]) -> ValueId {
        if num_heads == 1 {
            return self.b.reshape(x, shape);
        }
        let rank = self.b.dims(x).len() - 4;
        let x = self.b.transpose(x, &exchanged(rank));
        self.b.reshape(x, shape)
    }

    /// softmax(q · kᵀ / √D + bias) · v.
    fn attended(&mut self, [q, k, v]: [ValueId; 3], features: usize, bias: Option<ValueId>) -> ValueId {
        let scale = self.b.scalar("scale", 1.0 / (features as f64).sqrt());
        let q = self.b.pair(Pair::Multiply, q, scale);
        let last = self.b.dims(q).len() - 1;
        let mut dims = self.b.dims(q).to_vec();
        dims[last] = self.b.dims(k)[last - 1];
        let mut scores = self.b.step(Op::MatMul(Side::Transposed), vec![q, k], dims.clone());
        if let Some(bias) = bias {
            scores = self.b.pair(Pair::Add, scores, bias);
        }
        let weights = self.b.step(Op::Softmax, vec![scores], dims.clone());
        dims[last] = self.b.dims(v)[last];
        self.b.step(Op::MatMul(Side::Plain), vec![weights, v], dims)
    }

    /// Pixels (N, heads·3·D), in each head its query, its key and its value.
    pub(super) fn relative_attention(
        &mut self,
        node: &Node,
        num_heads: usize,
        [height, width]: [usize; 2],
        x: &Stored,
    ) -> Result<Stored> {
        let table = self.tensor(node, 0)?;
        let (pixels, features) = (height * width, node.shape[1] / num_heads);
        let x = self.plain(x);
        let x = self.b.reshape(x, &[pixels, num_heads, 3 * features]);
        let x = self.b.transpose(x, &exchanged(0));
        let [q, k, v] = [0, 1, 2].map(|part| self.b.slice(x, 2, part * features, features));
        let mut bias = Vec::with_capacity(num_heads * pixels * pixels);
        for head in 0..num_heads {
            for from in 0..pixels {
                for to in 0..pixels {
                    let row = height - 1 + from / width - to / width;
                    let column = width - 1 + from % width - to % width;
                    bias.push(table[(row * (2 * width - 1) + column) * num_heads + head]);
                }
            }
        }
        let bias = self.b.float("relative_bias", &[1, num_heads, pixels, pixels], bias);
        let y = self.attended([q, k, v], features, Some(bias));
        Ok(Stored::plain(self.out_of_heads(y, num_heads, &node.shape), 2))
    }
}

/// Rows and heads exchanged, `before` dimensions before them.
fn exchanged(before: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..before + 3).collect();
    order.swap(before, before + 1);
    order
}
