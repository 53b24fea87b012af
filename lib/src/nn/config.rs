//! Options of layers: pixels, height first.

use serde::{Deserialize, Serialize};

use crate::ops::{Divisor, Padding, Rounding, Sliding};

/// Options of [`crate::nn::Value::conv2d_with`]: pixels, height first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conv2dConfig {
    /// The window's size.
    pub kernel: [usize; 2],
    /// Pixels from one window to the next.
    pub stride: [usize; 2],
    /// Zeros added around the image.
    pub padding: Padding,
    /// Pixels from one element of the window to the next; 1 is a window without gaps.
    pub dilation: [usize; 2],
    /// Equal groups of channels, in and out, that do not see each other: 1 is the plain convolution, as many as
    /// there are channels a depthwise one.
    pub groups: usize,
    /// Whether a bias is added. Before a batch norm it has no effect and can be left out.
    pub bias: bool,
    /// What the weight is rounded to before it is used.
    #[serde(default)]
    pub weights: WeightPrecision,
}

impl Default for Conv2dConfig {
    /// A 3 × 3 window on every pixel, no padding, one group, with bias.
    fn default() -> Conv2dConfig {
        Conv2dConfig {
            kernel: [3, 3],
            stride: [1, 1],
            padding: Padding::default(),
            dilation: [1, 1],
            groups: 1,
            bias: true,
            weights: WeightPrecision::Float,
        }
    }
}

impl Conv2dConfig {
    pub(crate) fn sliding(&self) -> Sliding {
        Sliding { stride: self.stride, padding: self.padding, dilation: self.dilation }
    }
}

/// What a weight is rounded to in the forward pass, while it stays f32 and is trained as if it were not rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum WeightPrecision {
    /// Nothing.
    #[default]
    Float,
    /// 255 numbers for each output channel: [`crate::ops::fake_quantize_weight`].
    Int8,
}

/// What a fake quantization does to values, beside keeping their range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Rounds {
    /// It rounds them.
    #[default]
    Values,
    /// Nothing: it is there for its range, which an export needs for the values that a model on integers gives in f32.
    /// While it is observed, it grows with whatever comes in, so that nothing is cut off.
    Nothing,
}

impl Rounds {
    pub(super) fn are_values(&self) -> bool {
        *self == Rounds::Values
    }
}

/// Options of [`crate::nn::Value::conv_transpose2d_with`]: pixels, height first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConvTranspose2dConfig {
    /// The window's size.
    pub kernel: [usize; 2],
    /// Pixels of the output from one window to the next.
    pub stride: [usize; 2],
    /// Pixels of the output that are left out around it.
    pub padding: Padding,
    /// Pixels added below and to the right, fewer than the stride: it chooses among the sizes that a strided convolution
    /// brings to one.
    pub output_padding: [usize; 2],
    /// Pixels from one element of the window to the next; 1 is a window without gaps.
    pub dilation: [usize; 2],
    /// Equal groups of channels, in and out, that do not see each other.
    pub groups: usize,
    /// Whether a bias is added.
    pub bias: bool,
}

impl Default for ConvTranspose2dConfig {
    /// A 2 × 2 window in steps of 2, which doubles height and width; one group, with bias.
    fn default() -> ConvTranspose2dConfig {
        ConvTranspose2dConfig {
            kernel: [2, 2],
            stride: [2, 2],
            padding: Padding::default(),
            output_padding: [0, 0],
            dilation: [1, 1],
            groups: 1,
            bias: true,
        }
    }
}

impl ConvTranspose2dConfig {
    pub(crate) fn sliding(&self) -> Sliding {
        Sliding { stride: self.stride, padding: self.padding, dilation: self.dilation }
    }
}

/// Options of [`crate::nn::Value::max_pool2d_with`]: pixels, height first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool2dConfig {
    /// The window's size.
    pub kernel: [usize; 2],
    /// Pixels from one window to the next.
    pub stride: [usize; 2],
    /// Pixels added around the image, on each side at most half the kernel; they never win.
    pub padding: Padding,
    /// What becomes of pixels at the far edge that do not fill a window.
    pub rounding: Rounding,
}

impl Default for Pool2dConfig {
    /// A 2 × 2 window in steps of 2, no padding, incomplete windows left out.
    fn default() -> Pool2dConfig {
        Pool2dConfig {
            kernel: [2, 2],
            stride: [2, 2],
            padding: Padding::default(),
            rounding: Rounding::Floor,
        }
    }
}

impl Pool2dConfig {
    pub(crate) fn sliding(&self) -> Sliding {
        Sliding { stride: self.stride, padding: self.padding, ..Sliding::default() }
    }
}

/// Options of [`crate::nn::Value::avg_pool2d_with`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AvgPool2dConfig {
    /// The window and how it moves.
    pub window: Pool2dConfig,
    /// What the sum under a window is divided by.
    pub divisor: Divisor,
}

/// Options of [`crate::nn::Value::linear_with`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinearConfig {
    /// Whether a bias is added.
    pub bias: bool,
    /// What the weight is rounded to before it is used.
    #[serde(default)]
    pub weights: WeightPrecision,
}

impl Default for LinearConfig {
    /// With bias.
    fn default() -> LinearConfig {
        LinearConfig { bias: true, weights: WeightPrecision::Float }
    }
}

/// Options of [`crate::nn::Value::layer_norm_with`] and [`crate::nn::Value::layer_norm2d_with`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LayerNormConfig {
    /// Added to the variance.
    pub eps: f64,
}

impl Default for LayerNormConfig {
    /// `eps` 1e-5, as PyTorch has it; vision transformers and ConvNeXt take 1e-6.
    fn default() -> LayerNormConfig {
        LayerNormConfig { eps: 1e-5 }
    }
}

/// Options of [`crate::nn::Value::group_norm_with`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct GroupNormConfig {
    /// Equal groups of channels that are normalized together.
    pub groups: usize,
    /// Added to the variance.
    pub eps: f64,
}

impl Default for GroupNormConfig {
    /// 32 groups, as the paper has it, and `eps` 1e-5.
    fn default() -> GroupNormConfig {
        GroupNormConfig { groups: 32, eps: 1e-5 }
    }
}

/// The size that [`crate::nn::Value::interpolate`] brings images to: pixels, height first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TargetSize {
    /// This size.
    Pixels([usize; 2]),
    /// So many times the size they have.
    Times([usize; 2]),
    /// The size of the second input, of which nothing else is taken.
    Like,
}
