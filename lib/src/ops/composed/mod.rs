//! The operators composed of candle's primitives, for the devices that have no kernels of ours.
//!
//! Only primitives that every device has are used, and of candle's own gradients none: each operator
//! is one node to candle (`differentiable`), whose gradient is composed in the same way. So
//! nothing of the way from input to output is kept for the gradient but what it needs.
//!
//! A kernel launch costs as much as some 100,000 additions, and a value that comes to the host waits
//! for everything before it. So there are few and large primitives, and no value leaves the device.
//! Sums are gathered, never scattered: each output picks what goes into it (`axis_sums`,
//! `grid_index`), which is fast and gives the same bits in every run.

mod activation;
mod attention;
mod avg_pool2d;
mod axis_sums;
mod batch_norm;
mod convolution;
mod cross_entropy;
mod differentiable;
mod dropout;
mod global_avg_pool;
mod grid_index;
mod interpolate;
mod linear;
mod max_pool2d;
mod relative_attention;
mod row_norm;
mod softmax;
mod sums;
#[cfg(test)]
mod tests;
mod weighted;

use std::sync::OnceLock;

use candle_core::{Device, Tensor};

pub(super) use activation::activate;
pub(super) use attention::attention;
pub(super) use avg_pool2d::avg_pool2d;
pub(super) use batch_norm::{batch_norm_eval, batch_norm_train};
#[cfg(feature = "cuda")]
pub(super) use batch_norm::{inverse_std, move_running};
#[cfg(feature = "cuda")]
pub(super) use convolution::bias_gradient;
pub(super) use convolution::{conv_transpose2d, conv2d};
pub(super) use cross_entropy::softmax_cross_entropy;
pub(super) use differentiable::{Backward, differentiable};
pub(super) use dropout::dropout;
pub(super) use global_avg_pool::global_avg_pool;
use grid_index::grid_index;
pub(super) use interpolate::interpolate;
pub(super) use linear::linear;
pub(super) use max_pool2d::max_pool2d;
pub(super) use relative_attention::{relative_attention, relative_attention_weights};
pub(super) use row_norm::{Rows, row_norm};
pub(super) use softmax::softmax;
#[cfg(feature = "cuda")]
pub(super) use weighted::Gradients;
pub(super) use weighted::weighted;

use super::operands::shape_error;
use crate::Result;

/// Whether the operators here compute `x`. The CPU's kernels take an empty batch; a GPU, which launches
/// nothing for it, does not.
pub(super) fn computes(x: &Tensor) -> Result<bool> {
    if x.elem_count() == 0 && !x.device().is_cpu() {
        return Err(shape_error(
            "operator on a GPU",
            "at least one value",
            x.dims(),
            "Leave empty batches out.",
        ));
    }
    Ok(x.elem_count() > 0 && !has_kernels(x.device()))
}

/// Whether we have kernels of our own for a device. `SCONCE_OPS=composed` denies them to the CPU too,
/// so that tests without a GPU reach this module.
pub(crate) fn has_kernels(device: &Device) -> bool {
    static COMPOSED: OnceLock<bool> = OnceLock::new();
    let composed = || std::env::var_os("SCONCE_OPS").is_some_and(|ops| ops == "composed");
    device.is_cpu() && !*COMPOSED.get_or_init(composed)
}
