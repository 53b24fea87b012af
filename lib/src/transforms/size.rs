//! How large an image shall be.

use super::refused::refused;
use crate::Result;

/// The most pixels that a transform makes: more is a slip in the numbers rather than an image.
const MOST_PIXELS: usize = 1 << 30;

/// Height and width in pixels: `[height, width]`, or one number for a square.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl From<usize> for Size {
    fn from(side: usize) -> Size {
        Size { height: side, width: side }
    }
}

impl From<[usize; 2]> for Size {
    fn from([height, width]: [usize; 2]) -> Size {
        Size { height, width }
    }
}

impl Size {
    /// `[height, width]`, if it is the size of an image.
    pub(super) fn checked(self, op: &str) -> Result<[usize; 2]> {
        checked_size(op, [self.height, self.width])
    }
}

/// The size, if it is one of an image.
pub(super) fn checked_size(op: &str, size: [usize; 2]) -> Result<[usize; 2]> {
    let [height, width] = size;
    if height.checked_mul(width).is_some_and(|area| area > 0 && area <= MOST_PIXELS) {
        return Ok(size);
    }
    Err(refused(
        op,
        "a height and a width of at least 1, of 2^30 pixels at most",
        format!("{height} x {width}"),
        "The size is [height, width].",
    ))
}
