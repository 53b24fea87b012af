//! Convolutions and pools.

use super::lower::Lowering;
use super::open::{longer, of_one_size};
use super::program::{Fit, OPEN, Op, Pair, ValueId, Window};
use super::stored::Stored;
use crate::Result;
use crate::nn::{AvgPool2dConfig, Conv2dConfig, Node, Operator, Padding, Pool2dConfig, Rounding};
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

    /// The same windows on an image of any size, those that are not whole at its end with padding behind it; none where
    /// that would be one more window for some sizes.
    fn open(mut self, rounding: Rounding, open: [bool; 2]) -> Option<Sliding> {
        let behind = |axis: usize| self.padding.sides()[axis][1];
        if rounding == Rounding::Ceil {
            // A window may begin in the image or before it only.
            let fits = |axis: usize| behind(axis) + self.stride[axis] <= self.kernel[axis].max(1);
            if (0..2).any(|axis| open[axis] && self.stride[axis] > 1 && !fits(axis)) {
                return None;
            }
            let more = [0, 1].map(|axis: usize| if open[axis] { self.stride[axis] - 1 } else { 0 });
            self.padding.bottom += more[0];
            self.padding.right += more[1];
        }
        Some(self)
    }

    /// The pixels before the first and behind the last that `output` windows lie on. Fewer than none behind it are
    /// pixels that no window takes. Images of any size have their padding on both sides.
    fn missing(&self, axis: usize, input: usize, output: usize) -> [isize; 2] {
        let [before, behind] = self.padding.sides()[axis];
        if input == OPEN {
            return [before as isize, behind as isize];
        }
        let end = (output - 1) * self.stride[axis] + self.extent(axis);
        [before as isize, end as isize - (before + input) as isize]
    }

    /// Whether `Fit::Same` puts the windows here.
    fn is_same(&self, axis: usize, input: usize, output: usize) -> bool {
        if input == OPEN {
            // In steps of 1, the windows are as many as the pixels, and lie as they do whatever their number.
            let [before, behind] = self.padding.sides()[axis];
            let total = self.extent(axis) - 1;
            return self.stride[axis] == 1 && before + behind == total && before == total / 2;
        }
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
        let [height, width] = [(dims[0], rows), (dims[1], columns)].map(|(dim, [a, b])| longer(dim, a + b));
        let padded = [height, width, dims[2]];
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

    pub(super) fn max_pool2d(&mut self, node: &Node, config: &Pool2dConfig, x: &Stored) -> Result<Stored> {
        let [channels, height, width] = sides(&node.shape);
        let [_, rows, columns] = sides(&self.shape_of(node, 0));
        let sliding = Sliding::pool(config);
        let sliding = sliding.open(config.rounding, [rows == OPEN, columns == OPEN]);
        let Some(sliding) = sliding else {
            return Err(of_one_size(node, "windows of which one may lie behind the image (Rounding::Ceil)"));
        };
        let x = self.image(x);
        let (x, window) = self.placed(x, sliding, [height, width], f32::NEG_INFINITY);
        let dims = self.b.batched(&[height, width, channels]);
        Ok(Stored::image(self.b.moved(Op::MaxPool(window), vec![x], dims)))
    }

    /// Whether the format's own means of windows are those of a pool, no factors behind them.
    pub(super) fn is_plain_mean(&self, node: &Node) -> bool {
        let Operator::AvgPool2d(config) = &node.operator else { return true };
        let [_, height, width] = sides(&node.shape);
        let [_, rows, columns] = sides(&self.shape_of(node, 0));
        let sliding = Sliding::pool(&config.window);
        let is_same = sliding.is_same(0, rows, height) && sliding.is_same(1, columns, width);
        if config.divisor == Divisor::PixelsOnly && is_same {
            return true;
        }
        match factors(&sliding, config, [[rows, height], [columns, width]]) {
            Some(factors) => factors.iter().all(|&factor| factor == 1.0),
            None => false,
        }
    }

    pub(super) fn avg_pool2d(&mut self, node: &Node, config: &AvgPool2dConfig, x: &Stored) -> Result<Stored> {
        let [channels, height, width] = sides(&node.shape);
        let [_, rows, columns] = sides(&self.shape_of(node, 0));
        let sliding = Sliding::pool(&config.window);
        let x = self.image(x);
        let dims = self.b.batched(&[height, width, channels]);
        let is_same = sliding.is_same(0, rows, height) && sliding.is_same(1, columns, width);
        if config.divisor == Divisor::PixelsOnly && is_same {
            // Which counts no padding.
            let op = Op::AveragePool(sliding.window(Fit::Same));
            return Ok(Stored::image(self.b.moved(op, vec![x], dims)));
        }
        let Some(factors) = factors(&sliding, config, [[rows, height], [columns, width]]) else {
            let got = "means of windows over the edge, each of as many pixels as it has";
            return Err(of_one_size(node, got));
        };
        let missing = [(0, rows, height), (1, columns, width)]
            .map(|(axis, input, output)| sliding.missing(axis, input, output));
        let x = self.padded(x, missing, 0.0);
        let mean = self.b.moved(Op::AveragePool(sliding.window(Fit::Valid)), vec![x], dims);
        if factors.iter().all(|&factor| factor == 1.0) {
            return Ok(Stored::image(mean));
        }
        let factors = self.b.float("factors", &[1, height, width, 1], factors);
        Ok(Stored::image(self.b.pair(Pair::Multiply, mean, factors)))
    }
}

/// What the means over all pixels of each window are multiplied with, for `[input, output]` rows and columns: one
/// number for images of any size, if there is one.
fn factors(sliding: &Sliding, config: &AvgPool2dConfig, sides: [[usize; 2]; 2]) -> Option<Vec<f32>> {
    let divisor = config.divisor;
    if sides.iter().flatten().any(|&side| side == OPEN) {
        let pads = sliding.padding != Padding::default();
        let whole = config.window.rounding == Rounding::Floor || sliding.stride == [1, 1];
        return (whole && (divisor == Divisor::WithPadding || !pads)).then(|| vec![1.0]);
    }
    let counted = [0, 1].map(|axis: usize| counted(sliding, divisor, axis, sides[axis][0], sides[axis][1]));
    let pixels = sliding.kernel[0] * sliding.kernel[1];
    let factor = |row: &usize, column: &usize| pixels as f32 / (row * column) as f32;
    Some(counted[0].iter().flat_map(|row| counted[1].iter().map(move |column| factor(row, column))).collect())
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
