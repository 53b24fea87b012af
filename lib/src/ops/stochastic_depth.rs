use candle_core::{Device, Tensor};

use super::dropout::check_probability;
use super::operands::{check, shape_error};
use crate::{Result, Seed};

/// Sets whole rows to 0, each with probability `p`, and multiplies the others by `1 / (1 - p)`, so that the expected
/// value stays (Huang et al. 2016; also called drop path): put on the branch of a residual block, it leaves the block
/// out for some images. `x` (B, …) keeps its shape. The same seed drops the same rows.
///
/// # Errors
/// If `p` is not in `[0, 1)`, `x` has no dimension, or is not f32 or f64.
pub fn stochastic_depth(x: &Tensor, p: f64, seed: Seed) -> Result<Tensor> {
    let op = "stochastic_depth";
    check(op, &[("x", x)])?;
    check_probability(op, p)?;
    let Some(&batch) = x.dims().first() else {
        return Err(shape_error(op, "a batch (B, …)", x.dims(), ""));
    };
    let mut rng = seed.rng();
    let scale = 1.0 / (1.0 - p);
    let scales: Vec<f64> = (0..batch).map(|_| if rng.uniform() < p { 0.0 } else { scale }).collect();
    let mut dims = vec![1; x.rank()];
    dims[0] = batch;
    let scales = Tensor::from_vec(scales, dims, &Device::Cpu)?.to_dtype(x.dtype())?; // (B, 1, …)
    Ok(x.broadcast_mul(&scales.to_device(x.device())?)?)
}
