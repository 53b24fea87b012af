//! Images of other sizes.

use super::lower::Lowering;
use super::program::{Fit, Op, ValueId, Window};
use super::stored::Stored;
use super::window::sides;
use crate::nn::{Corners, Interpolation, Node, PadMode, Padding};

impl Lowering<'_> {
    pub(super) fn interpolate(&mut self, node: &Node, interpolation: Interpolation, x: &Stored) -> Stored {
        let [channels, height, width] = sides(&node.shape);
        let [_, rows, columns] = sides(&self.shape_of(node, 0));
        let x = self.image(x);
        let dims = self.b.batched(&[height, width, channels]);
        let op = match interpolation {
            Interpolation::Bilinear(corners @ (Corners::Edges | Corners::Centres)) => {
                Op::ResizeBilinear(corners)
            }
            Interpolation::Nearest => {
                let pairs = [(rows, height), (columns, width)];
                if !pairs.into_iter().all(|(input, output)| rounds_right(input, output)) {
                    let y = self.picked(x, 0, (0..height).map(|at| at * rows / height));
                    return Stored::image(self.picked(y, 1, (0..width).map(|at| at * columns / width)));
                }
                Op::ResizeNearest
            }
        };
        let size = self.b.list(vec![height as i32, width as i32]);
        Stored::image(self.b.step(op, vec![x, size], dims))
    }

    /// Some entries of a dimension behind the batch.
    fn picked(&mut self, x: ValueId, dim: usize, entries: impl Iterator<Item = usize>) -> ValueId {
        let entries: Vec<i32> = entries.map(|entry| entry as i32).collect();
        let mut dims = self.b.behind_batch(x);
        dims[dim] = entries.len();
        let dims = self.b.batched(&dims);
        let entries = self.b.list(entries);
        self.b.moved(Op::Gather { dim: dim + 1 }, vec![x, entries], dims)
    }

    pub(super) fn pad(&mut self, node: &Node, padding: Padding, mode: PadMode, x: &Stored) -> Stored {
        let [channels, height, width] = sides(&node.shape);
        let [_, rows, columns] = sides(&self.shape_of(node, 0));
        let x = self.image(x);
        let [vertical, horizontal] = padding.sides();
        let all = vec![[0, 0], vertical, horizontal, [0, 0]];
        let dims = self.b.batched(&[height, width, channels]);
        if padding == Padding::default() {
            return Stored::image(x);
        }
        let inside = |at: usize, before: usize, length: usize| at.saturating_sub(before).min(length - 1);
        Stored::image(match mode {
            PadMode::Constant(value) => {
                self.b.step(Op::Pad { sides: all, value: value as f32 }, vec![x], dims)
            }
            PadMode::Reflect => self.b.step(Op::MirrorPad(all), vec![x], dims),
            PadMode::Replicate => {
                let y = self.picked(x, 0, (0..height).map(|at| inside(at, vertical[0], rows)));
                self.picked(y, 1, (0..width).map(|at| inside(at, horizontal[0], columns)))
            }
        })
    }

    /// The mean of each of so many parts, which may overlap.
    pub(super) fn adaptive_avg_pool2d(&mut self, node: &Node, output: [usize; 2], x: &Stored) -> Stored {
        let [channels, rows, columns] = sides(&self.shape_of(node, 0));
        let x = self.image(x);
        if output == [1, 1] {
            return Stored::image(self.b.mean_kept(x, &[0, 1]));
        }
        let input = [rows, columns];
        if (0..2).all(|axis| input[axis].is_multiple_of(output[axis])) {
            let kernel = [rows / output[0], columns / output[1]];
            let window = Window { kernel, stride: kernel, dilation: [1, 1], fit: Fit::Valid };
            let dims = self.b.batched(&[output[0], output[1], channels]);
            return Stored::image(self.b.moved(Op::AveragePool(window), vec![x], dims));
        }
        let y = self.parts(x, 0, output[0]);
        Stored::image(self.parts(y, 1, output[1]))
    }

    /// The means of parts along one dimension behind the batch.
    fn parts(&mut self, x: ValueId, dim: usize, count: usize) -> ValueId {
        let mut dims = self.b.behind_batch(x);
        let length = dims[dim];
        let parts: Vec<ValueId> = (0..count)
            .map(|part| {
                let (start, end) = (part * length / count, ((part + 1) * length).div_ceil(count));
                let stretch = self.b.slice(x, dim, start, end - start);
                if end - start == 1 { stretch } else { self.b.mean_kept(stretch, &[dim]) }
            })
            .collect();
        dims[dim] = count;
        let dims = self.b.batched(&dims);
        match parts[..] {
            [only] => only,
            _ => self.b.moved(Op::Concat(dim + 1), parts, dims),
        }
    }
}

/// Whether a runtime that computes places in f32 finds the pixels that whole numbers find.
fn rounds_right(input: usize, output: usize) -> bool {
    let scale = input as f32 / output as f32;
    (0..output).all(|at| ((at as f32 * scale).floor() as usize).min(input - 1) == at * input / output)
}
