//! Kernels of our own for NVIDIA GPUs, where an operator composed of candle's primitives would move its
//! values through memory many times.
//!
//! They are written in CUDA C++ (`kernels/*.cu`), for f32 and f64, and compiled by NVRTC when they are first used.
//! Sums are gathered by who needs them, in one order: the same input gives the same bits.

mod batch_norm;
mod convolution;
mod depthwise;
mod launch;
mod layer_norm;
mod max_pool2d;
mod sizes;

use candle_core::{DType, Tensor};

pub(super) use batch_norm::{batch_norm_eval, batch_norm_train};
pub(super) use convolution::{conv_transpose2d, conv2d};
pub(crate) use launch::{Arguments, Grid, Kernel, Written, run};
pub(super) use layer_norm::layer_norm;
pub(super) use max_pool2d::max_pool2d;

/// Values that 32-bit indices of the kernels reach.
const MOST_VALUES: usize = 1 << 30;

/// Whether the kernels here take these tensors; what they do not take is composed.
pub(crate) fn computes(tensors: &[&Tensor]) -> bool {
    let fits = |tensor: &&Tensor| {
        tensor.device().is_cuda()
            && matches!(tensor.dtype(), DType::F32 | DType::F64)
            && (1..=MOST_VALUES).contains(&tensor.elem_count())
    };
    tensors.iter().all(fits)
}
