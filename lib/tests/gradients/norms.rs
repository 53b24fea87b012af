use candle_core::{DType, Tensor, Var};
use sconce::Result;
use sconce::ops::{self, BatchNormConfig};

use crate::check::{Input, View, check, for_each_case, signed, size};
use crate::gpu::device;

#[test]
fn batch_norm_in_training() -> Result<()> {
    for_each_case("batch_norm_train", |rng| {
        let channels = size(rng, 4);
        let mut dims = vec![1 + size(rng, 3), channels];
        if rng.below(3) > 0 {
            dims.extend([size(rng, 3), size(rng, 3)]);
        }
        let mut x = Input::new(rng, &dims, signed)?;
        // Equal images have the variance 0 in a channel of one pixel, where the gradient is huge.
        while matches!(x.view, View::Broadcast) {
            x = Input::new(rng, &dims, signed)?;
        }
        let [weight, bias] = [Input::new(rng, &[channels], signed)?, Input::new(rng, &[channels], signed)?];
        let running =
            [Var::zeros(channels, DType::F64, &device())?, Var::ones(channels, DType::F64, &device())?];
        let config = BatchNormConfig { eps: 1e-2, ..BatchNormConfig::default() };
        check(rng, &[x, weight, bias], |t| {
            ops::batch_norm_train(&t[0], &t[1], &t[2], (&running[0], &running[1]), config)
        })
    })
}

#[test]
fn batch_norm_in_use() -> Result<()> {
    for_each_case("batch_norm_eval", |rng| {
        let channels = size(rng, 4);
        let dims = [size(rng, 3), channels, size(rng, 4), size(rng, 4)];
        let x = Input::new(rng, &dims, signed)?;
        let [weight, bias] = [Input::new(rng, &[channels], signed)?, Input::new(rng, &[channels], signed)?];
        let mean: Vec<f64> = (0..channels).map(|_| signed(rng)).collect();
        let var: Vec<f64> = (0..channels).map(|_| 0.1 + rng.uniform()).collect();
        let (mean, var) = (Tensor::new(mean, &device())?, Tensor::new(var, &device())?);
        check(rng, &[x, weight, bias], |t| {
            ops::batch_norm_eval(&t[0], &t[1], &t[2], (&mean, &var), BatchNormConfig::default())
        })
    })
}

#[test]
fn layer_norm() -> Result<()> {
    for_each_case("layer_norm", |rng| {
        let mut dims = vec![size(rng, 3), size(rng, 3), 1 + size(rng, 5)];
        if rng.below(2) == 0 {
            dims.push(1 + size(rng, 3));
        }
        let normalized = dims[dims.len() - 1 - rng.below(2)..].to_vec();
        let x = Input::new(rng, &dims, |rng| 2.0 * signed(rng))?;
        let [weight, bias] = [Input::new(rng, &normalized, signed)?, Input::new(rng, &normalized, signed)?];
        check(rng, &[x, weight, bias], |t| ops::layer_norm(&t[0], &t[1], &t[2], 1e-2))
    })
}

#[test]
fn group_norm() -> Result<()> {
    for_each_case("group_norm", |rng| {
        let (groups, each) = (size(rng, 3), size(rng, 3));
        let dims = [size(rng, 3), groups * each, size(rng, 3), 1 + size(rng, 3)];
        let x = Input::new(rng, &dims, |rng| 2.0 * signed(rng))?;
        let [weight, bias] =
            [Input::new(rng, &[groups * each], signed)?, Input::new(rng, &[groups * each], signed)?];
        check(rng, &[x, weight, bias], |t| ops::group_norm(&t[0], groups, &t[1], &t[2], 1e-2))
    })
}

#[test]
fn layer_norm2d() -> Result<()> {
    for_each_case("layer_norm2d", |rng| {
        let dims = [size(rng, 2), 1 + size(rng, 4), size(rng, 3), size(rng, 3)];
        let x = Input::new(rng, &dims, signed)?;
        let [weight, bias] = [Input::new(rng, &dims[1..2], signed)?, Input::new(rng, &dims[1..2], signed)?];
        check(rng, &[x, weight, bias], |t| ops::layer_norm2d(&t[0], &t[1], &t[2], 0.1))
    })
}
