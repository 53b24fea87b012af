use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::Winograd;
use super::forward::spread_pixels;
use super::space::Space;
use super::transform::{
    both, load_tile, output_gradient, small_output_gradient, small_weight_gradient, store, store_tile,
    weight_gradient as taps_of,
};
use crate::ops::buffer::Pool;
use crate::ops::channels_last::scratch;
use crate::ops::gemm::Update;
use crate::ops::micro::{Left, Out, Right, Sizes, panel, product};
use crate::ops::simd::dispatch;

/// Tiles of a unit: the depth of the products.
const UNIT_TILES: usize = 64;
/// Values in the space of the products at a time: a few MiB, which stay in the caches.
const VALUES: usize = 1 << 20;
/// Output channels that are brought to their order at a time.
const CHANNELS: usize = 16;

/// The gradient of the weight (O, C, 3, 3), where that of the output is `dy` (B, OH, OW, O), of `x` (B, H, W, C).
pub(in crate::ops::channels_last) fn weight_gradient(
    winograd: &Winograd,
    pool: &Pool,
    x: &[f32],
    dy: &[f32],
    dw: &mut [f32],
) {
    dispatch(Run { winograd, pool, x, dy, dw });
}

struct Run<'a> {
    winograd: &'a Winograd,
    pool: &'a Pool,
    x: &'a [f32],
    dy: &'a [f32],
    dw: &'a mut [f32],
}

impl WithSimd for Run<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Run { winograd, pool, x, dy, dw } = self;
        let [inputs, outputs] = winograd.channels;
        let width = outputs.next_multiple_of(panel::<S>(outputs));
        let (pixels, gradients) = (winograd.input_space::<S>(), winograd.output_space(width));
        let depth = pixels.depth();
        let images = winograd.unit_images(UNIT_TILES);
        let unit_tiles = images * winograd.tiles();
        // Of each unit of images all places of its tiles, first of the pixels and then of the gradients.
        let places = winograd.places();
        let unit_len = places * unit_tiles * (depth + width);
        let units = (VALUES / unit_len).clamp(8, 16).min(winograd.batch.div_ceil(images));
        let mut spread = pool.take(units * unit_len);
        let mut sums = pool.take(places * inputs * width);
        let (x_len, y_len) = (images * pixels.image_len(), images * gradients.image_len());
        let turns = x.chunks(units * x_len).zip(dy.chunks(units * y_len)).enumerate();
        for (turn, (x, dy)) in turns {
            let parts = x.par_chunks(x_len).zip(dy.par_chunks(y_len));
            spread.par_chunks_mut(unit_len).zip(parts).for_each(|(spread, (x, dy))| {
                scratch(images * (pixels.len() + gradients.len()), |scratch| {
                    dispatch(SpreadUnit { pixels, gradients, places, x, dy, spread, unit_tiles, scratch });
                });
            });
            let tiles = x.len() / pixels.image_len() * winograd.tiles();
            let channels = [inputs, depth, width];
            sums.par_chunks_mut(inputs * width).enumerate().for_each(|(place, sums)| {
                let update = if turn == 0 { Update::Replace } else { Update::Add };
                dispatch(SumPlace {
                    spread: &spread,
                    places,
                    place,
                    sums,
                    channels,
                    unit_tiles,
                    tiles,
                    update,
                });
            });
        }
        dw.par_chunks_mut(CHANNELS * inputs * 9).enumerate().for_each(|(index, dw)| {
            dispatch(Taps {
                sums: &sums,
                dw,
                first: index * CHANNELS,
                inputs,
                width,
                small: winograd.side == 2,
            });
        });
    }
}

/// Brings the pixels and gradients of some images to the space of the products.
struct SpreadUnit<'a> {
    pixels: Space,
    gradients: Space,
    places: usize,
    x: &'a [f32],
    dy: &'a [f32],
    spread: &'a mut [f32],
    unit_tiles: usize,
    scratch: &'a mut [f32],
}

