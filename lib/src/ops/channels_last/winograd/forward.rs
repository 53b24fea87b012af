use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::space::Space;
use super::transform::{both, input, load, load_tile, output, store, store_tile};
use super::weights::spread;
use super::{OUTPUTS, PIXELS, PLACES, UNIT_TILES, Winograd};
use crate::ops::buffer::Pool;
use crate::ops::channels_last::finish::Finish;
use crate::ops::channels_last::panels::Panels;
use crate::ops::channels_last::scratch;
use crate::ops::gemm::Update;
use crate::ops::micro::{Left, Out, Right, Sizes, block_rows, panel, product};
use crate::ops::simd::dispatch;

/// Values of a block of tiles in both spaces: they stay in a core's second cache.
const BLOCK_VALUES: usize = 300_000;

/// The convolution of `x` (B, H, W, C) with the panels of its window into `y` (B, OH, OW, O).
pub(in crate::ops::channels_last) fn forward<F: Finish>(
    winograd: &Winograd,
    pool: &Pool,
    x: &[f32],
    panels: &Panels,
    y: &mut [f32],
    update: Update,
    finish: &F,
) {
    dispatch(Run { winograd, weights: &spread(pool, panels), x, y, update, finish });
}

struct Run<'a, F> {
    winograd: &'a Winograd,
    weights: &'a [f32],
    x: &'a [f32],
    y: &'a mut [f32],
    update: Update,
    finish: &'a F,
}

impl<F: Finish> WithSimd for Run<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Run { winograd, weights, x, y, update, finish } = self;
        let [inputs, outputs] = winograd.channels;
        let width = outputs.next_multiple_of(panel::<S>(outputs));
        let (from, mut to) = (winograd.input_space::<S>(), winograd.output_space(outputs));
        let direct = to.is_image() && outputs == width;
        if !direct {
            to = winograd.output_space(width);
        }
        let images = winograd.unit_images(UNIT_TILES);
        let (x_len, y_len) = (images * from.image_len(), images * to.image_len());
        let block = block_tiles::<S>(from.depth() + width).min(images * winograd.tiles());
        let lens =
            [images * from.len(), PLACES * block * from.depth(), PLACES * block * width, images * to.len()];
        let lens = if direct { [lens[0], lens[1], lens[2], 0] } else { lens };
        let units = y.par_chunks_mut(y_len).zip(x.par_chunks(x_len)).enumerate();
        units.for_each(|(index, (y, x))| {
            scratch(lens.iter().sum(), |scratch| {
                let (pixels, scratch) = scratch.split_at_mut(lens[0]);
                let (spread, scratch) = scratch.split_at_mut(lens[1]);
                let (products, results) = scratch.split_at_mut(lens[2]);
                let unit =
                    Unit { inputs, width, from, to, weights, block, pixels, spread, products, results };
                let tiles = x.len() / from.image_len() * winograd.tiles();
                let first = index * y_len;
                dispatch(UnitRun { unit, tiles, x, y, update, finish, index, first });
            });
        });
    }
}

/// Tiles whose values, `channels` for each place, stay in the cache.
fn block_tiles<S: Simd>(channels: usize) -> usize {
    let rows = block_rows::<S>();
    (BLOCK_VALUES / (PLACES * channels) / rows).clamp(2, 8) * rows
}

/// What one thread works in.
struct Unit<'a> {
    inputs: usize,
    width: usize,
    from: Space,
    to: Space,
    weights: &'a [f32],
    /// Tiles at a time.
    block: usize,
    pixels: &'a mut [f32],
    spread: &'a mut [f32],
    products: &'a mut [f32],
    /// Nothing, if the outputs can be written where they belong.
    results: &'a mut [f32],
}

/// Some images of one thread.
struct UnitRun<'a, F> {
    unit: Unit<'a>,
    tiles: usize,
    x: &'a [f32],
    y: &'a mut [f32],
    update: Update,
    finish: &'a F,
    index: usize,
    first: usize,
}

impl<F: Finish> WithSimd for UnitRun<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let UnitRun { unit, tiles, x, y, update, finish, index, first: first_value } = self;
        let Unit { inputs, width, from, to, weights, block, pixels, spread, products, results } = unit;
        let depth = from.depth();
        let images = x.len() / from.image_len();
        from.enter(x, &mut pixels[..images * from.len()]);
        let direct = results.is_empty();
        let (len, panel) = (inputs * width, panel::<S>(width));
        for first in (0..tiles).step_by(block) {
            let count = block.min(tiles - first);
            for tile in 0..count {
                let (to, place) = (&mut spread[tile * depth..], block * depth);
                spread_pixels(simd, &pixels[from.tile(first + tile)..], from.strides(), to, place, depth);
            }
            for place in 0..PLACES {
                let left = Left { values: &spread[place * block * depth..], strides: [depth, 1] };
                let weights = &weights[place * len..][..len];
                let right = Right { values: weights, strides: [panel, inputs * panel] };
                let out =
                    Out { values: &mut products[place * block * width..][..block * width], stride: width };
                let sizes = Sizes { rows: count, depth: inputs, panels: width / panel, panel };
                product(simd, sizes, left, right, out, Update::Replace);
            }
            for tile in 0..count {
                let start = to.tile(first + tile);
                let (from, place) = (&products[tile * width..], block * width);
                if direct {
                    gather_outputs(simd, from, place, &mut y[start..], to.strides(), width, update);
                } else {
                    let out = &mut results[start..];
                    gather_outputs(simd, from, place, out, to.strides(), width, Update::Replace);
                }
            }
        }
        if !direct {
            to.leave(simd, &results[..images * to.len()], y, update);
        }
        finish.finish(simd, y, index, first_value);
    }
}

/// One tile of pixels, `strides` values apart, to its 36 places, `place` values apart, for all channels.
#[inline(always)]
pub(super) fn spread_pixels<S: Simd>(
    simd: S,
    pixels: &[f32],
    strides: [usize; 2],
    out: &mut [f32],
    place: usize,
    channels: usize,
) {
    let zero = simd.splat_f32s(0.0);
    for channel in (0..channels).step_by(S::F32_LANES) {
        let tile = load_tile::<S, PIXELS>(simd, pixels, channel, strides);
        let values = both!(tile, 6 to 6, zero, |line| input(simd, line));
        store_tile::<S, PIXELS>(out, channel, [PIXELS * place, place], values);
    }
}

/// The 36 products of one tile to its outputs.
#[allow(
    clippy::needless_range_loop,
    reason = "an iterator is not made of the vector instructions of its caller"
)]
#[inline(always)]
fn gather_outputs<S: Simd>(
    simd: S,
    products: &[f32],
    place: usize,
    out: &mut [f32],
    strides: [usize; 2],
    channels: usize,
    update: Update,
) {
    let zero = simd.splat_f32s(0.0);
    for channel in (0..channels).step_by(S::F32_LANES) {
        let tile = load_tile::<S, PIXELS>(simd, products, channel, [PIXELS * place, place]);
        let values = both!(tile, 6 to 4, zero, |line| output(simd, line));
        if update == Update::Replace {
            store_tile::<S, OUTPUTS>(out, channel, strides, values);
            continue;
        }
        for row in 0..OUTPUTS {
            for column in 0..OUTPUTS {
                let at = channel + row * strides[0] + column * strides[1];
                let sum = simd.add_f32s(load::<S>(out, at), values[row][column]);
                store::<S>(out, at, sum);
            }
        }
    }
}
