//! Feature pyramid: T.-Y. Lin, P. Dollár, R. Girshick, K. He, B. Hariharan, S. Belongie, "Feature Pyramid Networks for
//! Object Detection", CVPR 2017, arXiv:1612.03144.
//!
//! What the last stage of a network knows is brought back to the finer features of the stages before it, so that each
//! level both sees and understands. In torchvision's names.

use super::window::Window;
use crate::nn::{Interpolation, Value};

/// A level of `channels` for each of `features`, which go from fine to coarse, and of the same sizes. Layers are called
/// `{name}.inner_blocks.{level}.0` and `{name}.layer_blocks.{level}.0`.
pub(super) fn pyramid(features: &[Value; 3], channels: usize, name: &str) -> [Value; 3] {
    let part = |x: &Value, kernel: usize, kind: &str, level: usize| {
        x.conv2d_with(channels, Window::of(kernel).conv()).named(format!("{name}.{kind}.{level}.0"))
    };
    let [fine, middle, coarse] = [0, 1, 2].map(|level| part(&features[level], 1, "inner_blocks", level));
    let middle = &middle + coarse.interpolate_like(&middle, Interpolation::Nearest);
    let fine = &fine + middle.interpolate_like(&fine, Interpolation::Nearest);
    let inner = [fine, middle, coarse];
    [0, 1, 2].map(|level| part(&inner[level], 3, "layer_blocks", level))
}