impl WithSimd for SpreadUnit<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let SpreadUnit { pixels, gradients, places, x, dy, spread, unit_tiles, scratch } = self;
        let (depth, width) = (pixels.depth(), gradients.depth());
        let images = x.len() / pixels.image_len();
        let (from_x, from_dy) = scratch.split_at_mut(images * pixels.len());
        let from_dy = &mut from_dy[..images * gradients.len()];
        pixels.enter(x, from_x);
        gradients.enter(dy, from_dy);
        let (of_pixels, of_gradients) = spread.split_at_mut(places * unit_tiles * depth);
        for tile in 0..images * pixels.tile_count() {
            let (to, place) = (&mut of_pixels[tile * depth..], unit_tiles * depth);
            spread_pixels(simd, pixels, &from_x[pixels.tile(tile)..], to, place);
            let (to, place) = (&mut of_gradients[tile * width..], unit_tiles * width);
            spread_gradients(simd, gradients, &from_dy[gradients.tile(tile)..], to, place);
        }
    }
}

/// Sums the products of one place over tiles, unit by unit in order.
struct SumPlace<'a> {
    spread: &'a [f32],
    places: usize,
    place: usize,
    sums: &'a mut [f32],
    /// In, in with those that fill up, and out with those.
    channels: [usize; 3],
    unit_tiles: usize,
    tiles: usize,
    /// What becomes of the sums that are there.
    update: Update,
}

impl WithSimd for SumPlace<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let SumPlace {
            spread,
            places,
            place,
            sums,
            channels: [inputs, depth, width],
            unit_tiles,
            tiles,
            update,
        } = self;
        let units = spread.chunks(places * unit_tiles * (depth + width)).take(tiles.div_ceil(unit_tiles));
        for (unit, spread) in units.enumerate() {
            let count = unit_tiles.min(tiles - unit * unit_tiles);
            let (pixels, gradients) = spread.split_at(places * unit_tiles * depth);
            let left = Left { values: &pixels[place * unit_tiles * depth..], strides: [1, depth] };
            let panel = panel::<S>(width);
            let right = Right { values: &gradients[place * unit_tiles * width..], strides: [width, panel] };
            let sizes = Sizes { rows: inputs, depth: count, panels: width / panel, panel };
            let update = if unit == 0 { update } else { Update::Add };
            product(simd, sizes, left, right, Out { values: sums, stride: width }, update);
        }
    }
}

/// The gradients of one tile's outputs to its places, which lie `place` values apart.
#[inline(always)]
fn spread_gradients<S: Simd>(simd: S, space: Space, gradients: &[f32], out: &mut [f32], place: usize) {
    let (zero, strides) = (simd.splat_f32s(0.0), space.strides());
    for channel in (0..space.depth()).step_by(S::F32_LANES) {
        if space.side() == 2 {
            let tile = load_tile::<S, 2>(simd, gradients, channel, strides);
            let values = both!(tile, 2 to 4, zero, |line| small_output_gradient(simd, line));
            store_tile::<S, 4>(out, channel, [4 * place, place], values);
        } else {
            let tile = load_tile::<S, 4>(simd, gradients, channel, strides);
            let values = both!(tile, 4 to 6, zero, |line| output_gradient(simd, line));
            store_tile::<S, 6>(out, channel, [6 * place, place], values);
        }
    }
}

/// From the sums of the places to the nine elements of the window, for some output channels.
struct Taps<'a> {
    sums: &'a [f32],
    dw: &'a mut [f32],
    /// The first output channel.
    first: usize,
    inputs: usize,
    width: usize,
    small: bool,
}

impl WithSimd for Taps<'_> {
    type Output = ();

    #[allow(
        clippy::needless_range_loop,
        reason = "an iterator is not made of the vector instructions of its caller"
    )]
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Taps { sums, dw, first, inputs, width, small } = self;
        let zero = simd.splat_f32s(0.0);
        let count = dw.len() / (inputs * 9);
        let mut lanes = [0.0; CHANNELS];
        for channel in 0..inputs {
            for lane in (0..count).step_by(S::F32_LANES) {
                let (from, place) = (&sums[channel * width + first + lane..], inputs * width);
                let taps = if small {
                    let tile = load_tile::<S, 4>(simd, from, 0, [4 * place, place]);
                    both!(tile, 4 to 3, zero, |line| small_weight_gradient(simd, line))
                } else {
                    let tile = load_tile::<S, 6>(simd, from, 0, [6 * place, place]);
                    both!(tile, 6 to 3, zero, |line| taps_of(simd, line))
                };
                for tap in 0..9 {
                    store::<S>(&mut lanes, 0, taps[tap / 3][tap % 3]);
                    for out in 0..S::F32_LANES.min(count - lane) {
                        dw[((lane + out) * inputs + channel) * 9 + tap] = lanes[out];
                    }
                }
            }
        }
    }
}
