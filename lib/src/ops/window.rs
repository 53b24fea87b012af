use super::operands::{shape_error, shape_text};
use crate::{Error, Result};

/// How a window moves over an image: pixels, height first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sliding {
    /// Pixels from one window to the next.
    pub stride: [usize; 2],
    /// Pixels added on both sides: zeros for a convolution, nothing that could win for a maximum.
    pub padding: [usize; 2],
    /// Pixels from one element of the window to the next; 1 is a window without gaps.
    pub dilation: [usize; 2],
}

impl Default for Sliding {
    /// Every pixel in turn, no padding, no gaps.
    fn default() -> Sliding {
        Sliding { stride: [1, 1], padding: [0, 0], dilation: [1, 1] }
    }
}

/// What becomes of pixels at the far edge that do not fill a whole window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rounding {
    /// They are left out.
    #[default]
    Floor,
    /// They make one more, smaller window, if it starts inside the image or the padding before it.
    Ceil,
}

/// A sliding window and its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) kernel: [usize; 2],
    pub(crate) sliding: Sliding,
    pub(crate) rounding: Rounding,
}

impl Window {
    /// Refuses sizes that no image fits.
    pub(crate) fn check(&self, op: &str) -> Result<()> {
        let Sliding { stride, dilation, .. } = self.sliding;
        for (name, sizes) in [("kernel", self.kernel), ("stride", stride), ("dilation", dilation)] {
            if sizes.contains(&0) {
                return Err(Error::Argument {
                    op: op.into(),
                    expected: format!("a {name} of at least 1"),
                    got: shape_text(&sizes),
                    hint: String::new(),
                });
            }
        }
        Ok(())
    }

    /// The size of the output for images of size `input`.
    pub(crate) fn output_size(&self, op: &str, input: [usize; 2]) -> Result<[usize; 2]> {
        self.check(op)?;
        let sides = [self.output_side(input, 0), self.output_side(input, 1)];
        if let [Some(height), Some(width)] = sides {
            return Ok([height, width]);
        }
        let expected =
            format!("images of at least the window, {}, padding included", shape_text(&self.extent()));
        let hint = format!(
            "The padding is {}; pad more, take a smaller kernel or a larger image.",
            shape_text(&self.sliding.padding)
        );
        Err(shape_error(op, expected, &input, &hint))
    }

    /// The pixels from a window's first element to its last, both included.
    fn extent(&self) -> [usize; 2] {
        let side =
            |axis: usize| self.sliding.dilation[axis].saturating_mul(self.kernel[axis] - 1).saturating_add(1);
        [side(0), side(1)]
    }

    fn output_side(&self, input: [usize; 2], axis: usize) -> Option<usize> {
        let Sliding { stride, padding, .. } = self.sliding;
        let (input, stride, padding) = (input[axis], stride[axis], padding[axis]);
        let padded = input.checked_add(padding.checked_mul(2)?)?;
        let room = padded.checked_sub(self.extent()[axis])?;
        match self.rounding {
            Rounding::Floor => Some(room / stride + 1),
            Rounding::Ceil => {
                let last = room.div_ceil(stride);
                let starts_inside = last.checked_mul(stride)? < input + padding;
                Some(if starts_inside { last + 1 } else { last })
            }
        }
    }

    /// The outputs of one row whose window element `tap` falls on a pixel of the image, not on padding.
    pub(super) fn inside(
        &self,
        axis: usize,
        tap: usize,
        input: usize,
        output: usize,
    ) -> std::ops::Range<usize> {
        let Sliding { stride, padding, dilation } = self.sliding;
        let (stride, offset, padding) = (stride[axis], tap * dilation[axis], padding[axis]);
        let start = padding.saturating_sub(offset).div_ceil(stride).min(output);
        let end = (input + padding).saturating_sub(offset).div_ceil(stride).min(output);
        start..end.max(start)
    }

    /// The pixel under window element `tap` of output `position`, which must lie inside.
    pub(super) fn pixel(&self, axis: usize, tap: usize, position: usize) -> usize {
        let Sliding { stride, padding, dilation } = self.sliding;
        position * stride[axis] + tap * dilation[axis] - padding[axis]
    }
}
