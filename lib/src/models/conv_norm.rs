use super::window::Window;
use crate::nn::{Activation, BatchNormConfig, Fan, Initial, Value};

/// A convolution without bias, its batch norm and a function: what most networks are made of. The convolution starts as
/// torchvision starts those of its networks, so that gradients keep their size (He et al. 2015).
#[derive(Debug, Clone, Copy)]
pub(super) struct ConvNorm {
    pub(super) norm: BatchNormConfig,
    pub(super) activation: Option<Activation>,
}

impl ConvNorm {
    /// (C, H, W) to (`channels`, H', W'). The layers are called `{name}.0` and `{name}.1`, as in torchvision's
    /// `Conv2dNormActivation`.
    pub(super) fn of(self, x: &Value, channels: usize, window: Window, name: &str) -> Value {
        self.named(x, channels, window, [format!("{name}.0"), format!("{name}.1")])
    }

    /// With names for the convolution and the norm.
    pub(super) fn named(self, x: &Value, channels: usize, window: Window, names: [String; 2]) -> Value {
        let [conv, norm] = names;
        let x = x.conv2d_with(channels, window.conv_before_norm()).named(conv);
        let x = x.initial("weight", Initial::KaimingNormal(Fan::Out));
        let x = x.batch_norm_with(self.norm).named(norm);
        self.activation.map_or(x.clone(), |activation| x.activation(activation))
    }
}
