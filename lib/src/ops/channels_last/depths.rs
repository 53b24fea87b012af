//! What lies under a window, in the order (KH, KW, C), cut into blocks that fit into a core's caches.

use std::ops::Range;

use crate::ops::columns::Convolution;

/// Values under a window that lie beside each other in an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    /// Row and column in the window of the first.
    pub(super) tap: [usize; 2],
    /// So many elements of one row of the window; if more than one, with all their channels.
    pub(super) taps: usize,
    /// The first channel.
    pub(super) channel: usize,
    /// Values of each element.
    pub(super) channels: usize,
}

impl Run {
    pub(super) fn len(&self) -> usize {
        self.taps * self.channels
    }
}

/// Some runs that follow each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    /// Where in the depth they lie.
    pub(super) depths: Range<usize>,
    pub(super) runs: Vec<Run>,
}

impl Block {
    /// The runs of a convolution's window between these depths.
    fn of(convolution: &Convolution, depths: Range<usize>) -> Block {
        let (channels, width) = (convolution.in_channels, convolution.window.kernel[1]);
        let joins = convolution.window.sliding.dilation[1] == 1;
        let mut runs: Vec<Run> = Vec::new();
        let mut depth = depths.start;
        while depth < depths.end {
            let (tap, channel) = (depth / channels, depth % channels);
            let len = (channels - channel).min(depths.end - depth);
            depth += len;
            let tap = [tap / width, tap % width];
            match runs.last_mut() {
                Some(last)
                    if joins && last.tap[0] == tap[0] && last.channels == channels && len == channels =>
                {
                    last.taps += 1;
                }
                _ => runs.push(Run { tap, taps: 1, channel, channels: len }),
            }
        }
        Block { depths, runs }
    }

    pub(super) fn len(&self) -> usize {
        self.depths.len()
    }

    /// Values from one gathered row to the next: no multiple of a page, where all rows would meet in few places of
    /// the cache.
    pub(super) fn stride(&self) -> usize {
        self.len().next_multiple_of(16) + 16
    }
}

/// The window cut into blocks of about one size, at most `limit` and a multiple of `step`.
pub(super) fn blocks(convolution: &Convolution, limit: usize, step: usize) -> Vec<Block> {
    let depth = convolution.depth();
    let count = depth.div_ceil(limit).max(1);
    let len = depth.div_ceil(count).next_multiple_of(step);
    let starts = (0..depth).step_by(len.max(1));
    starts.map(|start| Block::of(convolution, start..(start + len).min(depth))).collect()
}
