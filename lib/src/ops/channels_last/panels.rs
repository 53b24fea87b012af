//! Weights as the products take them: panels of outputs, each (depth, panel).

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::ops::buffer::{Buffer, Pool};
use crate::ops::micro::panel;
use crate::ops::simd::dispatch;

/// Channels of a row that are taken over at a time.
const CHANNELS: usize = 16;

/// A matrix (depth, width) in panels of columns, zeros after the last.
#[derive(Debug)]
pub(super) struct Panels {
    pub(super) values: Buffer,
    pub(super) depth: usize,
    pub(super) width: usize,
}

/// Which matrix of a weight (O, C, KH, KW) is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    /// (KH·KW·C, O): of the convolution.
    Forward,
    /// (KH·KW·O, C), the window turned by half: of the convolution that is the gradient of its input.
    Turned,
    /// (O, KH·KW·C): what the gradient of the output is multiplied with to get that of what lay under the window.
    Spread,
}

impl Panels {
    /// Of the convolution with `weight` (O, C, KH·KW).
    pub(super) fn forward(pool: &Pool, weight: &[f32], sizes: [usize; 3]) -> Panels {
        dispatch(Pack { pool, weight, sizes, side: Side::Forward })
    }

    /// Of the convolution that gives the gradient of the input, where the stride is 1.
    pub(super) fn turned(pool: &Pool, weight: &[f32], sizes: [usize; 3]) -> Panels {
        dispatch(Pack { pool, weight, sizes, side: Side::Turned })
    }

    /// Of the products that give the gradient of what lay under the windows.
    pub(super) fn spread(pool: &Pool, weight: &[f32], sizes: [usize; 3]) -> Panels {
        dispatch(Pack { pool, weight, sizes, side: Side::Spread })
    }
}

struct Pack<'a> {
    pool: &'a Pool,
    weight: &'a [f32],
    /// O, C and KH·KW.
    sizes: [usize; 3],
    side: Side,
}

impl WithSimd for Pack<'_> {
    type Output = Panels;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Panels {
        let Pack { pool, weight, sizes: [outputs, channels, taps], side } = self;
        let (depth, width) = match side {
            Side::Forward => (taps * channels, outputs),
            Side::Turned => (taps * outputs, channels),
            Side::Spread => (outputs, taps * channels),
        };
        let width_of_panel = panel::<S>(width);
        let mut values = pool.take(depth * width.next_multiple_of(width_of_panel));
        let panels = values.par_chunks_mut((depth * width_of_panel).max(1)).enumerate();
        panels.for_each(|(index, panel)| {
            let first = index * width_of_panel;
            let columns = first..(first + width_of_panel).min(width);
            if columns.len() < width_of_panel {
                panel.fill(0.0);
            }
            // The loops write panels line by line.
            match side {
                Side::Forward => {
                    // A block of every row first: the rows lie far apart, in few places of the cache.
                    let mut block = vec![0.0; columns.len() * (CHANNELS * taps + 1)];
                    for start in (0..channels).step_by(CHANNELS) {
                        let count = CHANNELS.min(channels - start);
                        let stride = count * taps + 1;
                        for (row, out) in block.chunks_mut(stride).zip(columns.clone()) {
                            let from = &weight[(out * channels + start) * taps..][..count * taps];
                            row[..count * taps].copy_from_slice(from);
                        }
                        for channel in 0..count {
                            for tap in 0..taps {
                                let line = &mut panel[(tap * channels + start + channel) * width_of_panel..];
                                let values = block[channel * taps + tap..].iter().step_by(stride);
                                let line = line[..columns.len()].iter_mut();
                                line.zip(values).for_each(|(to, from)| *to = *from);
                            }
                        }
                    }
                }
                Side::Turned => {
                    for out in 0..outputs {
                        let row = &weight[(out * channels + columns.start) * taps..][..columns.len() * taps];
                        for tap in 0..taps {
                            let line = &mut panel[((taps - 1 - tap) * outputs + out) * width_of_panel..];
                            let values = row[tap..].iter().step_by(taps);
                            line.iter_mut().zip(values).for_each(|(to, from)| *to = *from);
                        }
                    }
                }
                Side::Spread => {
                    for out in 0..outputs {
                        let row = &weight[out * channels * taps..][..channels * taps];
                        let line = &mut panel[out * width_of_panel..];
                        for (value, column) in line.iter_mut().zip(columns.clone()) {
                            *value = row[column % channels * taps + column / channels];
                        }
                    }
                }
            }
        });
        Panels { values, depth, width }
    }
}
