//! Images of other sizes.

use super::lower::Lowering;
use super::open::of_one_size;
use super::program::{Fit, OPEN, Op, Pair, ValueId, Window};
use super::stored::Stored;
use super::window::sides;
use crate::Result;
use crate::nn::{Corners, Interpolation, Node, PadMode, Padding, TargetSize};

impl Lowering<'_> {
    pub(super) fn interpolate(
        &mut self,
        node: &Node,
        (size, interpolation): (TargetSize, Interpolation),
        x: &Stored,
        like: Option<&Stored>,
    ) -> Result<Stored> {
        let [channels, height, width] = sides(&node.shape);
        let [_, rows, columns] = sides(&self.shape_of(node, 0));
        let x = self.image(x);
        let dims = self.b.batched(&[height, width, channels]);
        if [rows, columns, height, width].contains(&OPEN) {
            let like = like.map(|like| self.image(like));
            return self.interpolated(node, (size, interpolation), x, like);
        }
        let op = match interpolation {
            Interpolation::Bilinear(corners @ (Corners::Edges | Corners::Centres)) => {
                Op::ResizeBilinear(corners)
            }
            Interpolation::Nearest => {
                let pairs = [(rows, height), (columns, width)];
                if !pairs.into_iter().all(|(input, output)| rounds_right(input, output)) {
                    let y = self.picked(x, 0, (0..height).map(|at| at * rows / height));
                    return Ok(Stored::image(self.picked(y, 1, (0..width).map(|at| at * columns / width))));
                }
                Op::ResizeNearest
            }
        };
        let size = self.b.list(vec![height as i32, width as i32]);
        Ok(Stored::image(self.b.step(op, vec![x, size], dims)))
    }

    /// The same where the sizes are known when it runs.
    fn interpolated(
        &mut self,
        node: &Node,
        (size, interpolation): (TargetSize, Interpolation),
        x: ValueId,
        like: Option<ValueId>,
    ) -> Result<Stored> {
        let [channels, height, width] = sides(&node.shape);
        let to = match (size, like) {
            (TargetSize::Times(times), _) => {
                let sides = self.b.sides(x);
                self.b.whole(Pair::Multiply, sides, times.map(|times| times as i32).to_vec())
            }
            (TargetSize::Pixels(size), _) => self.b.list(size.map(|side| side as i32).to_vec()),
            (TargetSize::Like, Some(like)) => self.b.sides(like),
            (TargetSize::Like, None) => return Err(of_one_size(node, "no image whose size it takes")),
        };
        if let Interpolation::Bilinear(corners @ (Corners::Edges | Corners::Centres)) = interpolation {
            let dims = self.b.batched(&[height, width, channels]);
            return Ok(Stored::image(self.b.step(Op::ResizeBilinear(corners), vec![x, to], dims)));
        }
        // A runtime's floats may fall short of a pixel's edge; whole numbers do not.
        let mut y = x;
        for (axis, length) in [height, width].into_iter().enumerate() {
            let (from, to) = (self.b.side(x, axis), self.b.entry(to, axis));
            let places = self.b.nearest(from, to);
            let mut dims = self.b.behind_batch(y);
            dims[axis] = length;
            let dims = self.b.batched(&dims);
            y = self.b.moved(Op::Gather { dim: axis + 1 }, vec![y, places], dims);
        }
        Ok(Stored::image(y))
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

    pub(super) fn pad(&mut self, node: &Node, padding: Padding, mode: PadMode, x: &Stored) -> Result<Stored> {
        let [channels, height, width] = sides(&node.shape);
        let [_, rows, columns] = sides(&self.shape_of(node, 0));
        let x = self.image(x);
        let [vertical, horizontal] = padding.sides();
        let all = vec![[0, 0], vertical, horizontal, [0, 0]];
        let dims = self.b.batched(&[height, width, channels]);
        if padding == Padding::default() {
            return Ok(Stored::image(x));
        }
        let inside = |at: usize, before: usize, length: usize| at.saturating_sub(before).min(length - 1);
        Ok(Stored::image(match mode {
            PadMode::Constant(value) => {
                self.b.step(Op::Pad { sides: all, value: value as f32 }, vec![x], dims)
            }
            PadMode::Reflect => self.b.step(Op::MirrorPad(all), vec![x], dims),
            PadMode::Replicate if [rows, columns].contains(&OPEN) => {
                return Err(of_one_size(node, "copies of the last row and column (PadMode::Replicate)"));
            }
            PadMode::Replicate => {
                let y = self.picked(x, 0, (0..height).map(|at| inside(at, vertical[0], rows)));
                self.picked(y, 1, (0..width).map(|at| inside(at, horizontal[0], columns)))
            }
        }))
    }

    /// The mean of each of so many parts, which may overlap.
    pub(super) fn adaptive_avg_pool2d(
        &mut self,
        node: &Node,
        output: [usize; 2],
        x: &Stored,
    ) -> Result<Stored> {
        let [channels, rows, columns] = sides(&self.shape_of(node, 0));
        let x = self.image(x);
        if output == [1, 1] {
            return Ok(Stored::image(self.b.mean_kept(x, &[0, 1])));
        }
        if [rows, columns].contains(&OPEN) {
            return Err(of_one_size(node, "parts whose pixels follow the image's size"));
        }
        let input = [rows, columns];
        if (0..2).all(|axis| input[axis].is_multiple_of(output[axis])) {
            let kernel = [rows / output[0], columns / output[1]];
            let window = Window { kernel, stride: kernel, dilation: [1, 1], fit: Fit::Valid };
            let dims = self.b.batched(&[output[0], output[1], channels]);
            return Ok(Stored::image(self.b.moved(Op::AveragePool(window), vec![x], dims)));
        }
        let y = self.parts(x, 0, output[0]);
        Ok(Stored::image(self.parts(y, 1, output[1])))
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
