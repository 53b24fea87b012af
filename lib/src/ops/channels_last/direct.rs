//! Convolutions as products: the values under the windows of some output pixels are brought together, a row for each, and
//! multiplied with the weight.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::depths::{Block, blocks};
use super::finish::Finish;
use super::gather::{Places, add, copy, gather, lies_ready};
use super::panels::Panels;
use super::scratch;
use crate::ops::columns::Convolution;
use crate::ops::gemm::Update;
use crate::ops::micro::{Left, Out, Right, Sizes, panel, product};
use crate::ops::simd::dispatch;

/// Depths that are gathered at a time: for 200 pixels half a MiB.
const DEPTHS: usize = 640;
/// Pixels that a thread takes at a time, and what they are a multiple of: whole blocks of registers for any CPU.
const PIXELS: usize = 210;
const PIXEL_STEP: usize = 42;

/// Output pixels that are finished together. It depends on sizes only, never on the threads there are.
pub(super) fn step(pixels: usize) -> usize {
    (pixels / 8).clamp(PIXEL_STEP, PIXELS).next_multiple_of(PIXEL_STEP)
}

/// The convolution of `x` (B, H, W, C) with the panels of its weight into `y` (B, OH, OW, O).
pub(super) fn forward<F: Finish>(
    convolution: &Convolution,
    x: &[f32],
    weight: &Panels,
    y: &mut [f32],
    update: Update,
    finish: &F,
) {
    let outputs = convolution.out_channels;
    let step = step(convolution.all_positions());
    let blocks = blocks(convolution, DEPTHS, 16);
    let places = Places::of(convolution);
    let longest = blocks.iter().map(Block::stride).max().unwrap_or_default();
    y.par_chunks_mut((step * outputs).max(1)).enumerate().for_each(|(index, y)| {
        // Room for whole panels, where the outputs do not fill the last one.
        scratch(step * (longest + outputs.next_multiple_of(64)), |scratch| {
            let (rows, sums) = scratch.split_at_mut(step * longest);
            dispatch(Part {
                places,
                output: convolution.output,
                pointwise: lies_ready(convolution).then_some(convolution.in_channels),
                blocks: &blocks,
                x,
                weight,
                y,
                update,
                index,
                first: index * step,
                rows,
                sums,
                finish,
            });
        });
    });
}

/// Some output pixels.
struct Part<'a, F> {
    places: Places,
    output: [usize; 2],
    /// The channels of a pixel, if nothing has to be gathered.
    pointwise: Option<usize>,
    blocks: &'a [Block],
    x: &'a [f32],
    weight: &'a Panels,
    y: &'a mut [f32],
    update: Update,
    index: usize,
    first: usize,
    rows: &'a mut [f32],
    sums: &'a mut [f32],
    finish: &'a F,
}

impl<F: Finish> WithSimd for Part<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Part {
            places,
            output,
            pointwise,
            blocks,
            x,
            weight,
            y,
            update,
            index,
            first,
            rows,
            sums,
            finish,
        } = self;
        let (outputs, width) = (weight.width, panel::<S>(weight.width));
        let pixels = y.len() / outputs;
        let panels = outputs.div_ceil(width);
        let whole = outputs % width == 0;
        for (number, block) in blocks.iter().enumerate() {
            let left = match pointwise {
                Some(channels) => {
                    Left { values: &x[first * channels + block.depths.start..], strides: [channels, 1] }
                }
                None => {
                    gather(places, output, x, first..first + pixels, block, rows);
                    Left { values: rows, strides: [block.stride(), 1] }
                }
            };
            let right = Right {
                values: &weight.values[block.depths.start * width..],
                strides: [width, weight.depth * width],
            };
            let sizes = Sizes { rows: pixels, depth: block.len(), panels, panel: width };
            if whole {
                let update = if number == 0 { update } else { Update::Add };
                product(simd, sizes, left, right, Out { values: y, stride: outputs }, update);
            } else {
                let update = if number == 0 { Update::Replace } else { Update::Add };
                let out = Out { values: sums, stride: panels * width };
                product(simd, sizes, left, right, out, update);
            }
        }
        if !whole {
            for (y, sums) in y.chunks_exact_mut(outputs).zip(sums.chunks_exact(panels * width)) {
                match update {
                    Update::Replace => copy(y, &sums[..outputs]),
                    Update::Add => add(simd, y, &sums[..outputs]),
                }
            }
        }
        finish.finish(simd, y, index, first * outputs);
    }
}
