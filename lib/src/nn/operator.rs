use crate::ops::{Activation, BatchNormConfig, Padding, Rounding, Sliding};

/// What a node of the graph computes, with everything that decides the result but the weights.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Operator {
    /// The images that go in.
    Input,
    /// [`crate::ops::conv2d`]; parameters `weight` (O, C / groups, KH, KW) and, with `config.bias`, `bias` (O).
    Conv2d {
        /// C, the channels that come in.
        in_channels: usize,
        /// O, the channels that go out.
        out_channels: usize,
        /// The window.
        config: Conv2dConfig,
    },
    /// [`crate::ops::batch_norm_train`]; parameters `weight` and `bias`, buffers `running_mean` and
    /// `running_var`, all (C).
    BatchNorm {
        /// C.
        channels: usize,
        /// Epsilon and momentum.
        config: BatchNormConfig,
    },
    /// [`crate::ops::activate`]: a function of each value by itself.
    Activation(Activation),
    /// [`crate::ops::max_pool2d`].
    MaxPool2d(Pool2dConfig),
    /// [`crate::ops::global_avg_pool`]: (C, H, W) to (C).
    GlobalAvgPool,
    /// All values of an image in a row: (C, H, W) to (C·H·W).
    Flatten,
    /// [`crate::ops::linear`]; parameters `weight` (O, I) and `bias` (O).
    Linear {
        /// I, the features that come in.
        in_features: usize,
        /// O, the features that go out.
        out_features: usize,
    },
    /// [`crate::ops::dropout`] in training, nothing otherwise.
    Dropout {
        /// The share that is dropped.
        p: f64,
    },
    /// The sum of two inputs of one shape.
    Add,
}

impl Operator {
    /// The operator's name, as the unnamed layers and the errors carry it: `conv2d`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Operator::Input => "input",
            Operator::Conv2d { .. } => "conv2d",
            Operator::BatchNorm { .. } => "batch_norm",
            Operator::Activation(activation) => activation.name(),
            Operator::MaxPool2d(_) => "max_pool2d",
            Operator::GlobalAvgPool => "global_avg_pool",
            Operator::Flatten => "flatten",
            Operator::Linear { .. } => "linear",
            Operator::Dropout { .. } => "dropout",
            Operator::Add => "add",
        }
    }
}

/// Options of [`crate::nn::Value::conv2d_with`]: pixels, height first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
        }
    }
}

impl Conv2dConfig {
    pub(super) fn sliding(&self) -> Sliding {
        Sliding { stride: self.stride, padding: self.padding, dilation: self.dilation }
    }
}

/// Options of [`crate::nn::Value::max_pool2d_with`]: pixels, height first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    pub(super) fn sliding(&self) -> Sliding {
        Sliding { stride: self.stride, padding: self.padding, ..Sliding::default() }
    }
}
