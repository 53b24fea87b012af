//! Layers of images.

use super::Value;
use crate::nn::config::{AvgPool2dConfig, Conv2dConfig, ConvTranspose2dConfig, Pool2dConfig, TargetSize};
use crate::nn::operator::Operator;
use crate::ops::{Interpolation, PadMode, Padding};

impl Value {
    /// Convolution to `out_channels` with a square window of odd size `kernel` on every pixel, padded
    /// so that the image keeps its size; with bias. (C, H, W) to (`out_channels`, H, W).
    #[must_use]
    pub fn conv2d(&self, out_channels: usize, kernel: usize) -> Value {
        let config =
            Conv2dConfig { kernel: [kernel; 2], padding: (kernel / 2).into(), ..Conv2dConfig::default() };
        let value = self.conv2d_with(out_channels, config);
        if kernel > 0 && kernel.is_multiple_of(2) {
            value.refuse(
                "an odd kernel, which can keep the image's size",
                kernel.to_string(),
                "With `conv2d_with` you choose kernel and padding yourself.",
            );
        }
        value
    }

    /// Convolution to `out_channels`. (C, H, W) to (`out_channels`, H', W').
    #[must_use]
    pub fn conv2d_with(&self, out_channels: usize, config: Conv2dConfig) -> Value {
        self.then(|shape| Operator::Conv2d {
            in_channels: shape.first().copied().unwrap_or_default(),
            out_channels,
            config,
        })
    }

    /// Transposed convolution to `out_channels`, which learns to make images larger. (C, H, W) to (`out_channels`, H',
    /// W'); with the default options twice as high and wide.
    #[must_use]
    pub fn conv_transpose2d_with(&self, out_channels: usize, config: ConvTranspose2dConfig) -> Value {
        self.then(|shape| Operator::ConvTranspose2d {
            in_channels: shape.first().copied().unwrap_or_default(),
            out_channels,
            config,
        })
    }

    /// The largest value of every `kernel` × `kernel` square, without overlap. (C, H, W) to
    /// (C, H / `kernel`, W / `kernel`), rounded down.
    #[must_use]
    pub fn max_pool2d(&self, kernel: usize) -> Value {
        let (kernel, stride) = ([kernel; 2], [kernel; 2]);
        self.max_pool2d_with(Pool2dConfig { kernel, stride, ..Pool2dConfig::default() })
    }

    /// The largest value under each position of a window. (C, H, W) to (C, H', W').
    #[must_use]
    pub fn max_pool2d_with(&self, config: Pool2dConfig) -> Value {
        self.then(|_| Operator::MaxPool2d(config))
    }

    /// The mean of every `kernel` × `kernel` square, without overlap. (C, H, W) to (C, H / `kernel`, W / `kernel`),
    /// rounded down.
    #[must_use]
    pub fn avg_pool2d(&self, kernel: usize) -> Value {
        let (kernel, stride) = ([kernel; 2], [kernel; 2]);
        let window = Pool2dConfig { kernel, stride, ..Pool2dConfig::default() };
        self.avg_pool2d_with(AvgPool2dConfig { window, ..AvgPool2dConfig::default() })
    }

    /// The mean under each position of a window. (C, H, W) to (C, H', W').
    #[must_use]
    pub fn avg_pool2d_with(&self, config: AvgPool2dConfig) -> Value {
        self.then(|_| Operator::AvgPool2d(config))
    }

    /// The mean of each of `output` = [OH, OW] equal parts, whatever the image's size. (C, H, W) to (C, OH, OW).
    #[must_use]
    pub fn adaptive_avg_pool2d(&self, output: [usize; 2]) -> Value {
        self.then(|_| Operator::AdaptiveAvgPool2d { output })
    }

    /// The mean of every channel, whatever the image's size. (C, H, W) to (C).
    #[must_use]
    pub fn global_avg_pool(&self) -> Value {
        self.then(|_| Operator::GlobalAvgPool)
    }

    /// Images of another size. (C, H, W) to (C, OH, OW).
    #[must_use]
    pub fn interpolate(&self, size: TargetSize, interpolation: Interpolation) -> Value {
        self.then(|_| Operator::Interpolate { size, interpolation })
    }

    /// Images of the size that `other` has, whatever that is: for features of different strides that go together. (C, H,
    /// W) and (D, OH, OW) to (C, OH, OW).
    #[must_use]
    pub fn interpolate_like(&self, other: &Value, interpolation: Interpolation) -> Value {
        self.with(&[other], |_| Operator::Interpolate { size: TargetSize::Like, interpolation })
    }

    /// Pixels around the image. (C, H, W) to (C, H + top + bottom, W + left + right).
    #[must_use]
    pub fn pad(&self, padding: impl Into<Padding>, mode: PadMode) -> Value {
        let padding = padding.into();
        self.then(|_| Operator::Pad { padding, mode })
    }
}
