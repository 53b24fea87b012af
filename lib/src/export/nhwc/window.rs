//! Convolutions and pools.

use super::lower::Lowering;
use super::program::{Fit, Op, Pair, ValueId, Window};
use super::stored::Stored;
use crate::Result;
use crate::nn::{AvgPool2dConfig, Conv2dConfig, Node, Operator, Padding, Pool2dConfig};
use crate::ops::Divisor;

/// A window before it is known how it lies.
#[derive(Clone, Copy)]
pub(super) struct Sliding {
    pub(super) kernel: [usize; 2],
    pub(super) stride: [usize; 2],
    pub(super) dilation: [usize; 2],
    pub(super) padding: Padding,
}

impl Sliding {
    fn pool(config: &Pool2dConfig) -> Sliding {
        Sliding { kernel: config.kernel, stride: config.stride, dilation: [1, 1], padding: config.padding }
    }

    fn window(&self, fit: Fit) -> Window {
        Window { kernel: self.kernel, stride: self.stride, dilation: self.dilation, fit }
    }

    /// From a window's first pixel to its last, both counted.
    fn extent(&self, axis: usize) -> usize {
        self.dilation[axis] * (self.kernel[axis] - 1) + 1
    }

    /// The pixels before the first and behind the last that `output` windows lie on. Fewer than none behind it are
    /// pixels that no window takes.
    fn missing(&self, axis: usize, input: usize, output: usize) -> [isize; 2] {
        let before = self.padding.sides()[axis][0];
        let end = (output - 1) * self.stride[axis] + self.extent(axis);
        [before as isize, end as isize - (before + input) as isize]
    }

    /// Whether `Fit::Same` puts the windows here.
    fn is_same(&self, axis: usize, input: usize, output: usize) -> bool {
        let end = (output - 1) * self.stride[axis] + self.extent(axis);
        let total = end.saturating_sub(input);
        output == input.div_ceil(self.stride[axis]) && total / 2 == self.padding.sides()[axis][0]
    }
}

