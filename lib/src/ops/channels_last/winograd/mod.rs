//! Convolutions with 3 × 3 windows in a quarter of the multiplications (Winograd 1980; Lavin and Gray 2016): tiles of
//! 4 × 4 outputs are computed in a space where the convolution is a product for each of 36 places. Where there are few
//! of them, tiles of 2 × 2 outputs and 16 places take less than half of the multiplications, with weights of less than
//! half the size.
//!
//! The results differ from the sums of the definition by rounding: by less than 1e-5 of the largest value, and 2e-5 in
//! the gradient of the weight, which sums over many tiles. A pixel that is no number spreads over its tiles.

mod forward;
mod gradient;
mod space;
mod together;
mod transform;
mod weights;

use crate::ops::columns::Convolution;

pub(super) use forward::forward;
pub(super) use gradient::weight_gradient;

/// Pixels under a tile, in one direction, that are more than its outputs.
const MORE: usize = 2;
/// Fewer channels, in or out, do not pay for the transforms.
const CHANNELS: usize = 16;
/// Fewer tiles of all images do not pay for the transform of the weights.
const TILES: usize = 96;
/// Tiles that a thread should have for a product worth its while.
const UNIT_TILES: usize = 28;
/// Fewer channels do not pay for small tiles.
const SMALL_CHANNELS: usize = 64;

/// A convolution that tiles can compute: stride and dilation 1.
#[derive(Debug, Clone, Copy)]
pub(super) struct Winograd {
    /// Outputs of a tile, in one direction: 4 or 2.
    side: usize,
    batch: usize,
    channels: [usize; 2],
    input: [usize; 2],
    output: [usize; 2],
    /// Zeros above the first row and left of the first column.
    padding: [usize; 2],
}

impl Winograd {
    /// The same convolution by tiles, where that is faster.
    pub(super) fn of(convolution: &Convolution) -> Option<Winograd> {
        [(4, CHANNELS), (2, SMALL_CHANNELS)].into_iter().find_map(|(side, channels)| {
            let winograd = Winograd::can(convolution, side)?;
            // Otherwise too much of a tile is thrown away.
            let filled = winograd.output.iter().all(|&pixels| pixels % side == 0 || pixels >= 3 * side);
            // Each thread takes whole images, so there must be some.
            let units = winograd.batch / winograd.unit_images(UNIT_TILES);
            let pays = winograd.channels.iter().all(|&count| count >= channels)
                && winograd.batch * winograd.tiles() >= TILES
                && filled
                && units >= 4;
            pays.then_some(winograd)
        })
    }

    /// The same convolution by tiles, where that can be.
    fn can(convolution: &Convolution, side: usize) -> Option<Winograd> {
        let Convolution { batch, in_channels, out_channels, groups, input, output, window } = *convolution;
        let sliding = window.sliding;
        let [[top, bottom], [left, right]] = sliding.padding.sides();
        let fits = groups == 1
            && window.kernel == [3, 3]
            && sliding.stride == [1, 1]
            && sliding.dilation == [1, 1]
            && top.max(bottom).max(left).max(right) <= 2;
        let channels = [in_channels, out_channels];
        fits.then_some(Winograd { side, batch, channels, input, output, padding: [top, left] })
    }

    /// Places of a tile in the space of the products.
    fn places(&self) -> usize {
        (self.side + MORE) * (self.side + MORE)
    }

    /// Tiles of an image.
    fn tiles(&self) -> usize {
        self.output[0].div_ceil(self.side) * self.output[1].div_ceil(self.side)
    }

    /// Images that hold about so many tiles.
    fn unit_images(&self, tiles: usize) -> usize {
        tiles.div_ceil(self.tiles().max(1)).clamp(1, self.batch.max(1))
    }

    /// Output pixels that are finished together.
    pub(super) fn step(&self) -> usize {
        self.unit_images(UNIT_TILES) * self.output[0] * self.output[1]
    }
}

/// Cuts each place of `place` values into units of `unit` values, and gives the slices of each unit, one for each place:
/// what one thread writes.
fn by_unit(values: &mut [f32], place: usize, unit: usize) -> Vec<Vec<&mut [f32]>> {
    let places = values.len() / place;
    let mut units: Vec<Vec<_>> = (0..place.div_ceil(unit)).map(|_| Vec::with_capacity(places)).collect();
    for place in values.chunks_exact_mut(place) {
        place.chunks_mut(unit).zip(&mut units).for_each(|(slice, unit)| unit.push(slice));
    }
    units
}

#[cfg(test)]
mod tests;
