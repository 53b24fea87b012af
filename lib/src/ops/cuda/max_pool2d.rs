use candle_core::{Result, Tensor};

use super::super::composed::differentiable;
use super::super::max_pool2d::MaxPool2d;
use super::launch::{Arguments, Grid, Kernel, Written, run_for};
use super::sizes::Sizes;

const SOURCE: (&str, &str) = ("max_pool2d", include_str!("kernels/max_pool2d.cu"));
const MAX_POOL2D: Kernel = Kernel { name: "max_pool2d", source: SOURCE };
const INPUT: Kernel = Kernel { name: "max_pool2d_input", source: SOURCE };

/// [`super::super::max_pool2d`] on a GPU.
pub(in super::super) fn max_pool2d(pool: &MaxPool2d, x: &Tensor) -> Result<Tensor> {
    let (batch, channels, height, width) = x.dims4()?;
    let [rows, columns] = pool.output;
    let sizes = Sizes::of_window(&pool.window, [batch, channels], pool.input, pool.output);
    let (input, output) = ([batch, channels, height, width], [batch, channels, rows, columns]);
    let arguments = Arguments {
        inputs: &[&x.detach().contiguous()?],
        outputs: &[(&output, Written::Values), (&output, Written::Places)],
        sizes: Some(sizes),
        ..Arguments::default()
    };
    let [y, places] =
        run_for(MAX_POOL2D, x.dtype(), Grid::Rows(batch * channels, rows * columns), &arguments)?;
    differentiable("max_pool2d", [x], y, move |given| {
        let arguments = Arguments {
            inputs: &[&given.dy, &places],
            outputs: &[(&input, Written::Values)],
            sizes: Some(sizes),
            ..Arguments::default()
        };
        let grid = Grid::Rows(batch * channels, height * width);
        let [dx] = run_for(INPUT, given.dy.dtype(), grid, &arguments)?;
        Ok([Some(dx)])
    })
}