impl Lowering<'_> {
    /// An image (B, H, W, C) and how windows lie on it, so that `output` come of it; with `fill` around it where that
    /// takes it.
    fn placed(&mut self, x: ValueId, sliding: Sliding, output: [usize; 2], fill: f32) -> (ValueId, Window) {
        let dims = self.b.behind_batch(x);
        let missing = [0, 1].map(|axis| sliding.missing(axis, dims[axis], output[axis]));
        let is_same = (0..2).all(|axis| sliding.is_same(axis, dims[axis], output[axis]));
        match missing.iter().flatten().any(|&pixels| pixels > 0) && is_same {
            true => (x, sliding.window(Fit::Same)),
            false => (self.padded(x, missing, fill), sliding.window(Fit::Valid)),
        }
    }

    /// An image with so many pixels of `fill` before and behind its rows and columns; none where fewer are named.
    fn padded(&mut self, x: ValueId, missing: [[isize; 2]; 2], fill: f32) -> ValueId {
        let dims = self.b.behind_batch(x);
        let [rows, columns] = missing.map(|sides| sides.map(|side| side.max(0) as usize));
        if [rows, columns] == [[0, 0]; 2] {
            return x;
        }
        let padded = [dims[0] + rows[0] + rows[1], dims[1] + columns[0] + columns[1], dims[2]];
        let padded = self.b.batched(&padded);
        let sides = vec![[0, 0], rows, columns, [0, 0]];
        self.b.moved(Op::Pad { sides, value: fill }, vec![x], padded)
    }

    pub(super) fn conv2d(&mut self, node: &Node, config: &Conv2dConfig, x: &Stored) -> Result<Stored> {
        let [in_channels, ..] = sides(&self.shape_of(node, 0));
        let [out_channels, height, width] = sides(&node.shape);
        let sliding = Sliding {
            kernel: config.kernel,
            stride: config.stride,
            dilation: config.dilation,
            padding: config.padding,
        };
        let x = self.image(x);
        let (x, window) = self.placed(x, sliding, [height, width], 0.0);
        let depth = in_channels / config.groups.max(1);
        let from = [out_channels, depth, config.kernel[0], config.kernel[1]];
        let depthwise = depth == 1 && config.groups > 1;
        let order = if depthwise { [1, 2, 3, 0] } else { [0, 2, 3, 1] };
        let weight = self.weight(node, x, (&from, &order), &order.map(|dim| from[dim]))?;
        let [weight, bias] = self.bias(node, out_channels, weight, x)?;
        let op = if depthwise { Op::DepthwiseConv2d(window) } else { Op::Conv2d(window) };
        let dims = self.b.batched(&[height, width, out_channels]);
        Ok(Stored::image(self.b.step(op, vec![x, weight, bias], dims)))
    }

    pub(super) fn max_pool2d(&mut self, node: &Node, config: &Pool2dConfig, x: &Stored) -> Stored {
        let [channels, height, width] = sides(&node.shape);
        let x = self.image(x);
        let (x, window) = self.placed(x, Sliding::pool(config), [height, width], f32::NEG_INFINITY);
        let dims = self.b.batched(&[height, width, channels]);
        Stored::image(self.b.moved(Op::MaxPool(window), vec![x], dims))
    }

    /// Whether the format's own means of windows are those of a pool, no factors behind them.
    pub(super) fn is_plain_mean(&self, node: &Node) -> bool {
        let Operator::AvgPool2d(config) = &node.operator else { return true };
        let [_, height, width] = sides(&node.shape);
        let [_, rows, columns] = sides(&self.shape_of(node, 0));
        let sliding = Sliding::pool(&config.window);
        let is_same = sliding.is_same(0, rows, height) && sliding.is_same(1, columns, width);
        let factors = factors(&sliding, config.divisor, [[rows, height], [columns, width]]);
        (config.divisor == Divisor::PixelsOnly && is_same) || factors.iter().all(|&factor| factor == 1.0)
    }

    pub(super) fn avg_pool2d(&mut self, node: &Node, config: &AvgPool2dConfig, x: &Stored) -> Stored {
        let [channels, height, width] = sides(&node.shape);
        let [_, rows, columns] = sides(&self.shape_of(node, 0));
        let sliding = Sliding::pool(&config.window);
        let x = self.image(x);
        let dims = self.b.batched(&[height, width, channels]);
        let is_same = sliding.is_same(0, rows, height) && sliding.is_same(1, columns, width);
        if config.divisor == Divisor::PixelsOnly && is_same {
            // Which counts no padding.
            let op = Op::AveragePool(sliding.window(Fit::Same));
            return Stored::image(self.b.moved(op, vec![x], dims));
        }
        let missing = [(0, rows, height), (1, columns, width)]
            .map(|(axis, input, output)| sliding.missing(axis, input, output));
        let factors = factors(&sliding, config.divisor, [[rows, height], [columns, width]]);
        let x = self.padded(x, missing, 0.0);
        let mean = self.b.moved(Op::AveragePool(sliding.window(Fit::Valid)), vec![x], dims);
        if factors.iter().all(|&factor| factor == 1.0) {
            return Stored::image(mean);
        }
        let factors = self.b.float("factors", &[1, height, width, 1], factors);
        Stored::image(self.b.pair(Pair::Multiply, mean, factors))
    }
}

/// What the means over all pixels of each window are multiplied with, for `[input, output]` rows and columns.
fn factors(sliding: &Sliding, divisor: Divisor, sides: [[usize; 2]; 2]) -> Vec<f32> {
    let counted = [0, 1].map(|axis: usize| counted(sliding, divisor, axis, sides[axis][0], sides[axis][1]));
    let pixels = sliding.kernel[0] * sliding.kernel[1];
    let factor = |row: &usize, column: &usize| pixels as f32 / (row * column) as f32;
    counted[0].iter().flat_map(|row| counted[1].iter().map(move |column| factor(row, column))).collect()
}

/// The pixels of each window along one axis that its sum is divided by.
fn counted(sliding: &Sliding, divisor: Divisor, axis: usize, input: usize, output: usize) -> Vec<usize> {
    let [before, after] = sliding.padding.sides()[axis];
    let count = |position: usize| {
        let start = position * sliding.stride[axis];
        let end = (start + sliding.kernel[axis]).min(before + input + after);
        match divisor {
            Divisor::WithPadding => end - start,
            Divisor::PixelsOnly => end.min(before + input).saturating_sub(start.max(before)),
        }
    };
    (0..output).map(count).collect()
}

/// C, H and W.
pub(super) fn sides(shape: &[usize]) -> [usize; 3] {
    [0, 1, 2].map(|dim| shape.get(dim).copied().unwrap_or(1))
}
