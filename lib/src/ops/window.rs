use serde::{Deserialize, Serialize};

use super::operands::{shape_error, shape_text};
use crate::{Error, Result};

/// How a window moves over an image: pixels, height first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sliding {
    /// Pixels from one window to the next.
    pub stride: [usize; 2],
    /// Pixels added around the image: zeros for a convolution, nothing that could win for a maximum.
    pub padding: Padding,
    /// Pixels from one element of the window to the next; 1 is a window without gaps.
    pub dilation: [usize; 2],
}

impl Default for Sliding {
    /// Every pixel in turn, no padding, no gaps.
    fn default() -> Sliding {
        Sliding { stride: [1, 1], padding: Padding::default(), dilation: [1, 1] }
    }
}

/// Pixels added on each side of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Padding {
    /// Above the first row.
    pub top: usize,
    /// Below the last row.
    pub bottom: usize,
    /// Left of the first column.
    pub left: usize,
    /// Right of the last column.
    pub right: usize,
}

impl From<usize> for Padding {
    /// The same on all sides.
    fn from(pixels: usize) -> Padding {
        Padding::from([pixels; 2])
    }
}

impl From<[usize; 2]> for Padding {
    /// So many above and below, and so many left and right.
    fn from([height, width]: [usize; 2]) -> Padding {
        Padding { top: height, bottom: height, left: width, right: width }
    }
}

impl Padding {
    /// Of both axes, height first: the pixels before the first one and after the last.
    pub(crate) fn sides(self) -> [[usize; 2]; 2] {
        [[self.top, self.bottom], [self.left, self.right]]
    }
}

impl std::fmt::Display for Padding {
    /// `1`, `(1, 2)` for height and width, or `(top 0, bottom 1, left 0, right 1)`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            Padding { top, bottom, left, right } if top == bottom && left == right => match top == left {
                true => write!(f, "{top}"),
                false => write!(f, "({top}, {left})"),
            },
            Padding { top, bottom, left, right } => {
                write!(f, "(top {top}, bottom {bottom}, left {left}, right {right})")
            }
        }
    }
}

/// What becomes of pixels at the far edge that do not fill a whole window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
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

    /// Refuses a padding that a window could lie on alone.
    pub(super) fn check_padding(&self, op: &str) -> Result<()> {
        let (kernel, padding) = (self.kernel, self.sliding.padding);
        let fits = |axis: usize| padding.sides()[axis].iter().all(|&pixels| pixels <= kernel[axis] / 2);
        if fits(0) && fits(1) {
            return Ok(());
        }
        Err(Error::Argument {
            op: op.into(),
            expected: format!("a padding of at most half the kernel {}", shape_text(&kernel)),
            got: padding.to_string(),
            hint: "A window must not lie on padding alone.".into(),
        })
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
            self.sliding.padding
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
        let (input, stride, [before, after]) = (input[axis], stride[axis], padding.sides()[axis]);
        let padded = input.checked_add(before)?.checked_add(after)?;
        let room = padded.checked_sub(self.extent()[axis])?;
        match self.rounding {
            Rounding::Floor => Some(room / stride + 1),
            Rounding::Ceil => {
                let last = room.div_ceil(stride);
                let starts_inside = last.checked_mul(stride)? < input + before;
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
        let (stride, offset, [padding, _]) = (stride[axis], tap * dilation[axis], padding.sides()[axis]);
        let start = padding.saturating_sub(offset).div_ceil(stride).min(output);
        let end = (input + padding).saturating_sub(offset).div_ceil(stride).min(output);
        start..end.max(start)
    }

    /// The pixel under window element `tap` of output `position`, which must lie inside.
    pub(super) fn pixel(&self, axis: usize, tap: usize, position: usize) -> usize {
        let Sliding { stride, padding, dilation } = self.sliding;
        position * stride[axis] + tap * dilation[axis] - padding.sides()[axis][0]
    }
}
