//! Tensor operators with right gradients: what the model graph is made of.
//!
//! Every operator works on f32 and f64 tensors on the CPU, takes inputs of any strides, and checks
//! its inputs before it computes. Its gradient is held against PyTorch's and against finite
//! differences. Images are (B, C, H, W).

mod activation;
mod attention;
mod avg_pool2d;
mod batch_norm;
mod columns;
mod conv2d;
mod conv_transpose2d;
mod convolution;
mod cross_entropy;
mod depthwise;
mod dropout;
mod elementwise;
mod gemm;
mod global_avg_pool;
mod host;
mod interpolate;
mod linear;
mod math;
mod max_pool2d;
mod micro;
mod operands;
mod parameter;
mod row_norm;
mod simd;
mod softmax;
mod sums;
#[cfg(test)]
mod tests;
mod weighted;
mod window;
mod winograd;

pub use activation::{Activation, activate, relu};
pub use attention::attention;
pub use avg_pool2d::{Divisor, adaptive_avg_pool2d, avg_pool2d};
pub use batch_norm::{BatchNormConfig, batch_norm_eval, batch_norm_train};
pub use conv_transpose2d::conv_transpose2d;
pub use conv2d::conv2d;
pub use cross_entropy::softmax_cross_entropy;
pub use dropout::dropout;
pub use global_avg_pool::global_avg_pool;
pub use interpolate::{Corners, Interpolation, interpolate};
pub use linear::linear;
pub use max_pool2d::max_pool2d;
pub use parameter::Parameter;
pub use row_norm::{group_norm, layer_norm};
pub use softmax::{log_softmax, softmax};
pub use window::{Padding, Rounding, Sliding};

pub(crate) use conv2d::check_groups;
pub(crate) use dropout::check_probability;
pub(crate) use max_pool2d::MaxPool2d;
pub(crate) use operands::{check_environment, require_cpu, shape_text};
pub(crate) use simd::vectorized;
pub(crate) use window::Window;
