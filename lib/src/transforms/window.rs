//! An image seen through a window: what crops and pads have in common.

use std::ops::Range;

use super::fill::Fill;
use super::motion::Motion;
use super::value::{Value, on_pixels};
use crate::Result;
use crate::data::{ClassMap, Image};

/// What stands outside the edges of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PadMode {
    /// One colour.
    #[default]
    Constant,
    /// The pixel at the edge, again and again: `aa|abcd|dd`.
    Edge,
    /// The image mirrored at its edge pixel: `cb|abcd|cb`.
    Reflect,
    /// The image mirrored at its edge: `ba|abcd|dc`.
    Symmetric,
}

impl PadMode {
    /// Where the pixel at `at` comes from along a side of `length` pixels; `None` is the fill.
    pub(super) fn source(self, at: isize, length: usize) -> Option<usize> {
        let last = length as isize - 1;
        if (0..=last).contains(&at) {
            return Some(at as usize);
        }
        match self {
            PadMode::Constant => None,
            PadMode::Edge => Some(at.clamp(0, last) as usize),
            PadMode::Reflect if last == 0 => Some(0),
            PadMode::Reflect => {
                let folded = at.rem_euclid(2 * last);
                Some(folded.min(2 * last - folded) as usize)
            }
            PadMode::Symmetric => {
                let folded = at.rem_euclid(2 * length as isize);
                Some(folded.min(2 * length as isize - 1 - folded) as usize)
            }
        }
    }
}

/// A window onto an image, which may reach over its edges.
pub(super) struct Window<'a> {
    pub(super) op: &'static str,
    /// `[height, width]` of the image.
    pub(super) from: [usize; 2],
    /// Row and column of the window's left upper corner, negative above and left of the image.
    pub(super) corner: [isize; 2],
    /// `[height, width]` of the window.
    pub(super) size: [usize; 2],
    pub(super) mode: PadMode,
    pub(super) fill: &'a Fill,
}

impl Window<'_> {
    /// The pixels in the window, of `fill.len()` numbers each.
    fn cut<T: Copy>(&self, values: &[T], mode: PadMode, fill: &[T]) -> Vec<T> {
        let ([from_height, from_width], [height, width]) = (self.from, self.size);
        let channels = fill.len();
        let blank: Vec<T> = fill.iter().copied().cycle().take(width * channels).collect();
        let within = self.columns_within();
        let mut cut = Vec::with_capacity(height * width * channels);
        for row in 0..height {
            let Some(source) = mode.source(self.corner[0] + row as isize, from_height) else {
                cut.extend_from_slice(&blank);
                continue;
            };
            let line = &values[source * from_width * channels..][..from_width * channels];
            let edge = |columns: Range<usize>, cut: &mut Vec<T>| {
                for column in columns {
                    match mode.source(self.corner[1] + column as isize, from_width) {
                        Some(column) => cut.extend_from_slice(&line[column * channels..][..channels]),
                        None => cut.extend_from_slice(fill),
                    }
                }
            };
            edge(0..within.start, &mut cut);
            if !within.is_empty() {
                let first = (self.corner[1] + within.start as isize) as usize;
                cut.extend_from_slice(&line[first * channels..][..within.len() * channels]);
            }
            edge(within.end..width, &mut cut);
        }
        cut
    }

    /// The window's columns that lie on the image.
    fn columns_within(&self) -> Range<usize> {
        let width = self.size[1] as isize;
        let start = (-self.corner[1]).clamp(0, width);
        let end = (self.from[1] as isize - self.corner[1]).clamp(start, width);
        start as usize..end as usize
    }

    fn pixels<T: Value>(&self, values: &[T], channels: usize) -> Result<Vec<T>> {
        Ok(self.cut(values, self.mode, &self.fill.pixel(self.op, channels)?))
    }
}

impl Motion for Window<'_> {
    fn op(&self) -> &'static str {
        self.op
    }

    fn size(&self) -> [usize; 2] {
        self.size
    }

    fn image(&self, image: Image) -> Result<Image> {
        if self.corner == [0, 0] && self.size == self.from {
            return Ok(image);
        }
        let channels = image.channels();
        let shape = [self.size[0], self.size[1], channels];
        on_pixels!(image, shape, |values| self.pixels(values, channels)?)
    }

    /// A mirrored copy of an object is not the object.
    fn mask(&self, pixels: &[u8]) -> Vec<u8> {
        self.cut(pixels, PadMode::Constant, &[0])
    }

    fn classes(&self, classes: &[u16]) -> Vec<u16> {
        self.cut(classes, self.mode, &[ClassMap::IGNORE])
    }

    fn point(&self, [x, y]: [f64; 2]) -> Option<[f64; 2]> {
        Some([x - self.corner[1] as f64, y - self.corner[0] as f64])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(mode: PadMode, corner: isize, length: usize, from: usize) -> Vec<Option<usize>> {
        (0..length as isize).map(|at| mode.source(corner + at, from)).collect()
    }

    #[test]
    fn modes_continue_a_line_as_numpy_does() {
        let some = |places: &[usize]| places.iter().map(|&place| Some(place)).collect::<Vec<_>>();
        assert_eq!(line(PadMode::Edge, -2, 7, 3), some(&[0, 0, 0, 1, 2, 2, 2]));
        assert_eq!(line(PadMode::Reflect, -5, 13, 3), some(&[1, 0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2, 1]));
        assert_eq!(line(PadMode::Symmetric, -4, 11, 3), some(&[2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0]));
        assert_eq!(line(PadMode::Constant, -1, 3, 1), [None, Some(0), None]);
        assert_eq!(line(PadMode::Reflect, -2, 5, 1), some(&[0; 5]));
    }

    #[test]
    fn a_window_beside_the_image_is_all_fill() {
        let fill = Fill::default();
        let window = |corner, size| Window {
            op: "test",
            from: [2, 2],
            corner,
            size,
            mode: PadMode::Constant,
            fill: &fill,
        };
        assert_eq!(window([0, 5], [1, 3]).cut(&[1, 2, 3, 4], PadMode::Constant, &[9]), [9; 3]);
        assert_eq!(window([-7, 0], [2, 2]).cut(&[1, 2, 3, 4], PadMode::Constant, &[9]), [9; 4]);
        assert_eq!(window([1, -1], [1, 4]).cut(&[1, 2, 3, 4], PadMode::Constant, &[9]), [9, 3, 4, 9]);
    }
}
