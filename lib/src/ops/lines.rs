//! Planes of images cut by the stride of a window: the pixels that one element of the window falls on, for outputs that
//! follow each other, lie beside each other then, whatever the stride, and the padding is there as values.

use super::host::Real;
use super::window::Window;

/// What the outputs of a line are filled up to: whole vectors of any CPU.
pub(super) const LANES: usize = 16;

/// How a plane is cut: every row of the image into as many lines as the stride is wide.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lines {
    kernel: [usize; 2],
    stride: [usize; 2],
    dilation: [usize; 2],
    /// Pixels of padding above and left.
    before: [usize; 2],
    input: [usize; 2],
    output: [usize; 2],
    /// Values of a line.
    width: usize,
}

impl Lines {
    /// For a window that moves over planes of size `input` and gives planes of size `output`.
    pub(super) fn of(window: &Window, input: [usize; 2], output: [usize; 2]) -> Lines {
        let sliding = window.sliding;
        let [[top, _], [left, _]] = sliding.padding.sides();
        Lines::new(window.kernel, sliding.stride, sliding.dilation, [top, left], [input, output])
    }

    fn new(
        kernel: [usize; 2],
        stride: [usize; 2],
        dilation: [usize; 2],
        before: [usize; 2],
        [input, output]: [[usize; 2]; 2],
    ) -> Lines {
        let reach = dilation[1] * (kernel[1] - 1);
        let width = output[1].next_multiple_of(LANES) + reach / stride[1];
        Lines { kernel, stride, dilation, before, input, output, width }
    }

    /// For the window, turned by half, that goes over gradients of the output of `window` to those of its input. Only
    /// for one that moves by single pixels, with no more padding than it reaches over.
    pub(super) fn turned(window: &Window, input: [usize; 2], output: [usize; 2]) -> Option<Lines> {
        let sliding = window.sliding;
        let [[top, _], [left, _]] = sliding.padding.sides();
        let reach = |axis: usize| sliding.dilation[axis] * (window.kernel[axis] - 1);
        let before = [reach(0).checked_sub(top)?, reach(1).checked_sub(left)?];
        let lines = Lines::new(window.kernel, [1, 1], sliding.dilation, before, [output, input]);
        (sliding.stride == [1, 1]).then_some(lines)
    }

    /// Outputs of a row.
    pub(super) fn output_width(&self) -> usize {
        self.output[1]
    }

    /// Values of all lines of a plane.
    pub(super) fn len(&self) -> usize {
        self.input[0] * self.stride[1] * self.width
    }

    /// The row of the image that row `tap` of the window falls on for one row of outputs, if it is none of padding.
    #[inline(always)]
    pub(super) fn row(&self, row: usize, tap: usize) -> Option<usize> {
        let y = (row * self.stride[0] + tap * self.dilation[0]).checked_sub(self.before[0])?;
        if y < self.input[0] { Some(y) } else { None }
    }

    /// The rows of the window that fall on the image for one row of outputs: each with the row of the image.
    #[inline(always)]
    pub(super) fn rows(&self, row: usize) -> impl Iterator<Item = (usize, usize)> + use<> {
        let lines = *self;
        (0..lines.kernel[0]).filter_map(move |tap| Some((tap, lines.row(row, tap)?)))
    }

    /// Where the pixels begin that column `tap` of the window falls on in row `y` of the image.
    #[inline(always)]
    pub(super) fn start(&self, y: usize, tap: usize) -> usize {
        let offset = tap * self.dilation[1];
        (y * self.stride[1] + offset % self.stride[1]) * self.width + offset / self.stride[1]
    }

    /// The column of the image that column `tap` of the window falls on for the first output of a row, which on padding
    /// wraps around 0.
    #[inline(always)]
    pub(super) fn column(&self, tap: usize) -> usize {
        (tap * self.dilation[1]).wrapping_sub(self.before[1])
    }

    /// The places of a line that hold pixels, and the column of the first of these, for the pixels `phase` after the
    /// first of a stride.
    #[inline(always)]
    fn inside(&self, phase: usize) -> (usize, usize, usize) {
        let stride = self.stride[1];
        let first = self.before[1].saturating_sub(phase).div_ceil(stride).min(self.width);
        let end = (self.before[1] + self.input[1]).saturating_sub(phase).div_ceil(stride).min(self.width);
        (first, end.max(first), (first * stride + phase).saturating_sub(self.before[1]))
    }

    /// Cuts the plane `x` into `lines`, with `outside` around it.
    #[inline(always)]
    pub(super) fn enter<T: Real>(&self, x: &[T], outside: T, lines: &mut [T]) {
        let (width, stride) = (self.width, self.stride[1]);
        for (y, lines) in lines.chunks_exact_mut(stride * width).enumerate() {
            let row = &x[y * self.input[1]..][..self.input[1]];
            for (phase, line) in lines.chunks_exact_mut(width).enumerate() {
                let (first, end, column) = self.inside(phase);
                line[..first].fill(outside);
                line[end..].fill(outside);
                let line = &mut line[first..end];
                if line.is_empty() {
                    continue;
                }
                let row = &row[column..];
                match stride {
                    1 => line.copy_from_slice(&row[..line.len()]),
                    2 => {
                        let (pairs, rest) = row.as_chunks::<2>();
                        for (value, pair) in line.iter_mut().zip(pairs) {
                            *value = pair[0];
                        }
                        if let (Some(value), [pixel]) = (line.get_mut(pairs.len()), rest) {
                            *value = *pixel;
                        }
                    }
                    _ => line.iter_mut().zip(row.iter().step_by(stride)).for_each(|(to, &from)| *to = from),
                }
            }
        }
    }

    /// Puts the pixels of `lines` back into the plane `x`.
    #[inline(always)]
    pub(super) fn leave<T: Real>(&self, lines: &[T], x: &mut [T]) {
        let (width, stride) = (self.width, self.stride[1]);
        for (y, lines) in lines.chunks_exact(stride * width).enumerate() {
            let row = &mut x[y * self.input[1]..][..self.input[1]];
            for (phase, line) in lines.chunks_exact(width).enumerate() {
                let (first, end, column) = self.inside(phase);
                if first < end {
                    let pixels = row[column..].iter_mut().step_by(stride);
                    pixels.zip(&line[first..end]).for_each(|(to, &from)| *to = from);
                }
            }
        }
    }
}
