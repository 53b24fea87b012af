//! The rows of single operators.

use candle_core::{DType, Device, Tensor, Var};
use sconce::nn::backward_from;
use sconce::ops::{self, Activation, BatchNormConfig, Rounding, Sliding};
use sconce::{Result, Seed};

use super::Failed;
use super::row::Rows;

/// Values from a seed in `[-1, 1)`.
pub fn values(name: &str, dims: &[usize], device: &Device) -> Result<Tensor> {
    let mut rng = Seed(1).derive(name).rng();
    let values: Vec<f32> = (0..dims.iter().product()).map(|_| 2.0 * rng.uniform_f32() - 1.0).collect();
    Ok(Tensor::from_vec(values, dims, device)?)
}

fn var(name: &str, dims: &[usize], device: &Device) -> Result<Var> {
    Ok(Var::from_tensor(&values(name, dims, device)?)?)
}

/// Batch, channels in, side, channels out, kernel, stride, padding, groups.
const CONVOLUTIONS: [[usize; 8]; 9] = [
    [32, 3, 32, 64, 3, 1, 1, 1],
    [32, 64, 32, 64, 3, 1, 1, 1],
    [32, 128, 16, 128, 3, 1, 1, 1],
    [32, 256, 8, 256, 3, 1, 1, 1],
    [32, 512, 4, 512, 3, 1, 1, 1],
    [8, 3, 224, 64, 7, 2, 3, 1],
    [8, 256, 56, 64, 1, 1, 0, 1],
    [8, 128, 56, 128, 3, 2, 1, 1],
    [8, 96, 56, 96, 3, 1, 1, 96],
];

pub fn run(rows: &mut Rows) -> std::result::Result<(), Failed> {
    let device = rows.device().clone();
    for [batch, inputs, side, outputs, kernel, stride, padding, groups] in CONVOLUTIONS {
        let name = format!("conv2d/{batch}x{inputs}x{side}x{side}_{outputs}_k{kernel}_s{stride}_g{groups}");
        let sliding = Sliding { stride: [stride; 2], padding: padding.into(), ..Sliding::default() };
        if !rows.wants(&format!("{name}/forward")) && !rows.wants(&format!("{name}/backward")) {
            continue;
        }
        let x = var("x", &[batch, inputs, side, side], &device)?;
        let weight = var("weight", &[outputs, inputs / groups, kernel, kernel], &device)?;
        let (x0, weight0) = (x.as_detached_tensor(), weight.as_detached_tensor());
        rows.row(&format!("{name}/forward"), 6, || ops::conv2d(&x0, &weight0, None, sliding, groups))?;
        let y = ops::conv2d(&x, &weight, None, sliding, groups)?;
        let dy = values("dy", y.dims(), &device)?;
        rows.row(&format!("{name}/backward"), 6, || backward_from(&y, &dy))?;
    }
    for [m, k, n] in [[1024, 1024, 1024], [6304, 192, 768], [1576, 768, 3072]] {
        let (a, b) = (values("a", &[m, k], &device)?, values("b", &[k, n], &device)?);
        rows.row(&format!("matmul/{m}x{k}x{n}"), 8, || ops::matmul(&a, &b))?;
    }
    norms(rows)?;
    let x = var("x", &[8, 64, 112, 112], &device)?;
    let sliding = Sliding { stride: [2, 2], padding: 1.into(), ..Sliding::default() };
    let pool = |x: &Tensor| ops::max_pool2d(x, [3, 3], sliding, Rounding::Floor);
    let name = "max_pool2d/8x64x112x112_k3_s2_p1";
    rows.row(&format!("{name}/forward"), 10, || pool(&x.as_detached_tensor()))?;
    let y = pool(&x)?;
    let dy = values("dy", y.dims(), &device)?;
    rows.row(&format!("{name}/backward"), 10, || backward_from(&y, &dy))?;
    let q = var("q", &[8, 3, 197, 64], &device)?;
    let name = "attention/8x3x197x64";
    let q0 = q.as_detached_tensor();
    rows.row(&format!("{name}/forward"), 10, || ops::attention(&q0, &q0, &q0))?;
    let y = ops::attention(&q, &q, &q)?;
    let dy = values("dy", y.dims(), &device)?;
    rows.row(&format!("{name}/backward"), 10, || backward_from(&y, &dy))
}

fn norms(rows: &mut Rows) -> std::result::Result<(), Failed> {
    let device = rows.device().clone();
    let ones = |count: usize| Var::ones(count, DType::F32, &device);
    let zeros = |count: usize| Var::zeros(count, DType::F32, &device);
    let x = var("x", &[32, 64, 32, 32], &device)?;
    let (weight, bias, mean, variance) = (ones(64)?, zeros(64)?, zeros(64)?, ones(64)?);
    let norm = || -> Result<Tensor> {
        let config = BatchNormConfig::default();
        let y = ops::batch_norm_train(&x, &weight, &bias, (&mean, &variance), config)?;
        ops::activate(&y, Activation::Relu)
    };
    rows.row("batch_norm_relu/32x64x32x32/forward", 10, norm)?;
    let y = norm()?;
    let dy = values("dy", y.dims(), &device)?;
    rows.row("batch_norm_relu/32x64x32x32/backward", 10, || backward_from(&y, &dy))?;
    let x = var("x", &[8, 197, 768], &device)?;
    let (weight, bias) = (ones(768)?, zeros(768)?);
    let norm = || ops::layer_norm(&x, &weight, &bias, 1e-5);
    rows.row("layer_norm/8x197x768/forward", 10, norm)?;
    let y = norm()?;
    let dy = values("dy", y.dims(), &device)?;
    rows.row("layer_norm/8x197x768/backward", 10, || backward_from(&y, &dy))
}
