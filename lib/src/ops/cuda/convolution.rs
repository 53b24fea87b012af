use candle_core::{Error, Result, Tensor};

use super::super::columns::Convolution;
use super::super::composed::{Gradients, bias_gradient, weighted};
use super::super::precision::Precision;
use super::depthwise;
use super::launch::{Arguments, Grid, Kernel, Written, run_for};
use super::sizes::Sizes;

const SOURCE: (&str, &str) = ("convolution", include_str!("kernels/convolution.cu"));
const UNFOLD: Kernel = Kernel { name: "unfold", source: SOURCE };
const FOLD: Kernel = Kernel { name: "fold", source: SOURCE };

/// [`super::super::conv2d`] on a GPU.
pub(in super::super) fn conv2d(
    sizes: Convolution,
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
) -> Result<Tensor> {
    let precision = Precision::current();
    let y = with_bias(forward(&sizes, &x.detach(), &weight.detach(), precision)?, bias)?;
    let gradients = Gradients {
        input: Box::new(move |weight, dy| input_gradient(&sizes, weight, dy, precision)),
        weight: Box::new(move |x, dy| weight_gradient(&sizes, x, dy, precision)),
        bias: bias_gradient,
    };
    weighted("conv2d", (x, weight, bias), y, gradients)
}

/// [`super::super::conv_transpose2d`] on a GPU; `sizes` are those of the convolution that it is the gradient of.
pub(in super::super) fn conv_transpose2d(
    sizes: Convolution,
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
) -> Result<Tensor> {
    let precision = Precision::current();
    let y = with_bias(input_gradient(&sizes, &weight.detach(), &x.detach(), precision)?, bias)?;
    let gradients = Gradients {
        input: Box::new(move |weight, dy| forward(&sizes, dy, weight, precision)),
        weight: Box::new(move |x, dy| weight_gradient(&sizes, dy, x, precision)),
        bias: bias_gradient,
    };
    weighted("conv_transpose2d", (x, weight, bias), y, gradients)
}

fn with_bias(y: Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    match bias {
        Some(bias) => y.broadcast_add(&bias.detach().reshape((1, (), 1, 1))?),
        None => Ok(y),
    }
}

/// Everywhere below: G groups of Cg and Og channels, P output positions, K elements of the window.
fn forward(sizes: &Convolution, x: &Tensor, weight: &Tensor, precision: Precision) -> Result<Tensor> {
    if depthwise::is_depthwise(sizes) {
        return depthwise::forward(sizes, x, weight);
    }
    let weight = weight_matrix(sizes, weight)?; // (G, Og, Cg·K)
    over_images(sizes, |first, images| {
        let x = x.narrow(0, first, images)?.contiguous()?;
        match Beside::of(sizes) {
            Beside::Images => {
                let columns = unfold(sizes, &x, Beside::Images)?; // (B, C·K, P)
                let weight = weight.broadcast_as((images, sizes.out_channels, sizes.depth()))?;
                precision.matmul(&weight, &columns)
            }
            Beside::All => {
                let columns = unfold(sizes, &x, Beside::All)?;
                let columns = columns.reshape((sizes.groups, sizes.depth(), ()))?; // (G, Cg·K, B·P)
                images_first(&precision.matmul(&weight, &columns)?, images)
            }
        }?
        .reshape((images, sizes.out_channels, sizes.output[0], sizes.output[1]))
    })
}

fn input_gradient(sizes: &Convolution, weight: &Tensor, dy: &Tensor, precision: Precision) -> Result<Tensor> {
    if depthwise::is_depthwise(sizes) {
        return depthwise::input_gradient(sizes, weight, dy);
    }
    let weight = weight_matrix(sizes, weight)?.transpose(1, 2)?; // (G, Cg·K, Og)
    over_images(sizes, |first, images| {
        let dy = dy.narrow(0, first, images)?.contiguous()?;
        match Beside::of(sizes) {
            Beside::Images => {
                let dy = dy.reshape((images, sizes.out_channels, ()))?;
                let weight = weight.broadcast_as((images, sizes.depth(), sizes.out_channels))?;
                fold(sizes, images, &precision.matmul(&weight, &dy)?, Beside::Images)
            }
            Beside::All => {
                let columns = precision.matmul(&weight, &channels_first(sizes, &dy)?)?; // (G, Cg·K, B·P)
                fold(sizes, images, &columns, Beside::All)
            }
        }
    })
}

