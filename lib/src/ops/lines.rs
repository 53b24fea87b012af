//! Planes of images cut by the stride of a window: the pixels that one element of the window falls on, for outputs that
//! follow each other, lie beside each other then, whatever the stride, and the padding is there as values.

use super::channels_last::copy;
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

    /// The size of a plane of outputs.
    pub(super) fn output_size(&self) -> [usize; 2] {
        self.output
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
        let (offset, stride) = (tap * self.dilation[1], self.stride[1]);
        // A division takes longer than all else that is done for an element of the window in a short row.
        let (phase, place) = match stride {
            1 => (0, offset),
            2 => (offset & 1, offset >> 1),
            _ => (offset % stride, offset / stride),
        };
        (y * stride + phase) * self.width + place
    }

    /// The rows of the window that fall on the image for one row of outputs: these follow each other.
    #[inline(always)]
    pub(super) fn tap_rows(&self, row: usize) -> std::ops::Range<usize> {
        let start = self.before[0].saturating_sub(row * self.stride[0]).div_ceil(self.dilation[0]);
        let end = (self.input[0] + self.before[0]).saturating_sub(row * self.stride[0]);
        let end = end.div_ceil(self.dilation[0]).min(self.kernel[0]);
        start.min(end)..end
    }

    /// The row of the image under the first row of the window, for `count` rows of outputs from `row` on, if each lies a
    /// row further than the one before, all their windows lie on the image, and these have no gaps between rows.
    #[inline(always)]
    pub(super) fn rows_inside(&self, row: usize, count: usize) -> Option<usize> {
        if self.stride[0] != 1 || self.dilation[0] != 1 || row + count > self.output[0] {
            return None;
        }
        let first = row.checked_sub(self.before[0])?;
        if first + count - 1 + self.kernel[0] <= self.input[0] { Some(first) } else { None }
    }

    /// How many rows of the image lie above the end of the window for one row of outputs.
    #[inline(always)]
    pub(super) fn rows_above(&self, row: usize) -> usize {
        let reach = self.dilation[0] * (self.kernel[0] - 1) + 1;
        (row * self.stride[0] + reach).saturating_sub(self.before[0]).min(self.input[0])
    }

    /// The row of outputs that has row `tap` of the window on row `y` of the image, where each lies a row further than
    /// the one before and windows have no gaps between rows.
    #[inline(always)]
    pub(super) fn output_row(&self, y: usize, tap: usize) -> Option<usize> {
        let row = (y + self.before[0]).checked_sub(tap)?;
        if row < self.output[0] { Some(row) } else { None }
    }

    /// Whether each row of outputs lies a row further than the one before, and windows have no gaps between rows.
    pub(super) fn follow(&self) -> bool {
        self.stride == [1, 1] && self.dilation[0] == 1
    }

    /// What [`offset`](Self::offset) is counted from for one row of outputs; it may wrap around 0.
    #[inline(always)]
    pub(super) fn base(&self, row: usize) -> usize {
        (row * self.stride[0]).wrapping_sub(self.before[0]).wrapping_mul(self.stride[1] * self.width)
    }

    /// Where the pixels begin that an element of the window falls on, from a row's [`base`](Self::base) on.
    pub(super) fn offset(&self, tap_row: usize, tap: usize) -> usize {
        self.start(tap_row * self.dilation[0], tap)
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
            for (phase, line) in lines.chunks_exact_mut(width).enumerate() {
                let (first, end, _) = self.inside(phase);
                line[..first].fill(outside);
                line[end..].fill(outside);
            }
            self.enter_row(&x[y * self.input[1]..][..self.input[1]], lines);
        }
    }

    /// Cuts some rows of the plane `x`; what is around them in `lines` stays as it is.
    #[inline(always)]
    pub(super) fn enter_rows<T: Real>(&self, x: &[T], rows: std::ops::Range<usize>, lines: &mut [T]) {
        let (len, row_len) = (self.stride[1] * self.width, self.input[1]);
        for y in rows {
            self.enter_row(&x[y * row_len..][..row_len], &mut lines[y * len..][..len]);
        }
    }

    #[inline(always)]
    fn enter_row<T: Real>(&self, row: &[T], lines: &mut [T]) {
        let (width, stride) = (self.width, self.stride[1]);
        for (phase, line) in lines.chunks_exact_mut(width).enumerate() {
            let (first, end, column) = self.inside(phase);
            let line = &mut line[first..end];
            if line.is_empty() {
                continue;
            }
            let row = &row[column..];
            match stride {
                1 => copy(line, &row[..line.len()]),
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
