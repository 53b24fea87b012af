//! Norms.

use super::lower::Lowering;
use super::open::product;
use super::program::{Function, OPEN, Pair, ValueId};
use super::stored::Stored;
use crate::Result;
use crate::nn::{GroupNormConfig, Node};

impl Lowering<'_> {
    /// One that no layer before it could take over: a factor and a summand for each channel.
    pub(super) fn batch_norm(&mut self, node: &Node, eps: f64, x: &Stored) -> Result<Stored> {
        let [scale, shift, mean, var] =
            [self.tensor(node, 0)?, self.tensor(node, 1)?, self.tensor(node, 2)?, self.tensor(node, 3)?];
        let factors: Vec<f64> = scale
            .iter()
            .zip(&var)
            .map(|(&scale, &var)| f64::from(scale) / (f64::from(var) + eps).sqrt())
            .collect();
        let shifts = shift.iter().zip(&mean).zip(&factors);
        let shifts: Vec<f32> = shifts
            .map(|((&shift, &mean), factor)| (f64::from(shift) - f64::from(mean) * factor) as f32)
            .collect();
        let factors: Vec<f32> = factors.into_iter().map(|factor| factor as f32).collect();
        Ok(self.scaled(node, x, 0, &factors, Some(&shifts)))
    }

    /// Every entry of dimension `dim` times a number of its own, and with one added.
    pub(super) fn scaled(
        &mut self,
        node: &Node,
        x: &Stored,
        dim: usize,
        factors: &[f32],
        shifts: Option<&[f32]>,
    ) -> Stored {
        let mut dims = vec![1; node.shape.len()];
        dims[dim] = factors.len();
        let (stored, factors) = x.arranged(&dims, factors);
        let factors = self.b.float("weight", &stored, factors);
        let mut y = self.b.pair(Pair::Multiply, x.id, factors);
        if let Some(shifts) = shifts {
            let (stored, shifts) = x.arranged(&dims, shifts);
            let shifts = self.b.float("bias", &stored, shifts);
            y = self.b.pair(Pair::Add, y, shifts);
        }
        x.with(y)
    }

    /// Over one dimension of the graph's.
    pub(super) fn layer_norm(&mut self, node: &Node, dim: usize, eps: f64, x: &Stored) -> Result<Stored> {
        let x = self.with_last(x, dim);
        let last = x.order.len() - 1;
        let y = self.normalized(x.id, &[last], eps);
        let (weight, bias) = (self.tensor(node, 0)?, self.tensor(node, 1)?);
        Ok(self.scaled(node, &x.with(y), dim, &weight, Some(&bias)))
    }

    pub(super) fn group_norm(&mut self, node: &Node, config: GroupNormConfig, x: &Stored) -> Result<Stored> {
        let shape = self.shape_of(node, 0);
        let (channels, groups) = (shape[0], config.groups);
        let size = channels / groups;
        let (weight, bias) = (self.tensor(node, 0)?, self.tensor(node, 1)?);
        let (x, split, over): (Stored, Vec<usize>, &[usize]) = match shape[..] {
            [_, height, width] => {
                let x = Stored::image(self.image(x));
                (x, vec![product(&[height, width]), groups, size], &[0, 2])
            }
            _ => {
                let x = Stored::plain(self.plain(x), shape.len());
                let all = product(&shape);
                (x, vec![groups, if all == OPEN { OPEN } else { all / groups }], &[1])
            }
        };
        let y = self.b.reshape(x.id, &split);
        let y = self.normalized(y, over, config.eps);
        let y = self.b.reshape_like(y, x.id);
        Ok(self.scaled(node, &x.with(y), 0, &weight, Some(&bias)))
    }

    /// Mean 0 and variance 1 over some dimensions behind the batch.
    fn normalized(&mut self, x: ValueId, over: &[usize], eps: f64) -> ValueId {
        let mean = self.b.mean_kept(x, over);
        let squares = self.b.pair(Pair::SquaredDifference, x, mean);
        let variance = self.b.mean_kept(squares, over);
        let eps = self.b.scalar("eps", eps);
        let variance = self.b.pair(Pair::Add, variance, eps);
        let inverse = self.b.function(Function::Rsqrt, variance);
        let centred = self.b.pair(Pair::Subtract, x, mean);
        self.b.pair(Pair::Multiply, centred, inverse)
    }
}
