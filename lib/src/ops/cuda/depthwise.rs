use candle_core::{Result, Tensor};

use super::super::columns::Convolution;
use super::launch::{Arguments, Grid, Kernel, Written, run_for};
use super::sizes::Sizes;

const SOURCE: (&str, &str) = ("depthwise", include_str!("kernels/depthwise.cu"));
const FORWARD: Kernel = Kernel { name: "depthwise", source: SOURCE };
const INPUT: Kernel = Kernel { name: "depthwise_input", source: SOURCE };
const WEIGHT: Kernel = Kernel { name: "depthwise_weight", source: SOURCE };

/// Whether each group has a single channel that goes in.
pub(super) fn is_depthwise(sizes: &Convolution) -> bool {
    sizes.groups > 1 && sizes.groups == sizes.in_channels
}

pub(super) fn forward(sizes: &Convolution, x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    let Convolution { batch, out_channels, output: [height, width], .. } = *sizes;
    let shape = [batch, out_channels, height, width];
    one(FORWARD, sizes, [x, weight], &shape, Grid::Rows(batch * out_channels, height * width))
}

pub(super) fn input_gradient(sizes: &Convolution, weight: &Tensor, dy: &Tensor) -> Result<Tensor> {
    let Convolution { batch, in_channels, input: [height, width], .. } = *sizes;
    let shape = [batch, in_channels, height, width];
    one(INPUT, sizes, [weight, dy], &shape, Grid::Rows(batch * in_channels, height * width))
}

pub(super) fn weight_gradient(sizes: &Convolution, x: &Tensor, dy: &Tensor) -> Result<Tensor> {
    let [height, width] = sizes.window.kernel;
    let shape = [sizes.out_channels, 1, height, width];
    let blocks = shape.iter().product();
    one(WEIGHT, sizes, [x, dy], &shape, Grid::Blocks(blocks, sizes.all_positions()))
}

fn one(
    kernel: Kernel,
    sizes: &Convolution,
    [a, b]: [&Tensor; 2],
    shape: &[usize],
    grid: Grid,
) -> Result<Tensor> {
    let arguments = Arguments {
        inputs: &[&a.contiguous()?, &b.contiguous()?],
        outputs: &[(shape, Written::Values)],
        sizes: Some(Sizes::of_convolution(sizes, sizes.batch)),
        ..Arguments::default()
    };
    let [result] = run_for(kernel, a.dtype(), grid, &arguments)?;
    Ok(result)
}
