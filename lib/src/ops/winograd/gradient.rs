use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::forward::spread_pixels;
use super::layout::Placed;
use super::transform::{both, load_tile, output_gradient, store_tile, weight_gradient};
use super::{GRADIENT_TILES, OUTPUTS, PIXELS, PLACES, Scratch, Winograd, padded};
use crate::ops::gemm::Update;
use crate::ops::micro::{Left, Out, Right, Sizes, panel, product};
use crate::ops::simd::dispatch;

/// The gradient of the weight over all images.
pub(super) struct RunGradient<'a> {
    pub(super) winograd: Winograd,
    pub(super) x: &'a [f32],
    pub(super) dy: &'a [f32],
}

impl WithSimd for RunGradient<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Vec<f32> {
        let winograd = self.winograd;
        let [inputs, outputs] = winograd.channels;
        let (depth, width) = (padded::<S>(inputs), padded::<S>(outputs));
        let (x_len, y_len) = (
            inputs * winograd.input[0] * winograd.input[1],
            outputs * winograd.output[0] * winograd.output[1],
        );
        let images = winograd.unit_images(GRADIENT_TILES);
        let unit_tiles = images * winograd.tiles();
        // Of each unit of images: all places of its tiles, first of the pixels and then of the gradients.
        let units = winograd.batch.div_ceil(images);
        let unit_len = PLACES * unit_tiles * (depth + width);
        let mut spread = vec![0.0; units * unit_len];
        let parts = self.x.par_chunks(images * x_len).zip(self.dy.par_chunks(images * y_len));
        spread.par_chunks_mut(unit_len).zip(parts).for_each_init(
            Scratch::default,
            |scratch, (spread, (x, dy))| {
                dispatch(SpreadUnit { winograd, x, dy, spread, unit_tiles, scratch });
            },
        );
        let mut sums = vec![0.0; PLACES * depth * width];
        sums.par_chunks_mut(depth * width).enumerate().for_each(|(place, sums)| {
            let tiles = winograd.batch * winograd.tiles();
            dispatch(SumPlace {
                spread: &spread,
                place,
                sums,
                channels: [inputs, depth, width],
                unit_tiles,
                tiles,
            });
        });
        drop(spread);
        let mut dw = vec![0.0; outputs * inputs * 9];
        dw.par_chunks_mut(inputs * 9).enumerate().for_each(|(out, dw)| {
            for (channel, dw) in dw.chunks_mut(9).enumerate() {
                let tile: [[f32; PIXELS]; PIXELS] = std::array::from_fn(|row| {
                    std::array::from_fn(|column| {
                        sums[((row * PIXELS + column) * depth + channel) * width + out]
                    })
                });
                let taps = both!(tile, 6 to 3, 0.0_f32, |line| weight_gradient(line));
                dw.copy_from_slice(taps.as_flattened());
            }
        });
        dw
    }
}

/// Brings the pixels and gradients of some images to the space of the products.
struct SpreadUnit<'a> {
    winograd: Winograd,
    x: &'a [f32],
    dy: &'a [f32],
    spread: &'a mut [f32],
    unit_tiles: usize,
    scratch: &'a mut Scratch,
}

impl WithSimd for SpreadUnit<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let SpreadUnit { winograd, x, dy, spread, unit_tiles, scratch } = self;
        let [inputs, outputs] = winograd.channels;
        let (depth, width) = (padded::<S>(inputs), padded::<S>(outputs));
        let (from, to) = (winograd.input_space(), winograd.output_space());
        let pixels = Placed { space: from, channels: [inputs, depth], image: winograd.input };
        let gradients = Placed { space: to, channels: [outputs, width], image: winograd.output };
        pixels.gather(x, &mut scratch.pixels);
        gradients.gather(dy, &mut scratch.outputs);
        let (of_pixels, of_gradients) = spread.split_at_mut(PLACES * unit_tiles * depth);
        for tile in 0..x.len() / pixels.image_len() * winograd.tiles() {
            let start = from.tile(tile, depth, OUTPUTS, winograd.output);
            spread_pixels(
                simd,
                &scratch.pixels[start..],
                from.strides(depth),
                &mut of_pixels[tile * depth..],
                unit_tiles * depth,
                depth,
            );
            let start = to.tile(tile, width, OUTPUTS, winograd.output);
            spread_gradients(
                simd,
                &scratch.outputs[start..],
                to.strides(width),
                &mut of_gradients[tile * width..],
                unit_tiles * width,
                width,
            );
        }
    }
}

/// Sums the products of one place over all tiles, unit by unit in order.
struct SumPlace<'a> {
    spread: &'a [f32],
    place: usize,
    sums: &'a mut [f32],
    /// In, in with those that fill up, and out with those.
    channels: [usize; 3],
    unit_tiles: usize,
    tiles: usize,
}

impl WithSimd for SumPlace<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let SumPlace { spread, place, sums, channels: [inputs, depth, width], unit_tiles, tiles } = self;
        for (unit, spread) in spread.chunks(PLACES * unit_tiles * (depth + width)).enumerate() {
            let count = unit_tiles.min(tiles - unit * unit_tiles);
            let (pixels, gradients) = spread.split_at(PLACES * unit_tiles * depth);
            let left = Left { values: &pixels[place * unit_tiles * depth..], strides: [1, depth] };
            let right =
                Right { values: &gradients[place * unit_tiles * width..], strides: [width, panel::<S>()] };
            let sizes = Sizes { rows: inputs, depth: count, panels: width / panel::<S>() };
            product(simd, sizes, left, right, Out { values: sums, stride: width }, Update::Add);
        }
    }
}

/// The gradients of one tile's outputs to its 36 places.
#[inline(always)]
fn spread_gradients<S: Simd>(
    simd: S,
    gradients: &[f32],
    strides: [usize; 2],
    out: &mut [f32],
    place: usize,
    channels: usize,
) {
    let zero = simd.splat_f32s(0.0);
    for channel in (0..channels).step_by(S::F32_LANES) {
        let tile = load_tile::<S, OUTPUTS>(simd, gradients, channel, strides);
        let values = both!(tile, 4 to 6, zero, |line| output_gradient(simd, line));
        store_tile::<S, PIXELS>(out, channel, [PIXELS * place, place], values);
    }
}
