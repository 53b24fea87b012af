use super::window::Window;
use crate::nn::{Activation, Fan, Initial, Value};

/// Squeeze and excitation: J. Hu, L. Shen, G. Sun, CVPR 2018, arXiv:1709.01507. What a whole image holds of each channel
/// decides how much of it goes on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Squeeze {
    /// What the image comes in and goes out with.
    pub(super) channels: usize,
    /// What they are squeezed into.
    pub(super) into: usize,
    pub(super) activation: Activation,
    /// Makes factors between 0 and 1.
    pub(super) gate: Activation,
}

impl Squeeze {
    /// Keeps the shape, (C, H, W).
    pub(super) fn of(self, x: &Value, name: &str) -> Value {
        let dense = |x: &Value, channels: usize, part: &str| {
            let x = x.conv2d_with(channels, Window::of(1).conv()).named(format!("{name}.{part}"));
            x.initial("weight", Initial::KaimingNormal(Fan::Out)).initial("bias", Initial::Constant(0.0))
        };
        let factors = x.adaptive_avg_pool2d([1, 1]); // (C, 1, 1)
        let factors = dense(&factors, self.into, "fc1").activation(self.activation);
        let factors = dense(&factors, self.channels, "fc2").activation(self.gate);
        (x * factors).named(name)
    }
}
