//! Brings the steps under windows together, a row for each output pixel, as wide as they are multiplied.

use std::ops::Range;

use super::dot::Operand;
use crate::ops::columns::Convolution;

/// Where a convolution's rows come from.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) sizes: &'a Convolution,
    /// (B, H, W, C).
    pub(super) x: &'a [u8],
    /// The step that stands for 0, which is what padding holds.
    pub(super) zero_point: u8,
}

impl Rows<'_> {
    /// The rows of output `pixels`, numbered through the batch, in one group of channels; each `stride` values after the
    /// one before: taps of the window, row-major, and in each the channels. What lies between a row and the next is left
    /// as it is.
    #[inline(always)]
    pub(super) fn gather<X: Operand>(
        &self,
        pixels: Range<usize>,
        group: usize,
        stride: usize,
        rows: &mut [X],
    ) {
        let sizes = self.sizes;
        let [height, width] = sizes.input;
        let [kernel_height, kernel_width] = sizes.window.kernel;
        let sliding = sizes.window.sliding;
        let channels = sizes.in_channels / sizes.groups;
        let zero = X::from_i16(i16::from(self.zero_point));
        // Whole rows of a window lie together where nothing is between its pixels.
        let together = sizes.groups == 1 && sliding.dilation[1] == 1;
        let [output_height, output_width] = sizes.output;
        for (row, pixel) in pixels.enumerate() {
            let (image, line, column) = (
                pixel / (output_height * output_width),
                pixel / output_width % output_height,
                pixel % output_width,
            );
            let row = &mut rows[row * stride..][..sizes.depth()];
            let left = column * sliding.stride[1];
            for tap_row in 0..kernel_height {
                let to = &mut row[tap_row * kernel_width * channels..][..kernel_width * channels];
                let y = line * sliding.stride[0] + tap_row * sliding.dilation[0];
                if y < sliding.padding.top || y - sliding.padding.top >= height {
                    fill(to, zero);
                    continue;
                }
                let start = (image * height + y - sliding.padding.top) * width;
                if together {
                    let first = sliding.padding.left.saturating_sub(left).min(kernel_width);
                    let last =
                        (width + sliding.padding.left).saturating_sub(left).min(kernel_width).max(first);
                    let (before, to) = to.split_at_mut(first * channels);
                    let (inside, after) = to.split_at_mut((last - first) * channels);
                    fill(before, zero);
                    fill(after, zero);
                    if !inside.is_empty() {
                        let from = (start + left + first - sliding.padding.left) * channels;
                        widen(inside, &self.x[from..]);
                    }
                    continue;
                }
                for tap in 0..kernel_width {
                    let to = &mut to[tap * channels..][..channels];
                    let x = left + tap * sliding.dilation[1];
                    if x < sliding.padding.left || x - sliding.padding.left >= width {
                        fill(to, zero);
                        continue;
                    }
                    let from = (start + x - sliding.padding.left) * sizes.in_channels + group * channels;
                    widen(to, &self.x[from..]);
                }
            }
        }
    }
}

#[inline(always)]
fn fill<X: Operand>(to: &mut [X], value: X) {
    for to in to {
        *to = value;
    }
}

/// `to` from as many steps, without a loop over single ones where there are eight.
#[inline(always)]
fn widen<X: Operand>(to: &mut [X], from: &[u8]) {
    let len = to.len();
    let from = &from[..len];
    macro_rules! by {
        ($($size:literal)*) => {$(
            if len >= $size {
                let mut at = 0;
                while at + $size <= len {
                    widen_some::<X, $size>(&mut to[at..at + $size], &from[at..at + $size]);
                    at += $size;
                }
                // The rest together with some of what was there already.
                widen_some::<X, $size>(&mut to[len - $size..], &from[len - $size..]);
                return;
            }
        )*};
    }
    by!(16 8);
    for place in 0..len {
        to[place] = X::from_i16(i16::from(from[place]));
    }
}

#[inline(always)]
fn widen_some<X: Operand, const SIZE: usize>(to: &mut [X], from: &[u8]) {
    if let (Some(to), Some(from)) = (to.first_chunk_mut::<SIZE>(), from.first_chunk::<SIZE>()) {
        for place in 0..SIZE {
            to[place] = X::from_i16(i16::from(from[place]));
        }
    }
}