fn weight_gradient(sizes: &Convolution, x: &Tensor, dy: &Tensor, precision: Precision) -> Result<Tensor> {
    let [height, width] = sizes.window.kernel;
    let shape = (sizes.out_channels, sizes.in_channels / sizes.groups, height, width);
    if depthwise::is_depthwise(sizes) {
        return depthwise::weight_gradient(sizes, x, dy);
    }
    let mut sum: Option<Tensor> = None;
    for (first, images) in blocks(sizes) {
        let x = x.narrow(0, first, images)?.contiguous()?;
        let dy = channels_first(sizes, &dy.narrow(0, first, images)?)?; // (G, Og, B·P)
        let columns = unfold(sizes, &x, Beside::All)?.reshape((sizes.groups, sizes.depth(), ()))?;
        let part = precision.matmul(&dy, &columns.transpose(1, 2)?)?; // (G, Og, Cg·K)
        sum = Some(match sum {
            Some(sum) => (sum + part)?,
            None => part,
        });
    }
    sum.ok_or_else(|| Error::Msg("convolution: a batch without images".into()))?.reshape(shape)
}

/// What lies beside each other in a row of the columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beside {
    /// The positions of one image: (B, C·K, P). Products give images as they are wanted.
    Images,
    /// Those of all images: (C·K, B·P). Products are large, but their results must be put in order.
    All,
}

impl Beside {
    /// What a product of so many positions is faster with. Groups need theirs together.
    fn of(sizes: &Convolution) -> Beside {
        const ENOUGH: usize = 196;
        if sizes.groups == 1 && sizes.positions() >= ENOUGH { Beside::Images } else { Beside::All }
    }
}

/// The columns of images (B, C, H, W).
fn unfold(sizes: &Convolution, x: &Tensor, beside: Beside) -> Result<Tensor> {
    let (images, positions) = (x.dim(0)?, sizes.positions());
    let rows = sizes.groups * sizes.depth();
    if sizes.is_pointwise() && beside == Beside::Images {
        return x.reshape((images, rows, positions));
    }
    let shape = match beside {
        Beside::Images => [images, rows, positions],
        Beside::All => [rows, images, positions],
    };
    let arguments = Arguments {
        inputs: &[x],
        outputs: &[(&shape, Written::Values)],
        sizes: Some(Sizes::of_convolution(sizes, images)),
        ints: &[i32::from(beside == Beside::All)],
        ..Arguments::default()
    };
    let [columns] = run_for(UNFOLD, x.dtype(), Grid::Rows(images * rows, positions), &arguments)?;
    Ok(columns)
}

/// Images (B, C, H, W) whose pixels are the sums of what stands for them in the columns.
fn fold(sizes: &Convolution, images: usize, columns: &Tensor, beside: Beside) -> Result<Tensor> {
    let [height, width] = sizes.input;
    let shape = [images, sizes.in_channels, height, width];
    if sizes.is_pointwise() && beside == Beside::Images {
        return columns.reshape(&shape);
    }
    let arguments = Arguments {
        inputs: &[columns],
        outputs: &[(&shape, Written::Values)],
        sizes: Some(Sizes::of_convolution(sizes, images)),
        ints: &[i32::from(beside == Beside::All)],
        ..Arguments::default()
    };
    let [x] =
        run_for(FOLD, columns.dtype(), Grid::Rows(images * sizes.in_channels, height * width), &arguments)?;
    Ok(x)
}

/// The weight (O, Cg, KH, KW) as (G, Og, Cg·K).
fn weight_matrix(sizes: &Convolution, weight: &Tensor) -> Result<Tensor> {
    weight.contiguous()?.reshape((sizes.groups, (), sizes.depth()))
}

/// Images (B, O, H, W) as (G, Og, B·P).
fn channels_first(sizes: &Convolution, y: &Tensor) -> Result<Tensor> {
    let y = y.reshape((y.dim(0)?, sizes.out_channels, ()))?.transpose(0, 1)?.contiguous()?; // (O, B, P)
    y.reshape((sizes.groups, sizes.group_outputs(), ()))
}

/// (G, Og, B·P) as (B, O, P).
fn images_first(y: &Tensor, images: usize) -> Result<Tensor> {
    let (groups, outputs, _) = y.dims3()?;
    y.reshape((groups * outputs, images, ()))?.transpose(0, 1)?.contiguous()
}

/// Values of the columns that are there at a time: 1 GiB of f32.
const COLUMN_VALUES: usize = 1 << 28;

/// Blocks of images: the first one and how many.
fn blocks(sizes: &Convolution) -> impl Iterator<Item = (usize, usize)> + use<> {
    let values = sizes.positions() * sizes.depth() * sizes.groups;
    let (batch, block) = (sizes.batch, (COLUMN_VALUES / values.max(1)).max(1));
    (0..batch).step_by(block).map(move |first| (first, block.min(batch - first)))
}

/// The outputs of all blocks of images.
fn over_images(sizes: &Convolution, compute: impl Fn(usize, usize) -> Result<Tensor>) -> Result<Tensor> {
    let parts = blocks(sizes).map(|(first, images)| compute(first, images));
    let mut parts = parts.collect::<Result<Vec<Tensor>>>()?;
    match parts.len() {
        1 => Ok(parts.remove(0)),
        _ => Tensor::cat(&parts, 0),
    }
}
