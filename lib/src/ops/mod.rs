//! Tensor operators with right gradients: what the model graph is made of.
//!
//! Every operator works on f32 and f64 tensors of one device, takes inputs of any strides, and checks
//! its inputs before it computes. The CPU has kernels of its own; elsewhere operators are composed of
//! candle's primitives, some with kernels of our own for NVIDIA GPUs. Its gradient is held against PyTorch's and against finite
//! differences. Images are (B, C, H, W).
//!
//! candle's own `reshape`, `transpose`, `permute`, `narrow`, additions and multiplications, broadcast or not, have right
//! gradients too and are used as they are; the same tests hold them to it.

mod activation;
mod attention;
mod attention_panels;
mod avg_pool2d;
mod backward;
mod batch_norm;
mod batch_norm_loops;
mod box_format;
mod box_iou;
mod buffer;
pub(crate) mod channels_last;
mod columns;
mod composed;
mod concat;
mod conv2d;
mod conv_transpose2d;
mod convolution;
mod cross_entropy;
#[cfg(feature = "cuda")]
pub(crate) mod cuda;
mod depthwise;
mod depthwise_plane;
mod depthwise_weight;
mod dropout;
mod elementwise;
mod fake_quantize;
mod gemm;
mod global_avg_pool;
mod host;
pub mod int8;
mod interpolate;
mod lanes;
mod layer_norm2d;
mod layer_rows;
mod linear;
mod lines;
mod mask;
mod math;
mod matmul;
mod max_pool2d;
mod mean;
mod micro;
mod multi_head_attention;
mod nms;
mod operands;
mod pad;
mod panel_product;
mod parameter;
mod planes;
mod position;
mod precision;
mod record;
mod relative_attention;
mod roi_align;
mod row_norm;
mod simd;
#[cfg(test)]
mod single_tests;
mod slice;
mod softmax;
mod stochastic_depth;
mod sums;
#[cfg(test)]
mod tests;
mod weighted;
mod window;

pub use activation::{Activation, activate, relu};
pub use attention::attention;
pub use avg_pool2d::{Divisor, adaptive_avg_pool2d, avg_pool2d};
pub use backward::{backward, backward_from};
pub use batch_norm::{BatchNormConfig, batch_norm_eval, batch_norm_train};
pub use box_format::{BoxFormat, convert_boxes};
pub use box_iou::{box_iou, elementwise_generalized_box_iou, generalized_box_iou};
pub use concat::concat;
pub use conv_transpose2d::conv_transpose2d;
pub use conv2d::conv2d;
pub use cross_entropy::softmax_cross_entropy;
pub use dropout::dropout;
pub use fake_quantize::{fake_quantize, fake_quantize_weight};
pub use global_avg_pool::global_avg_pool;
pub use interpolate::{Corners, Interpolation, interpolate};
pub use layer_norm2d::layer_norm2d;
pub use linear::linear;
pub use mask::Mask;
pub use matmul::matmul;
pub use max_pool2d::max_pool2d;
pub use mean::mean;
pub use multi_head_attention::{AttentionWeights, attention_in_heads, multi_head_attention};
pub use nms::{batched_nms, nms};
pub use pad::{PadMode, pad};
pub use parameter::Parameter;
pub use position::{SinePositionConfig, position_embedding, sine_position_embedding};
pub use precision::{Precision, in_precision};
pub use relative_attention::relative_attention;
pub use roi_align::{RoiAlignConfig, RoiAlignment, roi_align};
pub use row_norm::{group_norm, layer_norm};
pub use slice::slice;
pub use softmax::{log_softmax, softmax};
pub use stochastic_depth::stochastic_depth;
pub use window::{Padding, Rounding, Sliding};

pub(crate) use attention::Attention;
pub(crate) use avg_pool2d::AvgPool2d;
pub(crate) use backward::hand_over;
pub(crate) use batch_norm::{check_count, move_running};
pub(crate) use buffer::{Buffer, Pool};
pub(crate) use columns::Convolution as ConvolutionSizes;
pub(crate) use composed::has_kernels;
pub(crate) use concat::concat_dims;
pub(crate) use conv2d::check_groups;
pub(crate) use dropout::check_probability;
pub(crate) use elementwise::{add_assign, copy_assign, relu_assign};
pub(crate) use fake_quantize::{channel_scales, round_channels, whole_numbers};
pub(crate) use gemm::Update;
pub(crate) use host::with_values;
pub(crate) use linear::LinearSizes;
pub(crate) use max_pool2d::MaxPool2d;
pub(crate) use mean::check_mean_dims;
pub(crate) use multi_head_attention::check_heads;
pub(crate) use operands::{check_environment, shape_text};
pub(crate) use pad::check_pad;
pub(crate) use position::check_sine;
pub(crate) use precision::check_precision;
pub(crate) use relative_attention::{relative_attention_weights, table_rows};
pub(crate) use row_norm::RowNorm;
pub(crate) use simd::{dispatch, vectorized};
pub(crate) use slice::check_range;
pub(crate) use window::Window;
