//! Transposed convolutions.

use super::arrange::permuted;
use super::lower::Lowering;
use super::program::{OPEN, Op, Pair, ValueId};
use super::stored::Stored;
use super::window::sides;
use crate::Result;
use crate::nn::{ConvTranspose2dConfig, Node};

impl Lowering<'_> {
    /// Without padding, the larger image cut to size, and the bias added behind it.
    pub(super) fn conv_transpose2d(
        &mut self,
        node: &Node,
        config: &ConvTranspose2dConfig,
        x: &Stored,
    ) -> Result<Stored> {
        let [channels, ..] = sides(&self.shape_of(node, 0));
        let [out_channels, height, width] = sides(&node.shape);
        let weight = self.tensor(node, 0)?;
        let groups = config.groups.max(1);
        let [group, out_group] = [channels / groups, out_channels / groups];
        let (weight, kernel) = spread(&weight, config.kernel, config.dilation);
        let x = self.image(x);
        let size = weight.len() / groups;
        let mut parts = Vec::with_capacity(groups);
        for index in 0..groups {
            let part = self.b.slice(x, 2, index * group, group);
            // (C, O, KH, KW) to (O, KH, KW, C).
            let from = [group, out_group, kernel[0], kernel[1]];
            let turned = permuted(&weight[index * size..][..size], &from, &[1, 2, 3, 0]);
            let turned = self.b.float("weight", &[out_group, kernel[0], kernel[1], group], turned);
            parts.push(self.transposed(part, turned, kernel, config));
        }
        let y = match parts[..] {
            [only] => only,
            _ => {
                let mut dims = self.b.behind_batch(parts[0]);
                dims[2] = out_channels;
                let dims = self.b.batched(&dims);
                self.b.step(Op::Concat(3), parts, dims)
            }
        };
        let padding = config.padding;
        let mut y = if node.shape.contains(&OPEN) {
            self.b.crop(y, padding.sides())
        } else {
            let y = self.b.slice(y, 0, padding.top, height);
            self.b.slice(y, 1, padding.left, width)
        };
        if config.bias {
            let bias = self.tensor(node, 1)?;
            let bias = self.b.float("bias", &[out_channels], bias);
            y = self.b.pair(Pair::Add, y, bias);
        }
        Ok(Stored::image(y))
    }

    fn transposed(
        &mut self,
        x: ValueId,
        weight: ValueId,
        kernel: [usize; 2],
        config: &ConvTranspose2dConfig,
    ) -> ValueId {
        let dims = self.b.behind_batch(x);
        let channels = self.b.dims(weight)[0] as usize;
        let more = [0, 1].map(|axis: usize| kernel[axis] + config.output_padding[axis]);
        let full = |axis: usize| match dims[axis] {
            OPEN => OPEN,
            length => (length - 1) * config.stride[axis] + more[axis],
        };
        let dims = [full(0), full(1), channels];
        let shape = if dims.contains(&OPEN) {
            let stride = config.stride.map(|stride| stride as i32);
            let sides = self.b.sides(x);
            let sides = self.b.whole(Pair::Multiply, sides, stride.to_vec());
            let rest = [0, 1].map(|axis: usize| more[axis] as i32 - stride[axis]);
            let sides = self.b.whole(Pair::Add, sides, rest.to_vec());
            let (batch, channels) = (self.b.batch_of(x), self.b.list(vec![channels as i32]));
            self.b.joined(vec![batch, sides, channels])
        } else {
            self.b.shape_list(&dims)
        };
        let dims = self.b.batched(&dims);
        self.b.step(Op::TransposeConv { stride: config.stride }, vec![shape, weight, x], dims)
    }
}

/// Windows with their gaps as zeros, and their size.
fn spread(weight: &[f32], kernel: [usize; 2], dilation: [usize; 2]) -> (Vec<f32>, [usize; 2]) {
    let size = [0, 1].map(|axis: usize| dilation[axis] * (kernel[axis] - 1) + 1);
    if dilation == [1, 1] {
        return (weight.to_vec(), kernel);
    }
    let (from, to) = (kernel[0] * kernel[1], size[0] * size[1]);
    let mut spread = vec![0.0; weight.len() / from * to];
    for (old, new) in weight.chunks(from).zip(spread.chunks_mut(to)) {
        for (place, &value) in old.iter().enumerate() {
            let (row, column) = (place / kernel[1], place % kernel[1]);
            new[row * dilation[0] * size[1] + column * dilation[1]] = value;
        }
    }
    (spread, size)
}
