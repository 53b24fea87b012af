//! The gradient of a convolution's weight.

use std::ops::Range;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::depths::{Block, blocks};
use super::gather::{Places, copy, gather, lies_ready};
use super::scratch;
use crate::ops::buffer::Pool;
use crate::ops::columns::Convolution;
use crate::ops::gemm::Update;
use crate::ops::micro::{Left, Out, Right, Sizes, panel, product};
use crate::ops::simd::dispatch;

/// Pixels that are gathered at a time: the depth of the products.
const PIXELS: usize = 128;
/// Rows of the gradient that a thread takes at a time.
const ROWS: usize = 210;
/// Whole blocks of registers for any CPU.
const ROW_STEP: usize = 42;
/// Pieces of work that there should be, for as many threads.
const PIECES: usize = 16;
/// Outputs that are brought to their order at a time.
const OUTPUTS: usize = 16;

/// The gradient of the weight (O, C, KH, KW), where that of the output is `dy` (B, OH, OW, O), of `x` (B, H, W, C).
/// The order of the sums depends on sizes only, never on the threads there are.
pub(super) fn weight_gradient(convolution: &Convolution, pool: &Pool, x: &[f32], dy: &[f32], dw: &mut [f32]) {
    let (outputs, depth) = (convolution.out_channels, convolution.depth());
    let padded = padded(outputs);
    let blocks = blocks(convolution, (depth / 8).clamp(2 * ROW_STEP, ROWS), ROW_STEP);
    // A window of few values leaves threads without work, so that its pixels are shared out, too.
    let pixels = convolution.batch * convolution.positions();
    let shares = PIECES.div_ceil(blocks.len()).min(pixels.div_ceil(8 * PIXELS)).max(1);
    let share = pixels.div_ceil(shares).next_multiple_of(PIXELS);
    let mut sums = pool.take(shares * depth * padded);
    let mut pieces = Vec::with_capacity(shares * blocks.len());
    let mut rest = &mut sums[..];
    for first in (0..shares).map(|index| index * share) {
        for block in &blocks {
            let (sums, after) = rest.split_at_mut(block.len() * padded);
            pieces.push((first.min(pixels)..(first + share).min(pixels), block, sums));
            rest = after;
        }
    }
    pieces.into_par_iter().for_each(|(pixels, block, sums)| {
        let ragged = if outputs < padded { PIXELS * padded } else { 0 };
        scratch(PIXELS * block.stride() + ragged, |scratch| {
            let (rows, gathered) = scratch.split_at_mut(PIXELS * block.stride());
            dispatch(Piece { convolution, x, dy, pixels, block, rows, gathered, padded, sums });
        });
    });
    to_weight(&sums, dw, convolution, padded);
}

/// Adds sums (KH·KW·C, O), which follow each other and whose rows lie `padded` values apart, into (O, C, KH·KW).
pub(super) fn to_weight(sums: &[f32], dw: &mut [f32], convolution: &Convolution, padded: usize) {
    let (channels, depth) = (convolution.in_channels, convolution.depth());
    let taps = convolution.window.kernel[0] * convolution.window.kernel[1];
    dw.par_chunks_mut((OUTPUTS * depth).max(1)).enumerate().for_each(|(index, dw)| {
        let count = dw.len() / depth;
        for channel in 0..channels {
            for tap in 0..taps {
                let from = (tap * channels + channel) * padded + index * OUTPUTS;
                let mut values = [0.0; OUTPUTS];
                for sums in sums.chunks_exact(depth * padded) {
                    values.iter_mut().zip(&sums[from..from + count]).for_each(|(to, from)| *to += from);
                }
                let to = dw[channel * taps + tap..].iter_mut().step_by(depth);
                to.zip(values).for_each(|(to, value)| *to = value);
            }
        }
    });
}

/// So many outputs, filled up to whole panels.
pub(super) fn padded(outputs: usize) -> usize {
    dispatch(Padded(outputs))
}

struct Padded(usize);

impl WithSimd for Padded {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> usize {
        self.0.next_multiple_of(panel::<S>(self.0))
    }
}

/// Some rows of the gradient, over some pixels.
struct Piece<'a> {
    convolution: &'a Convolution,
    x: &'a [f32],
    dy: &'a [f32],
    pixels: Range<usize>,
    block: &'a Block,
    rows: &'a mut [f32],
    /// Room for gradients with channels that fill panels, if theirs do not.
    gathered: &'a mut [f32],
    padded: usize,
    sums: &'a mut [f32],
}

impl WithSimd for Piece<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Piece { convolution, x, dy, pixels, block, rows, gathered, padded, sums } = self;
        let (outputs, places) = (convolution.out_channels, Places::of(convolution));
        if pixels.is_empty() {
            sums.fill(0.0);
        }
        for first in pixels.clone().step_by(PIXELS) {
            let count = PIXELS.min(pixels.end - first);
            let ready = lies_ready(convolution);
            if !ready {
                gather(places, convolution.output, x, first..first + count, block, rows);
            }
            let mut dy = &dy[first * outputs..][..count * outputs];
            if outputs < padded {
                for (to, from) in gathered.chunks_exact_mut(padded).zip(dy.chunks_exact(outputs)) {
                    copy(&mut to[..outputs], from);
                    to[outputs..].fill(0.0);
                }
                dy = &*gathered;
            }
            let left = if ready {
                let channels = convolution.in_channels;
                Left { values: &x[first * channels + block.depths.start..], strides: [1, channels] }
            } else {
                Left { values: rows, strides: [1, block.stride()] }
            };
            let panel = panel::<S>(outputs);
            let right = Right { values: dy, strides: [padded, panel] };
            let sizes = Sizes { rows: block.len(), depth: count, panels: padded / panel, panel };
            let update = if first == pixels.start { Update::Replace } else { Update::Add };
            product(simd, sizes, left, right, Out { values: sums, stride: padded }, update);
        }
    }
}
