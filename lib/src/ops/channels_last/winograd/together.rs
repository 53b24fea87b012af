//! Small tiles of all images at once. The weights of a place are read once for all of them, which with so few tiles is
//! what takes the time.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::forward::gather_outputs;
use super::space::Space;
use super::transform::{both, load_tile, small_input, store};
use super::{UNIT_TILES, Winograd, by_unit};
use crate::ops::buffer::Pool;
use crate::ops::channels_last::finish::Finish;
use crate::ops::channels_last::scratch;
use crate::ops::gemm::Update;
use crate::ops::micro::{Left, Out, Right, Sizes, panel, product};
use crate::ops::simd::dispatch;

/// The convolution of `x` (B, H, W, C) with its weights in the space of the products into `y` (B, OH, OW, O).
pub(super) fn forward<F: Finish>(
    winograd: &Winograd,
    pool: &Pool,
    x: &[f32],
    weights: &[f32],
    y: &mut [f32],
    update: Update,
    finish: &F,
) {
    dispatch(Run { winograd, pool, x, weights, y, update, finish });
}

struct Run<'a, F> {
    winograd: &'a Winograd,
    pool: &'a Pool,
    x: &'a [f32],
    weights: &'a [f32],
    y: &'a mut [f32],
    update: Update,
    finish: &'a F,
}

impl<F: Finish> WithSimd for Run<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Run { winograd, pool, x, weights, y, update, finish } = self;
        let [inputs, outputs] = winograd.channels;
        let width = outputs.next_multiple_of(panel::<S>(outputs));
        let (from, to) = (winograd.input_space::<S>(), winograd.output_space(width));
        let (tiles, places) = (winograd.batch * winograd.tiles(), winograd.places());
        let (of_pixels, of_products) = (tiles * from.depth(), tiles * width);
        let images = winograd.unit_images(UNIT_TILES);

        let mut pixels = pool.take(places * of_pixels);
        let slices = by_unit(&mut pixels, of_pixels, images * winograd.tiles() * from.depth());
        let parts = x.par_chunks(images * from.image_len());
        slices.into_par_iter().zip(parts).for_each(|(places, x)| {
            scratch(images * from.len(), |space| dispatch(Enter { from, x, space, places }));
        });

        let mut products = pool.take(places * of_products);
        products.par_chunks_exact_mut(of_products).enumerate().for_each(|(place, products)| {
            let pixels = &pixels[place * of_pixels..][..of_pixels];
            let weights = &weights[place * inputs * width..][..inputs * width];
            dispatch(Place { pixels, depth: from.depth(), weights, inputs, width, tiles, products });
        });
        drop(pixels);

        let y_len = images * to.image_len();
        y.par_chunks_mut(y_len).enumerate().for_each(|(index, y)| {
            scratch(images * to.len(), |space| {
                let tile = index * images * winograd.tiles();
                let first = index * y_len;
                dispatch(Leave {
                    to,
                    products: &products,
                    of_products,
                    tile,
                    space,
                    y,
                    update,
                    finish,
                    index,
                    first,
                });
            });
        });
    }
}

/// Brings the pixels of some images to their places.
struct Enter<'a> {
    from: Space,
    x: &'a [f32],
    space: &'a mut [f32],
    places: Vec<&'a mut [f32]>,
}

impl WithSimd for Enter<'_> {
    type Output = ();

    #[allow(
        clippy::needless_range_loop,
        reason = "an iterator is not made of the vector instructions of its caller"
    )]
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Enter { from, x, space, mut places } = self;
        let images = x.len() / from.image_len();
        from.enter(x, &mut space[..images * from.len()]);
        let (zero, depth) = (simd.splat_f32s(0.0), from.depth());
        for tile in 0..images * from.tile_count() {
            let pixels = &space[from.tile(tile)..];
            for channel in (0..depth).step_by(S::F32_LANES) {
                let pixels = load_tile::<S, 4>(simd, pixels, channel, from.strides());
                let values = both!(pixels, 4 to 4, zero, |line| small_input(simd, line));
                for place in 0..16 {
                    store::<S>(places[place], tile * depth + channel, values[place / 4][place % 4]);
                }
            }
        }
    }
}

/// The product of one place, over all tiles.
struct Place<'a> {
    pixels: &'a [f32],
    depth: usize,
    weights: &'a [f32],
    inputs: usize,
    width: usize,
    tiles: usize,
    products: &'a mut [f32],
}

impl WithSimd for Place<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Place { pixels, depth, weights, inputs, width, tiles, products } = self;
        let panel = panel::<S>(width);
        let left = Left { values: pixels, strides: [depth, 1] };
        let right = Right { values: weights, strides: [panel, inputs * panel] };
        let out = Out { values: products, stride: width };
        let sizes = Sizes { rows: tiles, depth: inputs, panels: width / panel, panel };
        product(simd, sizes, left, right, out, Update::Replace);
    }
}

/// Brings the products of some images to their pixels.
struct Leave<'a, F> {
    to: Space,
    products: &'a [f32],
    /// Values of a place.
    of_products: usize,
    /// The first tile.
    tile: usize,
    space: &'a mut [f32],
    y: &'a mut [f32],
    update: Update,
    finish: &'a F,
    index: usize,
    first: usize,
}

impl<F: Finish> WithSimd for Leave<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Leave { to, products, of_products, tile: first_tile, space, y, update, finish, index, first } =
            self;
        let images = y.len() / to.image_len();
        for tile in 0..images * to.tile_count() {
            let products = &products[(first_tile + tile) * to.depth()..];
            gather_outputs(simd, products, of_products, &mut space[to.tile(tile)..], to, Update::Replace);
        }
        to.leave(simd, &space[..images * to.len()], y, update);
        finish.finish(simd, y, index, first);
    }
}
