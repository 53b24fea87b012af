//! Convolutions with 3 × 3 windows in a quarter of the multiplications (Winograd 1980; Lavin and Gray 2016): tiles of
//! 4 × 4 outputs are computed in a space where the convolution is a product for each of 36 places.
//!
//! In f32, for images of at least [`TILES`] tiles and [`CHANNELS`] channels. The results differ from the sums of the
//! definition by rounding: by less than 1e-5 of the largest value, and 2e-5 in the gradient of the weight, which sums over
//! many tiles.

mod forward;
mod gradient;
mod layout;
mod transform;

use pulp::Simd;

use super::columns::Convolution;
use super::micro::panel;
use super::simd::dispatch;
use forward::Run;
use gradient::RunGradient;
use layout::Space;

/// Outputs of a tile, and pixels under it, in one direction.
const OUTPUTS: usize = 4;
const PIXELS: usize = 6;
/// Places of a tile in the space of the products.
const PLACES: usize = PIXELS * PIXELS;
/// Fewer channels, in or out, do not pay for the transforms.
const CHANNELS: usize = 16;
/// Images of fewer tiles do not pay for the transform of the weights.
const TILES: usize = 16;
/// Tiles that a thread should have for a product worth its while.
const UNIT_TILES: usize = 32;
/// The same for the gradient of the weight, whose sums run over tiles.
const GRADIENT_TILES: usize = 128;

/// A convolution that tiles can compute: stride and dilation 1.
#[derive(Debug, Clone, Copy)]
pub(super) struct Winograd {
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
        let winograd = Winograd::can(convolution)?;
        // Otherwise too much of a tile is thrown away.
        let filled = winograd.output.iter().all(|&side| side % OUTPUTS == 0 || side >= 3 * OUTPUTS);
        // Each thread takes whole images, so there must be some.
        let units = winograd.batch / winograd.unit_images(UNIT_TILES);
        let pays = winograd.channels.iter().all(|&channels| channels >= CHANNELS)
            && winograd.tiles() >= TILES
            && filled
            && units >= 4;
        pays.then_some(winograd)
    }

    /// The same convolution by tiles, where that can be.
    fn can(convolution: &Convolution) -> Option<Winograd> {
        let Convolution { batch, in_channels, out_channels, groups, input, output, window } = *convolution;
        let sliding = window.sliding;
        let [[top, bottom], [left, right]] = sliding.padding.sides();
        let fits = groups == 1
            && window.kernel == [3, 3]
            && sliding.stride == [1, 1]
            && sliding.dilation == [1, 1]
            // Of its gradient the padding is the rest to 2.
            && top.max(bottom).max(left).max(right) <= 2;
        let channels = [in_channels, out_channels];
        fits.then_some(Winograd { batch, channels, input, output, padding: [top, left] })
    }

    fn tiles(&self) -> usize {
        self.output[0].div_ceil(OUTPUTS) * self.output[1].div_ceil(OUTPUTS)
    }

    /// Images that hold about so many tiles.
    fn unit_images(&self, tiles: usize) -> usize {
        (tiles / self.tiles().max(1)).max(1)
    }

    fn input_space(&self) -> Space {
        Space {
            sides: self.output.map(|side| side.div_ceil(OUTPUTS) * OUTPUTS + PIXELS - OUTPUTS),
            offset: self.padding,
        }
    }

    fn output_space(&self) -> Space {
        Space { sides: self.output.map(|side| side.div_ceil(OUTPUTS) * OUTPUTS), offset: [0, 0] }
    }

    /// The convolution whose input is the gradient of this one's output, and whose output that of its input.
    fn transposed(&self) -> Winograd {
        let [inputs, outputs] = self.channels;
        Winograd {
            batch: self.batch,
            channels: [outputs, inputs],
            input: self.output,
            output: self.input,
            padding: self.padding.map(|padding| 2 - padding),
        }
    }

    /// The convolution of `x` with `weight` (O, C, 3, 3), plus `bias`.
    pub(super) fn forward(&self, x: &[f32], weight: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
        let inputs = self.channels[0];
        dispatch(Run {
            winograd: *self,
            x,
            bias,
            weight: |out, channel, tap| weight[(out * inputs + channel) * 9 + tap],
        })
    }

    /// The gradient of `x`.
    pub(super) fn input_gradient(&self, weight: &[f32], dy: &[f32]) -> Vec<f32> {
        let inputs = self.channels[0];
        // Turned by half, and the channels changed about.
        let turned = |out: usize, channel: usize, tap: usize| weight[(channel * inputs + out) * 9 + 8 - tap];
        dispatch(Run { winograd: self.transposed(), x: dy, bias: None, weight: turned })
    }

    /// The gradient of the weight, (O, C, 3, 3).
    pub(super) fn weight_gradient(&self, x: &[f32], dy: &[f32]) -> Vec<f32> {
        dispatch(RunGradient { winograd: *self, x, dy })
    }
}

/// What one thread works in.
#[derive(Default)]
struct Scratch {
    pixels: Vec<f32>,
    outputs: Vec<f32>,
    spread: Vec<f32>,
    products: Vec<f32>,
}

/// So many channels, filled up with zeros to whole panels and vectors.
fn padded<S: Simd>(channels: usize) -> usize {
    channels.next_multiple_of(panel::<S>())
}

#[cfg(test)]
mod tests;
