//! Operators on images in f32 whose channels lie beside each other, (B, H, W, C): what the model graph computes with
//! on the CPU. A vector of the CPU's then holds channels of one pixel, whatever the window, stride and padding.

mod convolution;
mod depths;
mod direct;
mod finish;
mod gather;
mod max_pool;
mod mean;
mod narrow;
mod norm;
mod norm_gradient;
mod order;
mod panels;
mod pointwise;
mod rows;
mod scatter;
mod weight_gradient;
mod winograd;

pub(crate) use convolution::{forward, input_gradient, weight_gradient};
pub(crate) use finish::Epilogue;
pub(super) use gather::copy;
pub(crate) use max_pool::{Pool2d, Tap};
pub(crate) use mean::{add_mean_gradient, means};
pub(crate) use norm::{Affine, BlockMoments, Moments, relu_gradient, scale_channels};
pub(crate) use norm_gradient::{Behind, NormGradient};
pub(crate) use order::{to_channels_first, to_channels_last};
pub(crate) use rows::channel_sums;

use std::cell::RefCell;

thread_local! {
    static SCRATCH: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
}

/// Hands `len` values, whatever they are, to `work`: memory that the thread keeps.
fn scratch<R>(len: usize, work: impl FnOnce(&mut [f32]) -> R) -> R {
    // Taken out of its place: while a thread waits in `work` for others it may do another piece of work.
    let mut values = SCRATCH.with(|scratch| scratch.borrow_mut().pop()).unwrap_or_default();
    if values.len() < len {
        values.resize(len, 0.0);
    }
    let result = work(&mut values[..len]);
    SCRATCH.with(|scratch| scratch.borrow_mut().push(values));
    result
}

#[cfg(test)]
mod tests;
