//! Sums in the order that a GPU reads memory in, and constants without a copy from the host.

use candle_core::{D, DType, Device, Result, Tensor, WithDType};

/// Per channel of `x` (B, C, P) the sum of its values: (C).
pub(super) fn channel_sums(x: &Tensor) -> Result<Tensor> {
    // First along the rows, which lie together in memory; what is left is small.
    x.sum(D::Minus1)?.sum(0)
}

/// The sum of the rows of `x` (R, N): (N). A product of matrices reads it row by row, where candle's
/// sum would walk down every column.
pub(super) fn column_sums(x: &Tensor) -> Result<Tensor> {
    let (rows, _) = x.dims2()?;
    Tensor::ones((1, rows), x.dtype(), x.device())?.matmul(x)?.squeeze(0)
}

/// The most terms of a sum that candle gives to one thread of a GPU. A longer sum gets a block of threads.
const SHORT: usize = 32;

/// The sum along `axis` where it is short and there are many sums, as of the windows over a pixel: a block
/// of threads for each would have too little to do.
pub(super) fn short_sums(x: &Tensor, axis: usize) -> Result<Tensor> {
    let length = x.dim(axis)?;
    let mut sum = x.narrow(axis, 0, length.min(SHORT))?.sum(axis)?;
    for start in (SHORT..length).step_by(SHORT) {
        sum = (sum + x.narrow(axis, start, SHORT.min(length - start))?.sum(axis)?)?;
    }
    Ok(sum)
}

/// `value` wherever one looks, in the shape of `x`, in f32 or f64.
pub(super) fn constant(value: f64, x: &Tensor) -> Result<Tensor> {
    let value = match x.dtype() {
        DType::F64 => Tensor::full(value, (), x.device())?,
        _ => Tensor::full(value as f32, (), x.device())?,
    };
    value.broadcast_as(x.shape())
}

/// Values made on the host, as `dtype` on `device`.
pub(super) fn uploaded(values: Vec<f64>, shape: &[usize], dtype: DType, device: &Device) -> Result<Tensor> {
    Tensor::from_vec(values, shape, &Device::Cpu)?.to_dtype(dtype)?.to_device(device)
}

/// Indices made on the host.
pub(super) fn indices<T: WithDType>(values: Vec<T>, device: &Device) -> Result<Tensor> {
    let count = values.len();
    Tensor::from_vec(values, count, device)
}
