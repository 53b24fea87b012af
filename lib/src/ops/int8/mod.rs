//! Operators on integers of 8 bits, on the CPU: what a quantised model computes with.
//!
//! Activations are steps of 0..=255 with a scale and a zero point of their own (asymmetric, per tensor), channels last:
//! [`Activations`]. Weights are steps of -127..=127 around 0, with a scale for each output channel. Sums are exact, in 32
//! bits; what they become is rounded to the nearest step, halves to even, by single operations in f32. So all CPUs and
//! any number of threads give the same result, bit for bit; nothing saturates but the steps of a result. (Jacob et al.
//! 2018, "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference".)

mod activations;
mod add;
mod backend;
mod block;
mod convolution;
mod depthwise;
mod dot;
mod finish;
mod gather;
mod linear;
#[cfg(target_arch = "aarch64")]
mod neon;
mod panels;
mod pool;
mod product;
mod round;
mod start;
#[cfg(test)]
mod tests;
mod tiles;
mod winograd;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use activations::{Activations, Quantization};
pub use add::{add, concat, requantize};
pub use convolution::Convolution;
pub use linear::Linear;
pub use pool::{adaptive_avg_pool2d, avg_pool2d, max_pool2d};
pub use round::Requantize;
