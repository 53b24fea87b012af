use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::layout::Placed;
use super::transform::{both, input, load_tile, output, store_tile, weight};
use super::{OUTPUTS, PIXELS, PLACES, Scratch, UNIT_TILES, Winograd, padded};
use crate::ops::gemm::Update;
use crate::ops::micro::{Left, Out, Right, Sizes, block_rows, panel, product};
use crate::ops::simd::dispatch;

/// Values of a block of tiles in both spaces: they stay in a core's second cache.
const BLOCK_VALUES: usize = 300_000;

/// The convolution of all images.
pub(super) struct Run<'a, W> {
    pub(super) winograd: Winograd,
    pub(super) x: &'a [f32],
    pub(super) bias: Option<&'a [f32]>,
    /// The weight of an output channel, an input channel and an element of the window.
    pub(super) weight: W,
}

impl<W: Fn(usize, usize, usize) -> f32 + Sync> WithSimd for Run<'_, W> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Vec<f32> {
        let Winograd { batch, channels: [inputs, outputs], input, output, .. } = self.winograd;
        let (x_len, y_len) = (inputs * input[0] * input[1], outputs * output[0] * output[1]);
        let weights = self.spread_weights::<S>();
        let mut y = vec![0.0; batch * y_len];
        let images = self.winograd.unit_images(UNIT_TILES);
        let units = y.par_chunks_mut(images * y_len).zip(self.x.par_chunks(images * x_len));
        units.for_each_init(Scratch::default, |scratch, (y, x)| {
            dispatch(Unit { winograd: self.winograd, x, bias: self.bias, weights: &weights, y, scratch });
        });
        y
    }
}

impl<W: Fn(usize, usize, usize) -> f32 + Sync> Run<'_, W> {
    /// The weights as the products take them: (36, panels of output channels, C, panel).
    fn spread_weights<S: Simd>(&self) -> Vec<f32> {
        let [inputs, outputs] = self.winograd.channels;
        let (depth, width) = (padded::<S>(inputs), panel::<S>());
        let panels = outputs.div_ceil(width);
        let place_len = panels * depth * width;
        let mut spread = vec![0.0; PLACES * place_len];
        // Each panel is computed by itself and then put at its 36 places.
        let parts: Vec<Vec<f32>> = (0..panels)
            .into_par_iter()
            .map(|index| {
                let mut part = vec![0.0; PLACES * depth * width];
                for channel in 0..inputs {
                    for lane in 0..width.min(outputs - index * width) {
                        let out = index * width + lane;
                        let taps: [[f32; 3]; 3] = std::array::from_fn(|row| {
                            std::array::from_fn(|column| (self.weight)(out, channel, row * 3 + column))
                        });
                        let values = both!(taps, 3 to 6, 0.0_f32, |line| weight(line));
                        for (place, value) in values.as_flattened().iter().enumerate() {
                            part[(place * depth + channel) * width + lane] = *value;
                        }
                    }
                }
                part
            })
            .collect();
        spread.par_chunks_mut(place_len).enumerate().for_each(|(place, spread)| {
            for (panel, part) in spread.chunks_mut(depth * width).zip(&parts) {
                panel.copy_from_slice(&part[place * depth * width..][..depth * width]);
            }
        });
        spread
    }
}

/// Some images of one thread.
struct Unit<'a> {
    winograd: Winograd,
    x: &'a [f32],
    bias: Option<&'a [f32]>,
    weights: &'a [f32],
    y: &'a mut [f32],
    scratch: &'a mut Scratch,
}

impl WithSimd for Unit<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Unit { winograd, x, bias, weights, y, scratch } = self;
        let [inputs, outputs] = winograd.channels;
        let (depth, width) = (padded::<S>(inputs), padded::<S>(outputs));
        let (from, to) = (winograd.input_space(), winograd.output_space());
        let pixels = Placed { space: from, channels: [inputs, depth], image: winograd.input };
        let results = Placed { space: to, channels: [outputs, width], image: winograd.output };
        pixels.gather(x, &mut scratch.pixels);
        let images = x.len() / pixels.image_len();
        scratch.outputs.resize(images * results.len(), 0.0);
        let block = winograd.block_tiles::<S>(depth + width);
        scratch.spread.resize(PLACES * block * depth, 0.0);
        scratch.products.resize(PLACES * block * width, 0.0);
        let tiles = images * winograd.tiles();
        for first in (0..tiles).step_by(block) {
            let count = block.min(tiles - first);
            for tile in 0..count {
                let start = from.tile(first + tile, depth, OUTPUTS, winograd.output);
                spread_pixels(
                    simd,
                    &scratch.pixels[start..],
                    from.strides(depth),
                    &mut scratch.spread[tile * depth..],
                    block * depth,
                    depth,
                );
            }
            for place in 0..PLACES {
                let left = Left { values: &scratch.spread[place * block * depth..], strides: [depth, 1] };
                let len = depth * width;
                let right = Right {
                    values: &weights[place * len..][..len],
                    strides: [panel::<S>(), depth * panel::<S>()],
                };
                let out = Out {
                    values: &mut scratch.products[place * block * width..][..block * width],
                    stride: width,
                };
                let sizes = Sizes { rows: count, depth, panels: width / panel::<S>() };
                product(simd, sizes, left, right, out, Update::Replace);
            }
            for tile in 0..count {
                let start = to.tile(first + tile, width, OUTPUTS, winograd.output);
                gather_outputs(
                    simd,
                    &scratch.products[tile * width..],
                    block * width,
                    &mut scratch.outputs[start..],
                    to.strides(width),
                    width,
                );
            }
        }
        results.scatter(&scratch.outputs, bias, y);
    }
}

impl Winograd {
    /// Tiles whose values, `channels` for each place, stay in the cache.
    fn block_tiles<S: Simd>(&self, channels: usize) -> usize {
        let rows = block_rows::<S>();
        let blocks = (BLOCK_VALUES / (PLACES * channels) / rows).clamp(2, 8);
        blocks * rows
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
#[inline(always)]
fn gather_outputs<S: Simd>(
    simd: S,
    products: &[f32],
    place: usize,
    out: &mut [f32],
    strides: [usize; 2],
    channels: usize,
) {
    let zero = simd.splat_f32s(0.0);
    for channel in (0..channels).step_by(S::F32_LANES) {
        let tile = load_tile::<S, PIXELS>(simd, products, channel, [PIXELS * place, place]);
        let values = both!(tile, 6 to 4, zero, |line| output(simd, line));
        store_tile::<S, OUTPUTS>(out, channel, strides, values);
    }
}
