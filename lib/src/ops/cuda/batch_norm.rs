use candle_core::{DType, Result, Tensor, Var};

use super::super::batch_norm::BatchNormConfig;
use super::super::composed::{Backward, differentiable, inverse_std, move_running};
use super::launch::{Arguments, Grid, Kernel, Written, run_for};

const SOURCE: (&str, &str) = ("batch_norm", include_str!("kernels/batch_norm.cu"));
const MOMENTS: Kernel = Kernel { name: "moments", source: SOURCE };
const NORMALIZE: Kernel = Kernel { name: "normalize", source: SOURCE };
const PARAMETERS: Kernel = Kernel { name: "parameters", source: SOURCE };
const INPUT: Kernel = Kernel { name: "input", source: SOURCE };

/// [`super::super::batch_norm_train`] on a GPU; a channel has `count` values.
pub(in super::super) fn batch_norm_train(
    [x, weight, bias]: [&Tensor; 3],
    running: (&Var, &Var),
    config: BatchNormConfig,
    count: usize,
) -> Result<Tensor> {
    let norm = Norm::of(x)?;
    let held = x.detach().contiguous()?;
    let arguments = Arguments {
        inputs: &[&held],
        outputs: &[(&norm.per_channel(), Written::Values), (&norm.per_channel(), Written::Values)],
        ints: &norm.ints(),
        ..Arguments::default()
    };
    let [mean, var] = run_for(MOMENTS, norm.dtype, norm.channel_blocks(), &arguments)?;
    move_running(running, (&mean, &var), config.momentum, count)?;
    let inverse = inverse_std(&var, config.eps)?;
    let y = norm.normalize(&held, &mean, &inverse, [weight, bias])?;
    differentiable("batch_norm", [x, weight, bias], y, move |given| {
        let [dw, db] = norm.parameters(given, &mean, &inverse)?;
        let dx = given.of(0, || {
            let [x, weight, _] = &given.inputs;
            let inputs = [&x.contiguous()?, &mean, &inverse, &weight.contiguous()?, &given.dy, &dw, &db];
            let arguments = Arguments {
                inputs: &inputs,
                outputs: &[(given.dy.dims(), Written::Values)],
                ints: &norm.ints(),
                ..Arguments::default()
            };
            let [dx] = run_for(INPUT, norm.dtype, norm.rows(), &arguments)?;
            Ok(dx)
        })?;
        Ok([dx, Some(dw), Some(db)])
    })
}

/// [`super::super::batch_norm_eval`] on a GPU.
pub(in super::super) fn batch_norm_eval(
    [x, weight, bias]: [&Tensor; 3],
    (mean, var): (&Tensor, &Tensor),
    config: BatchNormConfig,
) -> Result<Tensor> {
    let norm = Norm::of(x)?;
    let (mean, inverse) = (mean.detach().contiguous()?, inverse_std(&var.detach(), config.eps)?);
    let y = norm.normalize(&x.detach().contiguous()?, &mean, &inverse, [weight, bias])?;
    differentiable("batch_norm", [x, weight, bias], y, move |given| {
        let dx = given.of(0, || {
            let nothing = mean.zeros_like()?;
            norm.normalize(&given.dy, &nothing, &inverse, [&given.inputs[1], &nothing])
        })?;
        if !given.wanted[1] && !given.wanted[2] {
            return Ok([dx, None, None]);
        }
        let [dw, db] = norm.parameters(given, &mean, &inverse)?;
        Ok([dx, Some(dw), Some(db)])
    })
}

/// The sizes of x (B, C, P).
#[derive(Debug, Clone, Copy)]
struct Norm {
    dtype: DType,
    batch: usize,
    channels: usize,
    values: usize,
}

impl Norm {
    fn of(x: &Tensor) -> Result<Norm> {
        let (batch, channels) = (x.dim(0)?, x.dim(1)?);
        Ok(Norm { dtype: x.dtype(), batch, channels, values: x.elem_count() / (batch * channels) })
    }

    fn ints(&self) -> [i32; 3] {
        [self.batch as i32, self.channels as i32, self.values as i32]
    }

    fn per_channel(&self) -> [usize; 1] {
        [self.channels]
    }

    fn rows(&self) -> Grid {
        Grid::Rows(self.batch * self.channels, self.values)
    }

    fn channel_blocks(&self) -> Grid {
        Grid::Blocks(self.channels, self.batch * self.values)
    }

    fn normalize(
        &self,
        x: &Tensor,
        mean: &Tensor,
        inverse: &Tensor,
        [weight, bias]: [&Tensor; 2],
    ) -> Result<Tensor> {
        let inputs = [x, mean, inverse, &weight.detach().contiguous()?, &bias.detach().contiguous()?];
        let arguments = Arguments {
            inputs: &inputs,
            outputs: &[(x.dims(), Written::Values)],
            ints: &self.ints(),
            ..Arguments::default()
        };
        let [y] = run_for(NORMALIZE, self.dtype, self.rows(), &arguments)?;
        Ok(y)
    }

    /// The gradients of weight and bias.
    fn parameters(&self, given: &Backward<3>, mean: &Tensor, inverse: &Tensor) -> Result<[Tensor; 2]> {
        let arguments = Arguments {
            inputs: &[&given.inputs[0].contiguous()?, mean, inverse, &given.dy],
            outputs: &[(&self.per_channel(), Written::Values), (&self.per_channel(), Written::Values)],
            ints: &self.ints(),
            ..Arguments::default()
        };
        run_for(PARAMETERS, self.dtype, self.channel_blocks(), &arguments)
    }
}
