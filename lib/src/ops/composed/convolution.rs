use candle_core::{Device, Error, Result, Tensor};

use super::super::columns::Convolution;
use super::super::precision::Precision;
use super::super::window::Padding;
use super::grid_index;
use super::sums::{channel_sums, short_sums};
use super::weighted;
use super::weighted::Gradients;

/// [`super::super::conv2d`] of any device.
pub(in super::super) fn conv2d(
    sizes: Convolution,
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
) -> Result<Tensor> {
    #[cfg(feature = "cuda")]
    if super::super::cuda::computes(&[x, weight]) {
        return super::super::cuda::conv2d(sizes, x, weight, bias);
    }
    let (held, columns) =
        (bias.map(Tensor::detach), Columns { sizes, most: COLUMN_VALUES, precision: Precision::current() });
    let y = columns.forward(&x.detach(), &weight.detach(), held.as_ref())?;
    let gradients = Gradients {
        input: Box::new(move |weight, dy| columns.input_gradient(weight, dy, None)),
        weight: Box::new(move |x, dy| columns.weight_gradient(x, dy)),
        bias: bias_gradient,
    };
    weighted("conv2d", (x, weight, bias), y, gradients)
}

/// [`super::super::conv_transpose2d`] of any device; `sizes` are those of the convolution that it is
/// the gradient of.
pub(in super::super) fn conv_transpose2d(
    sizes: Convolution,
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
) -> Result<Tensor> {
    #[cfg(feature = "cuda")]
    if super::super::cuda::computes(&[x, weight]) {
        return super::super::cuda::conv_transpose2d(sizes, x, weight, bias);
    }
    let (held, columns) =
        (bias.map(Tensor::detach), Columns { sizes, most: COLUMN_VALUES, precision: Precision::current() });
    let y = columns.input_gradient(&weight.detach(), &x.detach(), held.as_ref())?;
    let gradients = Gradients {
        input: Box::new(move |weight, dy| columns.forward(dy, weight, None)),
        weight: Box::new(move |x, dy| columns.weight_gradient(dy, x)),
        bias: bias_gradient,
    };
    weighted("conv_transpose2d", (x, weight, bias), y, gradients)
}

pub(in super::super) fn bias_gradient(dy: &Tensor) -> Result<Tensor> {
    channel_sums(&dy.flatten_from(2)?)
}

/// Values of the columns that are there at a time: 1 GiB of f32.
const COLUMN_VALUES: usize = 1 << 28;

/// A convolution as products with the pixels under its windows, the columns.
///
/// Everywhere: G groups of Cg and Og channels, P output positions, K elements of the window. Channels
/// come last, so that a pixel's are picked together, and one product takes a whole block of images.
#[derive(Clone, Copy)]
pub(super) struct Columns {
    pub(super) sizes: Convolution,
    /// Values of the columns that are there at a time.
    pub(super) most: usize,
    pub(super) precision: Precision,
}

impl Columns {
    pub(super) fn forward(&self, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
        let weight = self.weight_matrix(weight)?;
        let pixels = self.sizes.pixels_under_windows(x.device())?;
        self.over_images(|first, images| {
            let columns = self.columns(&x.narrow(0, first, images)?, pixels.as_ref())?;
            let y = self.precision.matmul(&columns, &weight)?; // (G, B·P, Og)
            channels_first(&y, images, self.sizes.output, bias)
        })
    }

    /// The transposed convolution of `dy`, plus `bias`.
    pub(super) fn input_gradient(
        &self,
        weight: &Tensor,
        dy: &Tensor,
        bias: Option<&Tensor>,
    ) -> Result<Tensor> {
        let Convolution { groups, input, .. } = self.sizes;
        let (depth, positions) = (self.sizes.in_channels / groups, self.sizes.positions());
        let pixels = input[0] * input[1];
        let weight = self.weight_matrix(weight)?;
        let places = self.sizes.places_over_pixels(dy.device())?;
        self.over_images(|first, images| {
            let dy = self.channels_last(&dy.narrow(0, first, images)?)?; // (G, B, P, Og)
            let dy = dy.reshape((groups, images * positions, ()))?;
            let columns = self.precision.matmul(&dy, &weight.transpose(1, 2)?)?; // (G, B·P, K·Cg)
            let columns = columns.reshape((groups, images, (), depth))?; // (G, B, P·K, Cg)
            let dx = match &places {
                None => columns,
                Some(places) => {
                    let picked = columns.index_select(places, 2)?;
                    short_sums(&picked.reshape((groups, images * pixels, (), depth))?, 2)?
                }
            };
            channels_first(&dx.reshape((groups, images * pixels, depth))?, images, input, bias)
        })
    }

    pub(super) fn weight_gradient(&self, x: &Tensor, dy: &Tensor) -> Result<Tensor> {
        let Convolution { groups, in_channels, out_channels, .. } = self.sizes;
        let pixels = self.sizes.pixels_under_windows(x.device())?;
        let mut sum: Option<Tensor> = None;
        for (first, images) in self.blocks() {
            let columns = self.columns(&x.narrow(0, first, images)?, pixels.as_ref())?;
            let dy = self.channels_last(&dy.narrow(0, first, images)?)?;
            let dy = dy.reshape((groups, images * self.sizes.positions(), ()))?;
            let dw = self.precision.matmul(&columns.transpose(1, 2)?, &dy)?; // (G, K·Cg, Og)
            sum = Some(match sum {
                Some(sum) => (sum + dw)?,
                None => dw,
            });
        }
        let sum = sum.ok_or_else(|| Error::Msg("convolution: a batch without images".into()))?;
        let ([height, width], depth) = (self.sizes.window.kernel, in_channels / groups);
        let sum = sum.reshape((groups, height * width, depth, ()))?.permute((0, 3, 2, 1))?;
        sum.contiguous()?.reshape((out_channels, depth, height, width))
    }

