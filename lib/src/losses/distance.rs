//! How far numbers are from numbers.

use candle_core::Tensor;

use super::Loss;
use super::refused::{argument, same_shape};
use crate::Result;

/// The mean of the squared differences, of any shape.
#[must_use]
pub fn mse() -> Loss {
    Loss::new("mean squared error", |output, targets| {
        same_shape("mse", output, targets)?;
        Ok((output - targets)?.sqr()?.mean_all()?)
    })
}

/// The mean of the absolute differences, of any shape.
#[must_use]
pub fn l1() -> Loss {
    Loss::new("mean absolute error", |output, targets| {
        same_shape("l1", output, targets)?;
        Ok((output - targets)?.abs()?.mean_all()?)
    })
}

/// The mean over `d² / (2 beta)` of differences `d` up to `beta`, and over `|d| - beta / 2` of larger ones (Girshick
/// 2015, Fast R-CNN, where `beta` is 1). Smaller `beta`, more like [`l1`].
///
/// The loss refuses a `beta` that is not above 0.
#[must_use]
pub fn smooth_l1(beta: f64) -> Loss {
    Loss::new("smooth L1", move |output, targets| Ok((bent("smooth_l1", output, targets, beta)? / beta)?))
        .with_settings(format!("SmoothL1 {{ beta: {beta:?} }}"))
}

/// The mean over `d² / 2` of differences `d` up to `delta`, and over `delta · (|d| - delta / 2)` of larger ones (Huber
/// 1964): [`smooth_l1`] times `delta`.
///
/// The loss refuses a `delta` that is not above 0.
#[must_use]
pub fn huber(delta: f64) -> Loss {
    Loss::new("Huber", move |output, targets| bent("huber", output, targets, delta))
        .with_settings(format!("Huber {{ delta: {delta:?} }}"))
}

/// With `c` the part of `|d|` up to `knee`, the mean of `c · (|d| - c / 2)`: a parabola that goes on as a line.
fn bent(op: &str, output: &Tensor, targets: &Tensor, knee: f64) -> Result<Tensor> {
    same_shape(op, output, targets)?;
    if !(knee.is_finite() && knee > 0.0) {
        let hint = "It is the difference from which on the loss grows evenly; 1 is usual.";
        return Err(argument(op, "a number above 0 for where the parabola ends", format!("{knee}"), hint));
    }
    let distance = (output - targets)?.abs()?;
    // Which part a difference is in does not change with it, so `near` needs no gradient.
    let near = distance.detach().lt(knee)?.to_dtype(distance.dtype())?;
    let parabola = (distance.sqr()? * 0.5)?;
    let line = distance.affine(knee, -0.5 * knee * knee)?;
    Ok(((parabola - &line)?.mul(&near)? + line)?.mean_all()?)
}
