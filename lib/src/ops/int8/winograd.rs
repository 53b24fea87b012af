//! Convolutions of 3 × 3 by tiles ([`super::tiles`]): exact, with a quarter of the products.

use std::ops::Range;

use rayon::prelude::*;

use super::block::Block;
use super::dot::{Dot, Part};
use super::finish::{Finish, WIDEST};
use super::gather::Rows;
use super::panels::Panels;
use super::product::with_scratch;
use super::tiles::{CHANNELS, OUTPUTS, PATCH, PRODUCTS, RANGE, SUMS, outputs, patch, weights};
use crate::ops::columns::Convolution as Sizes;

/// Bytes of transformed patches at a time: they stay in a core's cache.
const PATCH_BYTES: usize = 320 << 10;
/// Tiles that are worth to read all weights for, and the most at a time.
const FEWEST: usize = 12;
const MOST: usize = 48;

/// Transformed weights, packed.
#[derive(Clone)]
pub(super) struct Winograd<D: Dot> {
    products: Vec<Panels<D>>,
    /// Between the bounds of each output's sum, for whole panels.
    middle: Vec<i32>,
}

/// Whether a convolution is one of those that tiles are faster for.
pub(super) fn fits(sizes: &Sizes) -> bool {
    let sliding = sizes.window.sliding;
    sizes.window.kernel == [3, 3]
        && sliding.stride == [1, 1]
        && sliding.dilation == [1, 1]
        && sizes.groups == 1
        && sizes.in_channels.is_multiple_of(CHANNELS)
        && sizes.in_channels >= 2 * CHANNELS
        && sizes.out_channels >= 16
        // Four times the weights must be read.
        && tiles(sizes) >= FEWEST
        // Most outputs of the tiles must be outputs of the image.
        && 2 * sizes.all_positions() > tiles(sizes) * OUTPUTS * OUTPUTS
}

fn tiles(sizes: &Sizes) -> usize {
    sizes.batch * sizes.output[0].div_ceil(OUTPUTS) * sizes.output[1].div_ceil(OUTPUTS)
}

/// Between the bounds of each output's sum of `weight` (outputs, depth), if they lie close enough together.
pub(super) fn middles(weight: &[i8], depth: usize) -> Option<Vec<i32>> {
    let middle = |weights: &[i8]| {
        let [mut lowest, mut highest] = [0_i64; 2];
        for &weight in weights {
            *(if weight > 0 { &mut highest } else { &mut lowest }) += 255 * i64::from(weight);
        }
        let near = highest - lowest < RANGE;
        near.then(|| i32::try_from((lowest + highest) / 2).ok()).flatten()
    };
    weight.chunks(depth).map(middle).collect()
}

impl<D: Dot<X = i16>> Winograd<D> {
    /// Packs `weight` (O, C, 3, 3), whose sums have these `middles`.
    pub(super) fn pack(weight: &[i8], middles: &[i32], channels: usize) -> Winograd<D> {
        let transformed: Vec<[i16; PRODUCTS]> = weight
            .chunks_exact(9)
            .map(|taps| weights(std::array::from_fn(|tap| i16::from(taps[tap]))))
            .collect();
        let panels = |product: usize| {
            Panels::pack(middles.len(), channels, |output, channel| {
                transformed[output * channels + channel][product]
            })
        };
        let mut middle = middles.to_vec();
        middle.resize(middles.len().next_multiple_of(WIDEST), 0);
        Winograd { products: (0..PRODUCTS).into_par_iter().map(panels).collect(), middle }
    }

    /// Bytes of the transformed weights.
    pub(super) fn bytes(&self) -> usize {
        self.products.iter().map(Panels::bytes).sum()
    }

    /// The convolution, finished. `finish` must be the only one that writes to its places.
    pub(super) fn run(&self, rows: Rows, start: &[i32], multiplier: &[f32], finish: Finish) {
        let sizes = rows.sizes;
        let (tiles, panels) = (tiles(sizes), &self.products[0]);
        let wanted = 3 * rayon::current_num_threads();
        let cached = (PATCH_BYTES / (PRODUCTS * sizes.in_channels * size_of::<i16>())).clamp(FEWEST, MOST);
        let step = tiles.div_ceil(wanted).max(FEWEST).min(cached).next_multiple_of(D::ROWS);
        let blocks = tiles.div_ceil(step);
        // Where tiles are few, the outputs are cut as well.
        let cuts = wanted.div_ceil(blocks).min(panels.count()).max(1);
        let width = panels.count().div_ceil(cuts);
        let padding = vec![rows.zero_point; sizes.in_channels];
        (0..blocks * cuts).into_par_iter().for_each(|index| {
            let tiles = index / cuts * step..((index / cuts + 1) * step).min(tiles);
            let some = index % cuts * width..((index % cuts + 1) * width).min(panels.count());
            if some.is_empty() {
                return;
            }
            with_scratch::<i16, _>(PRODUCTS * tiles.len() * sizes.in_channels, |patches| {
                with_scratch::<i32, _>(PRODUCTS * tiles.len() * panels.width(), |sums| {
                    let padding = &padding;
                    let piece = Piece {
                        winograd: self,
                        rows,
                        padding,
                        start,
                        multiplier,
                        finish,
                        tiles,
                        panels: some,
                        patches,
                        sums,
                    };
                    // SAFETY: whoever packed panels for these instructions has seen that the CPU has them.
                    unsafe { D::run(piece) };
                });
            });
        });
    }
}

