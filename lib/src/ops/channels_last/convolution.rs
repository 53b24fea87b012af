//! The way of a convolution that is fastest for its sizes, and the gradients of its input and weight.

use super::direct;
use super::finish::Finish;
use super::narrow::Narrow;
use super::panels::Panels;
use super::scatter;
use super::winograd::{self, Winograd};
use crate::ops::buffer::Pool;
use crate::ops::columns::Convolution;
use crate::ops::gemm::Update;
use crate::ops::linear::LinearSizes;

/// How a convolution is computed with its weight in panels. Those that go from pixel to pixel are products of rows
/// ([`LinearSizes::of`]).
enum Way {
    Tiles(Winograd),
    Narrow(Narrow),
    Direct,
}

impl Way {
    fn of(convolution: &Convolution) -> Way {
        match (Winograd::of(convolution), Narrow::of(convolution)) {
            (Some(winograd), _) => Way::Tiles(winograd),
            (None, Some(narrow)) => Way::Narrow(narrow),
            (None, None) => Way::Direct,
        }
    }
}

/// The convolution of `x` (B, H, W, C) with `weight` (O, C, KH, KW) into `y` (B, OH, OW, O), in one group.
pub(crate) fn forward(
    convolution: &Convolution,
    pool: &Pool,
    x: &[f32],
    weight: &[f32],
    y: &mut [f32],
    finish: &impl Finish,
) {
    if let Some(rows) = LinearSizes::of(convolution) {
        return rows.forward_then(x, weight, y, finish);
    }
    let panels = Panels::forward(pool, weight, convolution.weight_sizes());
    run(convolution, pool, x, &panels, y, Update::Replace, finish);
}

fn run(
    convolution: &Convolution,
    pool: &Pool,
    x: &[f32],
    panels: &Panels,
    y: &mut [f32],
    update: Update,
    finish: &impl Finish,
) {
    match Way::of(convolution) {
        Way::Tiles(winograd) => winograd::forward(&winograd, pool, x, panels, y, update, finish),
        Way::Narrow(narrow) => narrow.forward(x, panels, y, update, finish),
        Way::Direct => direct::forward(convolution, x, panels, y, update, finish),
    }
}

/// Output pixels that are finished together.
pub(super) fn step(convolution: &Convolution) -> usize {
    if let Some(rows) = LinearSizes::of(convolution) {
        return rows.step();
    }
    match Way::of(convolution) {
        Way::Tiles(winograd) => winograd.step(),
        Way::Narrow(narrow) => narrow.step(),
        Way::Direct => direct::step(convolution.all_positions()),
    }
}

/// The gradient of the input, where that of the output is `dy` (B, OH, OW, O), into `dx` (B, H, W, C); `weight` is
/// (O, C, KH, KW).
pub(crate) fn input_gradient(
    convolution: &Convolution,
    pool: &Pool,
    weight: &[f32],
    dy: &[f32],
    dx: &mut [f32],
    update: Update,
) {
    if let Some(rows) = LinearSizes::of(convolution) {
        return rows.input_gradient_into(weight, dy, dx, update);
    }
    let sizes = convolution.weight_sizes();
    match convolution.turned() {
        Some(turned) => {
            run(&turned, pool, dy, &Panels::turned(pool, weight, sizes), dx, update, &());
        }
        None => scatter::input_gradient(convolution, &Panels::spread(pool, weight, sizes), dy, dx, update),
    }
}

/// The gradient of the weight (O, C, KH, KW), where that of the output is `dy` (B, OH, OW, O), of `x` (B, H, W, C).
/// The order of the sums depends on sizes only, never on the threads there are.
pub(crate) fn weight_gradient(convolution: &Convolution, pool: &Pool, x: &[f32], dy: &[f32], dw: &mut [f32]) {
    if let Some(rows) = LinearSizes::of(convolution) {
        return rows.weight_gradient_into(x, dy, dw);
    }
    match Way::of(convolution) {
        Way::Tiles(winograd) => winograd::weight_gradient(&winograd, pool, x, dy, dw),
        Way::Narrow(narrow) => narrow.weight_gradient(pool, x, dy, dw),
        Way::Direct => super::weight_gradient::weight_gradient(convolution, pool, x, dy, dw),
    }
}

impl Convolution {
    /// O, C and KH·KW.
    pub(super) fn weight_sizes(&self) -> [usize; 3] {
        [self.out_channels, self.in_channels, self.window.kernel[0] * self.window.kernel[1]]
    }

    /// Of a convolution that goes from pixel to pixel without gaps: the one that takes the gradient of its output to
    /// that of its input.
    fn turned(&self) -> Option<Convolution> {
        let mut turned = *self;
        let sliding = self.window.sliding;
        if sliding.stride != [1, 1] || self.groups != 1 {
            return None;
        }
        let padding = &mut turned.window.sliding.padding;
        let reach = |axis: usize| sliding.dilation[axis] * (self.window.kernel[axis] - 1);
        // After the last output so many zeros that the turned window reaches every input.
        let ends = |axis: usize, before: usize| -> Option<(usize, usize)> {
            let before = reach(axis).checked_sub(before)?;
            Some((before, (self.input[axis] + reach(axis)).checked_sub(before + self.output[axis])?))
        };
        (padding.top, padding.bottom) = ends(0, padding.top)?;
        (padding.left, padding.right) = ends(1, padding.left)?;
        (turned.in_channels, turned.out_channels) = (self.out_channels, self.in_channels);
        (turned.input, turned.output) = (self.output, self.input);
        Some(turned)
    }
}
