use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::space::Space;
use super::transform::{both, input, load, load_tile, output, small_input, small_output, store, store_tile};
use super::weights::spread;
use super::{UNIT_TILES, Winograd, together};
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
    let weights = &spread(winograd, pool, panels);
    if winograd.side == 2 {
        return together::forward(winograd, pool, x, weights, y, update, finish);
    }
    dispatch(Run { winograd, weights, x, y, update, finish });
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
        let places = winograd.places();
        let block = block_tiles::<S>(places * (from.depth() + width)).min(images * winograd.tiles());
        let lens =
            [images * from.len(), places * block * from.depth(), places * block * width, images * to.len()];
        let lens = if direct { [lens[0], lens[1], lens[2], 0] } else { lens };
        let units = y.par_chunks_mut(y_len).zip(x.par_chunks(x_len)).enumerate();
        units.for_each(|(index, (y, x))| {
            scratch(lens.iter().sum(), |scratch| {
                let (pixels, scratch) = scratch.split_at_mut(lens[0]);
                let (spread, scratch) = scratch.split_at_mut(lens[1]);
                let (products, results) = scratch.split_at_mut(lens[2]);
                let unit = Unit {
                    inputs,
                    width,
                    places,
                    from,
                    to,
                    weights,
                    block,
                    pixels,
                    spread,
                    products,
                    results,
                };
                let tiles = x.len() / from.image_len() * winograd.tiles();
                let first = index * y_len;
                dispatch(UnitRun { unit, tiles, x, y, update, finish, index, first });
            });
        });
    }
}

/// Tiles, each of so many values, that stay in the cache.
fn block_tiles<S: Simd>(values: usize) -> usize {
    let rows = block_rows::<S>();
    (BLOCK_VALUES / values / rows).clamp(2, 8) * rows
}

/// What one thread works in.
struct Unit<'a> {
    inputs: usize,
    width: usize,
    places: usize,
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
        let Unit { inputs, width, places, from, to, weights, block, pixels, spread, products, results } =
            unit;
        let depth = from.depth();
        let images = x.len() / from.image_len();
        from.enter(x, &mut pixels[..images * from.len()]);
        let direct = results.is_empty();
        let (len, panel) = (inputs * width, panel::<S>(width));
        for first in (0..tiles).step_by(block) {
            let count = block.min(tiles - first);
            for tile in 0..count {
                let (to, place) = (&mut spread[tile * depth..], block * depth);
                let pixels = &pixels[from.tile(first + tile)..];
                spread_pixels(simd, from, pixels, to, place);
            }
            for place in 0..places {
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
                    gather_outputs(simd, from, place, &mut y[start..], to, update);
                } else {
                    let out = &mut results[start..];
                    gather_outputs(simd, from, place, out, to, Update::Replace);
                }
            }
        }
        if !direct {
            to.leave(simd, &results[..images * to.len()], y, update);
        }
        finish.finish(simd, y, index, first_value);
    }
}

/// One tile of pixels of a space to its places, which lie `place` values apart, for all channels.
#[inline(always)]
pub(super) fn spread_pixels<S: Simd>(simd: S, space: Space, pixels: &[f32], out: &mut [f32], place: usize) {
    let (zero, strides) = (simd.splat_f32s(0.0), space.strides());
    for channel in (0..space.depth()).step_by(S::F32_LANES) {
        if space.side() == 2 {
            let tile = load_tile::<S, 4>(simd, pixels, channel, strides);
            let values = both!(tile, 4 to 4, zero, |line| small_input(simd, line));
            store_tile::<S, 4>(out, channel, [4 * place, place], values);
        } else {
            let tile = load_tile::<S, 6>(simd, pixels, channel, strides);
            let values = both!(tile, 6 to 6, zero, |line| input(simd, line));
            store_tile::<S, 6>(out, channel, [6 * place, place], values);
        }
    }
}

/// The products of one tile, which lie `place` values apart, to its outputs in a space.
#[inline(always)]
pub(super) fn gather_outputs<S: Simd>(
    simd: S,
    products: &[f32],
    place: usize,
    out: &mut [f32],
    space: Space,
    update: Update,
) {
    let (zero, strides) = (simd.splat_f32s(0.0), space.strides());
    for channel in (0..space.depth()).step_by(S::F32_LANES) {
        if space.side() == 2 {
            let tile = load_tile::<S, 4>(simd, products, channel, [4 * place, place]);
            let values = both!(tile, 4 to 2, zero, |line| small_output(simd, line));
            put::<S, 2>(simd, out, channel, strides, values, update);
        } else {
            let tile = load_tile::<S, 6>(simd, products, channel, [6 * place, place]);
            let values = both!(tile, 6 to 4, zero, |line| output(simd, line));
            put::<S, 4>(simd, out, channel, strides, values, update);
        }
    }
}

/// Puts a square of vectors in its place, or adds it to what is there.
#[allow(
    clippy::needless_range_loop,
    reason = "an iterator is not made of the vector instructions of its caller"
)]
#[inline(always)]
fn put<S: Simd, const SIDE: usize>(
    simd: S,
    out: &mut [f32],
    channel: usize,
    strides: [usize; 2],
    values: [[S::f32s; SIDE]; SIDE],
    update: Update,
) {
    if update == Update::Replace {
        return store_tile::<S, SIDE>(out, channel, strides, values);
    }
    for row in 0..SIDE {
        for column in 0..SIDE {
            let at = channel + row * strides[0] + column * strides[1];
            let sum = simd.add_f32s(load::<S>(out, at), values[row][column]);
            store::<S>(out, at, sum);
        }
    }
}