/// Some tiles and some panels of outputs.
struct Piece<'a, D: Dot> {
    winograd: &'a Winograd<D>,
    rows: Rows<'a>,
    padding: &'a [u8],
    start: &'a [i32],
    multiplier: &'a [f32],
    finish: Finish<'a>,
    tiles: Range<usize>,
    panels: Range<usize>,
    patches: &'a mut [i16],
    sums: &'a mut [i32],
}

impl<D: Dot<X = i16>> Part<D> for Piece<'_, D> {
    #[inline(always)]
    fn run(mut self) {
        self.transform();
        for panel in self.panels.clone() {
            self.multiply(panel);
            self.finish(panel);
        }
    }
}

impl<D: Dot<X = i16>> Piece<'_, D> {
    /// The first output of a tile: image, row and column.
    #[inline(always)]
    fn place(&self, tile: usize) -> [usize; 3] {
        let [height, width] = self.rows.sizes.output;
        let [rows, columns] = [height.div_ceil(OUTPUTS), width.div_ceil(OUTPUTS)];
        [tile / (rows * columns), tile / columns % rows * OUTPUTS, tile % columns * OUTPUTS]
    }

    /// Patches of the input, (products, tiles, channels).
    #[inline(always)]
    fn transform(&mut self) {
        let sizes = self.rows.sizes;
        let ([height, width], channels) = (sizes.input, sizes.in_channels);
        let padding = sizes.window.sliding.padding;
        for tile in self.tiles.clone() {
            let [image, row, column] = self.place(tile);
            let mut pixels = [self.padding; PRODUCTS];
            for (tap, steps) in pixels.iter_mut().enumerate() {
                let (y, x) = (row + tap / PATCH, column + tap % PATCH);
                if y >= padding.top
                    && y - padding.top < height
                    && x >= padding.left
                    && x - padding.left < width
                {
                    let pixel = (image * height + y - padding.top) * width + x - padding.left;
                    *steps = &self.rows.x[pixel * channels..][..channels];
                }
            }
            let mut channel = 0;
            while channel < channels {
                let to = &mut self.patches[(tile - self.tiles.start) * channels + channel..];
                patch(&pixels, channel, to, self.tiles.len() * channels);
                channel += CHANNELS;
            }
        }
    }

    /// The sums of one panel, (products, tiles, width).
    #[inline(always)]
    fn multiply(&mut self, panel: usize) {
        let (tiles, channels) = (self.tiles.len(), self.rows.sizes.in_channels);
        let zeros = [0; WIDEST];
        for product in 0..PRODUCTS {
            let weights = &self.winograd.products[product];
            let width = weights.width();
            let values = &weights.values[panel * weights.len()..][..weights.len()];
            let patches = &self.patches[product * tiles * channels..][..tiles * channels];
            let sums = &mut self.sums[product * tiles * width..][..tiles * width];
            let mut row = 0;
            while row < tiles {
                let block = D::ROWS.min(tiles - row);
                let x = &patches[row * channels..][..block * channels];
                let sums = &mut sums[row * width..][..block * width];
                // SAFETY: rows, panel and sums were just cut out. Channels are whole runs, and a panel is no wider than the
                // zeros. The CPU has the instructions, as this runs.
                unsafe {
                    Block::<D> {
                        runs: weights.runs(),
                        x: x.as_ptr(),
                        stride: channels,
                        panel: values.as_ptr(),
                        start: zeros.as_ptr(),
                        sums: sums.as_mut_ptr(),
                        sums_stride: width,
                    }
                    .multiply(block, weights.vectors);
                }
                row += block;
            }
        }
    }

    /// The outputs of one panel.
    #[inline(always)]
    fn finish(&self, panel: usize) {
        let sizes = self.rows.sizes;
        let weights = &self.winograd.products[0];
        let width = weights.width();
        let [height, columns] = sizes.output;
        for tile in self.tiles.clone() {
            let [image, row, column] = self.place(tile);
            let [rows, in_row] = [OUTPUTS.min(height - row), OUTPUTS.min(columns - column)];
            let mut lane = 0;
            while lane < width {
                let first = panel * width + lane;
                if first >= weights.outputs {
                    break;
                }
                let count = SUMS.min(weights.outputs - first);
                let (Some(middle), Some(start)) =
                    (self.winograd.middle[first..].first_chunk(), self.start[first..].first_chunk())
                else {
                    break;
                };
                let products = &self.sums[(tile - self.tiles.start) * width + lane..];
                let sums = outputs(products, self.tiles.len() * width, middle, start);
                let multiplier = &self.multiplier[first..first + SUMS];
                for y in 0..rows {
                    for x in 0..in_row {
                        let pixel = (image * height + row + y) * columns + column + x;
                        let place = pixel * sizes.out_channels + first;
                        // SAFETY: no other piece has this tile and panel.
                        unsafe { self.finish.finish::<D>(&sums[y * OUTPUTS + x], multiplier, place, count) };
                    }
                }
                lane += SUMS;
            }
        }
    }
}

impl<D: Dot> std::fmt::Debug for Winograd<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Winograd").field("panels", &self.products.first()).finish_non_exhaustive()
    }
}