    /// Blocks of images: the first one and how many.
    fn blocks(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let values = self.sizes.positions() * self.sizes.elements() * self.sizes.in_channels;
        let (batch, block) = (self.sizes.batch, (self.most / values.max(1)).max(1));
        (0..batch).step_by(block).map(move |first| (first, block.min(batch - first)))
    }

    /// The outputs of all blocks of images.
    fn over_images(&self, compute: impl Fn(usize, usize) -> Result<Tensor>) -> Result<Tensor> {
        let blocks = self.blocks().map(|(first, images)| compute(first, images));
        Tensor::cat(&blocks.collect::<Result<Vec<Tensor>>>()?, 0)
    }

    /// The pixels under the windows, (G, B·P, K·Cg), of images (B, C, H, W).
    fn columns(&self, x: &Tensor, pixels: Option<&Tensor>) -> Result<Tensor> {
        let x = self.channels_last(x)?; // (G, B, H·W, Cg)
        let (groups, batch, _, _) = x.dims4()?;
        let picked = match pixels {
            Some(pixels) => x.index_select(pixels, 2)?, // (G, B, P·K, Cg)
            None => x,
        };
        picked.reshape((groups, batch * self.sizes.positions(), ()))
    }

    /// The weight (O, Cg, KH, KW) as (G, K·Cg, Og).
    fn weight_matrix(&self, weight: &Tensor) -> Result<Tensor> {
        let Convolution { groups, in_channels, .. } = self.sizes;
        let (depth, elements) = (in_channels / groups, self.sizes.elements());
        let weight = weight.contiguous()?.reshape((groups, (), depth, elements))?;
        weight.permute((0, 3, 2, 1))?.contiguous()?.reshape((groups, elements * depth, ()))
    }

    /// Images (B, C, H, W) as (G, B, H·W, C / G).
    fn channels_last(&self, x: &Tensor) -> Result<Tensor> {
        let (batch, channels, height, width) = x.dims4()?;
        let groups = self.sizes.groups;
        let x = x.contiguous()?.reshape((batch, groups, channels / groups, height * width))?;
        x.permute((1, 0, 3, 2))?.contiguous()
    }
}

/// (G, B·H·W, C / G) as images (B, C, H, W), plus `bias`, which comes with the copy for nothing.
fn channels_first(
    x: &Tensor,
    batch: usize,
    [height, width]: [usize; 2],
    bias: Option<&Tensor>,
) -> Result<Tensor> {
    let (groups, _, channels) = x.dims3()?;
    let x = x.reshape((groups, batch, height * width, channels))?.permute((1, 0, 3, 2))?; // (B, G, C / G, H·W)
    let x = match bias {
        Some(bias) => x.broadcast_add(&bias.reshape((1, groups, channels, 1))?)?,
        None => x.contiguous()?,
    };
    x.reshape((batch, groups * channels, height, width))
}

impl Convolution {
    /// Elements of the window.
    fn elements(&self) -> usize {
        self.window.kernel[0] * self.window.kernel[1]
    }

    /// For each output position and element of the window the pixel under it: (P·K). `None` where that
    /// is every pixel in its order.
    fn pixels_under_windows(&self, device: &Device) -> Result<Option<Tensor>> {
        if self.is_pixel_by_pixel() {
            return Ok(None);
        }
        let steps = [self.input[1], 1];
        let [rows, columns] = [0, 1].map(|axis| {
            let under = |position| {
                let taps = 0..self.window.kernel[axis];
                taps.map(|tap| Some(self.pixel(axis, tap, position)? * steps[axis])).collect()
            };
            (0..self.output[axis]).map(under).collect::<Vec<Vec<Option<usize>>>>()
        });
        grid_index(&rows, &columns, device).map(Some)
    }

    /// For each pixel the places of the columns (P·K) that hold it, as many for each pixel: (H·W·…).
    /// `None` where each has its own, in their order.
    fn places_over_pixels(&self, device: &Device) -> Result<Option<Tensor>> {
        if self.is_pixel_by_pixel() {
            return Ok(None);
        }
        let elements = self.elements();
        // A place is the sum of a row's and a column's part.
        let positions = [self.output[1] * elements, elements];
        let taps = [self.window.kernel[1], 1];
        let [rows, columns] = [0, 1].map(|axis| {
            let mut over = vec![Vec::new(); self.input[axis]];
            for position in 0..self.output[axis] {
                for tap in 0..self.window.kernel[axis] {
                    if let Some(pixel) = self.pixel(axis, tap, position) {
                        over[pixel].push(Some(position * positions[axis] + tap * taps[axis]));
                    }
                }
            }
            let longest = over.iter().map(Vec::len).max().unwrap_or(0).max(1);
            over.iter_mut().for_each(|places| places.resize(longest, None));
            over
        });
        grid_index(&rows, &columns, device).map(Some)
    }

    /// The pixel under an element of the window, if it is one of the image's.
    fn pixel(&self, axis: usize, tap: usize, position: usize) -> Option<usize> {
        let sliding = self.window.sliding;
        let padded = position * sliding.stride[axis] + tap * sliding.dilation[axis];
        padded.checked_sub(sliding.padding.sides()[axis][0]).filter(|&pixel| pixel < self.input[axis])
    }

    /// Whether each output position looks at the one pixel at the same place.
    fn is_pixel_by_pixel(&self) -> bool {
        self.window.kernel == [1, 1]
            && self.input == self.output
            && self.window.sliding.padding == Padding::default()
    }
}
