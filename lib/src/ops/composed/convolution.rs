use candle_core::{Result, Tensor};

use super::super::columns::Convolution;
use super::grid_index;
use super::sums::channel_sums;
use super::weighted;
use super::weighted::Gradients;

/// [`super::super::conv2d`] of any device.
pub(in super::super) fn conv2d(
    sizes: Convolution,
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
) -> Result<Tensor> {
    let bias_held = bias.map(Tensor::detach);
    let y = forward(&sizes, &x.detach(), &weight.detach(), bias_held.as_ref())?;
    let gradients = Gradients {
        input: Box::new(move |weight, dy| input_gradient(&sizes, weight, dy, None)),
        weight: Box::new(move |x, dy| weight_gradient(&sizes, x, dy)),
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
    let bias_held = bias.map(Tensor::detach);
    let y = input_gradient(&sizes, &weight.detach(), &x.detach(), bias_held.as_ref())?;
    let gradients = Gradients {
        input: Box::new(move |weight, dy| forward(&sizes, dy, weight, None)),
        weight: Box::new(move |x, dy| weight_gradient(&sizes, dy, x)),
        bias: bias_gradient,
    };
    weighted("conv_transpose2d", (x, weight, bias), y, gradients)
}

fn bias_gradient(dy: &Tensor) -> Result<Tensor> {
    channel_sums(&dy.flatten_from(2)?)
}

/// Values of the columns that are there at a time: 1 GiB of f32.
const COLUMN_VALUES: usize = 1 << 28;

// Everywhere: G groups of Cg and Og channels, P output positions, K elements of the window. Channels
// come last, so that a pixel's are picked together, and one product takes the whole batch.

fn forward(sizes: &Convolution, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let weight = weight_matrix(sizes, weight)?;
    let pixels = pixels_under_windows(sizes, x)?;
    let bias = match bias {
        Some(bias) => Some(bias.reshape((1, (), 1))?),
        None => None,
    };
    let [height, width] = sizes.output;
    over_images(sizes, |first, images| {
        let columns = columns(sizes, &channels_last(sizes, &x.narrow(0, first, images)?)?, pixels.as_ref())?;
        let y = columns.matmul(&weight)?; // (G, B·P, Og)
        let y = channels_first(&y, sizes.groups, images)?; // (B, O, P)
        let y = match &bias {
            Some(bias) => y.broadcast_add(bias)?,
            None => y.contiguous()?,
        };
        y.reshape((images, sizes.out_channels, height, width))
    })
}

/// The transposed convolution of `dy`, plus `bias`.
fn input_gradient(
    sizes: &Convolution,
    weight: &Tensor,
    dy: &Tensor,
    bias: Option<&Tensor>,
) -> Result<Tensor> {
    let weight = weight_matrix(sizes, weight)?;
    let depth = sizes.in_channels / sizes.groups;
    let elements = sizes.window.kernel[0] * sizes.window.kernel[1];
    let (index, terms) = windows_over_pixels(sizes, dy)?;
    let bias = match bias {
        Some(bias) => Some(bias.reshape((1, (), 1))?),
        None => None,
    };
    let [height, width] = sizes.input;
    over_images(sizes, |first, images| {
        let dy = channels_last(sizes, &dy.narrow(0, first, images)?)?; // (G, B, P, Og)
        let dy = dy.reshape((sizes.groups, images * sizes.positions(), ()))?;
        let columns = dy.matmul(&weight.transpose(1, 2)?)?; // (G, B·P, K·Cg)
        let columns = columns.reshape((sizes.groups, images, sizes.positions() * elements, depth))?;
        let dx = match &index {
            None => columns,
            Some(index) => {
                let picked = columns.index_select(index, 2)?;
                picked.reshape((sizes.groups, images, height * width, terms, depth))?.sum(3)?
            }
        };
        let dx = dx.reshape((sizes.groups, images * height * width, depth))?;
        let dx = channels_first(&dx, sizes.groups, images)?; // (B, C, H·W)
        let dx = match &bias {
            Some(bias) => dx.broadcast_add(bias)?,
            None => dx.contiguous()?,
        };
        dx.reshape((images, sizes.in_channels, height, width))
    })
}

fn weight_gradient(sizes: &Convolution, x: &Tensor, dy: &Tensor) -> Result<Tensor> {
    let pixels = pixels_under_windows(sizes, x)?;
    let mut sum: Option<Tensor> = None;
    for (first, images) in image_blocks(sizes) {
        let columns = columns(sizes, &channels_last(sizes, &x.narrow(0, first, images)?)?, pixels.as_ref())?;
        let dy = channels_last(sizes, &dy.narrow(0, first, images)?)?;
        let dy = dy.reshape((sizes.groups, images * sizes.positions(), ()))?;
        let dw = columns.transpose(1, 2)?.matmul(&dy)?; // (G, K·Cg, Og)
        sum = Some(match sum {
            Some(sum) => (sum + dw)?,
            None => dw,
        });
    }
    let [height, width] = sizes.window.kernel;
    let depth = sizes.in_channels / sizes.groups;
    let sum = sum.ok_or_else(|| candle_core::Error::Msg("conv2d: a batch without images".into()))?;
    let sum = sum.reshape((sizes.groups, height * width, depth, sizes.group_outputs()))?;
    sum.permute((0, 3, 2, 1))?.contiguous()?.reshape((sizes.out_channels, depth, height, width))
}

/// Blocks of images: the first one and how many.
fn image_blocks(sizes: &Convolution) -> impl Iterator<Item = (usize, usize)> + use<> {
    let elements = sizes.window.kernel[0] * sizes.window.kernel[1];
    let positions = sizes.positions() * elements;
    let (batch, block) = (sizes.batch, (COLUMN_VALUES / (positions * sizes.in_channels).max(1)).max(1));
    (0..batch).step_by(block).map(move |first| (first, block.min(batch - first)))
}

/// The output of all blocks of images.
fn over_images(sizes: &Convolution, compute: impl Fn(usize, usize) -> Result<Tensor>) -> Result<Tensor> {
    let blocks: Vec<Tensor> =
        image_blocks(sizes).map(|(first, images)| compute(first, images)).collect::<Result<_>>()?;
    Tensor::cat(&blocks, 0)
}

/// The weight (O, Cg, KH, KW) as (G, K·Cg, Og).
fn weight_matrix(sizes: &Convolution, weight: &Tensor) -> Result<Tensor> {
    let elements = sizes.window.kernel[0] * sizes.window.kernel[1];
    let depth = sizes.in_channels / sizes.groups;
    let weight = weight.contiguous()?.reshape((sizes.groups, sizes.group_outputs(), depth, elements))?;
    weight.permute((0, 3, 2, 1))?.contiguous()?.reshape((sizes.groups, elements * depth, ()))
}

/// Images (B, C, H, W) as (G, B, H·W, C / G).
fn channels_last(sizes: &Convolution, x: &Tensor) -> Result<Tensor> {
    let (batch, channels, height, width) = x.dims4()?;
    let x = x.contiguous()?.reshape((batch, sizes.groups, channels / sizes.groups, height * width))?;
    x.permute((1, 0, 3, 2))?.contiguous()
}

/// (G, B·P, C / G) as (B, C, P), not contiguous where it can be a view.
fn channels_first(x: &Tensor, groups: usize, batch: usize) -> Result<Tensor> {
    let (_, rows, channels) = x.dims3()?;
    let x = x.reshape((groups, batch, rows / batch, channels))?.permute((1, 0, 3, 2))?; // (B, G, C / G, P)
    if groups == 1 { x.squeeze(1) } else { x.flatten(1, 2) }
}

/// The pixels under the windows, (G, B·P, K·Cg), of images (G, B, H·W, Cg).
fn columns(sizes: &Convolution, x: &Tensor, pixels: Option<&Tensor>) -> Result<Tensor> {
    let (groups, batch, _, depth) = x.dims4()?;
    let elements = sizes.window.kernel[0] * sizes.window.kernel[1];
    let picked = match pixels {
        Some(pixels) => x.index_select(pixels, 2)?, // (G, B, P·K, Cg)
        None => x.clone(),
    };
    picked.reshape((groups, batch * sizes.positions(), elements * depth))
}

/// For each output position and element of the window the pixel under it: (P·K). `None` where that is
/// every pixel in its order, as for a window of one pixel.
fn pixels_under_windows(sizes: &Convolution, x: &Tensor) -> Result<Option<Tensor>> {
    if is_pointwise(sizes) {
        return Ok(None);
    }
    let width = sizes.input[1];
    let [rows, columns] = [0, 1].map(|axis| {
        let of_position = |position| {
            let step = if axis == 0 { width } else { 1 };
            let taps = 0..sizes.window.kernel[axis];
            taps.map(|tap| pixel(sizes, axis, tap, position).map(|pixel| pixel * step)).collect()
        };
        (0..sizes.output[axis]).map(of_position).collect::<Vec<Vec<Option<usize>>>>()
    });
    grid_index(&rows, &columns, x.device()).map(Some)
}

/// For each pixel the places of the columns (P·K) that hold it: as many for each pixel, and how many.
fn windows_over_pixels(sizes: &Convolution, x: &Tensor) -> Result<(Option<Tensor>, usize)> {
    if is_pointwise(sizes) {
        return Ok((None, 1));
    }
    let [kernel_height, kernel_width] = sizes.window.kernel;
    let elements = kernel_height * kernel_width;
    // A place is the sum of a row's and a column's part.
    let steps = [[sizes.output[1] * elements, kernel_width], [elements, 1]];
    let [rows, columns] = [0, 1].map(|axis| {
        let mut over = vec![Vec::new(); sizes.input[axis]];
        for position in 0..sizes.output[axis] {
            for tap in 0..sizes.window.kernel[axis] {
                if let Some(pixel) = pixel(sizes, axis, tap, position) {
                    over[pixel].push(Some(position * steps[axis][0] + tap * steps[axis][1]));
                }
            }
        }
        let longest = over.iter().map(Vec::len).max().unwrap_or(0).max(1);
        over.iter_mut().for_each(|places| places.resize(longest, None));
        over
    });
    let terms = rows.first().map_or(1, Vec::len) * columns.first().map_or(1, Vec::len);
    Ok((Some(grid_index(&rows, &columns, x.device())?), terms))
}

/// The pixel under an element of the window, if it is one of the image's.
fn pixel(sizes: &Convolution, axis: usize, tap: usize, position: usize) -> Option<usize> {
    let sliding = sizes.window.sliding;
    let padded = position * sliding.stride[axis] + tap * sliding.dilation[axis];
    padded.checked_sub(sliding.padding.sides()[axis][0]).filter(|&pixel| pixel < sizes.input[axis])
}

fn is_pointwise(sizes: &Convolution) -> bool {
    sizes.window.kernel == [1, 1]
        && sizes.window.sliding.padding.sides() == [[0, 0]; 2]
        && sizes.input == sizes.output
}
