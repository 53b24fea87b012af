use crate::nn::{Conv2dConfig, Pool2dConfig};

/// A square window, padded so that it is centred on pixels: the image keeps its size but for the stride.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub(super) kernel: usize,
    pub(super) stride: usize,
    pub(super) dilation: usize,
    pub(super) groups: usize,
}

impl Window {
    /// On every pixel, without gaps, in one group.
    pub(super) const fn of(kernel: usize) -> Window {
        Window { kernel, stride: 1, dilation: 1, groups: 1 }
    }

    pub(super) const fn stride(self, stride: usize) -> Window {
        Window { stride, ..self }
    }

    pub(super) const fn dilation(self, dilation: usize) -> Window {
        Window { dilation, ..self }
    }

    pub(super) const fn groups(self, groups: usize) -> Window {
        Window { groups, ..self }
    }

    /// A convolution with a bias.
    pub(super) fn conv(self) -> Conv2dConfig {
        Conv2dConfig {
            kernel: [self.kernel; 2],
            stride: [self.stride; 2],
            padding: (self.dilation * (self.kernel / 2)).into(),
            dilation: [self.dilation; 2],
            groups: self.groups,
            bias: true,
            ..Conv2dConfig::default()
        }
    }

    /// A convolution without a bias, as it stands before a norm.
    pub(super) fn conv_before_norm(self) -> Conv2dConfig {
        Conv2dConfig { bias: false, ..self.conv() }
    }

    pub(super) fn pool(self) -> Pool2dConfig {
        Pool2dConfig {
            kernel: [self.kernel; 2],
            stride: [self.stride; 2],
            padding: (self.kernel / 2).into(),
            ..Pool2dConfig::default()
        }
    }
}
