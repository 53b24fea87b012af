//! Gradients of a score.

use candle_core::{Tensor, Var};

use super::subject::{Subject, named};
use crate::nn::{Mode, backward};
use crate::{Error, Result};

/// The gradient of the class's score with respect to each of `images` (B, C, H, W), by itself: nothing goes from one image
/// to another in [`Mode::Eval`].
pub(super) fn of_images(subject: &Subject<'_>, images: &Tensor) -> Result<Tensor> {
    let x = Var::from_tensor(images)?;
    let scores = subject.model.forward(x.as_tensor(), Mode::Eval).map_err(named(subject.op))?;
    gradient(subject, &scores, &x, "the image")
}

/// The value of a node for the subject's image, and the gradient of the class's score with respect to it.
pub(super) fn of_node(subject: &Subject<'_>, node: usize) -> Result<[Tensor; 2]> {
    let values = subject.model.values(&subject.image, &[node]).map_err(named(subject.op))?;
    let value = Var::from_tensor(&values[0].detach())?;
    let scores = subject.model.forward_from(&subject.image, node, value.as_tensor())?;
    let what = subject.model.graph().nodes()[node].label();
    let gradient = gradient(subject, &scores, &value, &what)?;
    Ok([value.as_detached_tensor(), gradient])
}

fn gradient(subject: &Subject<'_>, scores: &Tensor, of: &Var, what: &str) -> Result<Tensor> {
    let gradients = backward(&scores.narrow(1, subject.class, 1)?.sum_all()?)?;
    // A user's own layer may cut the tape with `detach`.
    gradients.get(of.as_tensor()).cloned().ok_or_else(|| Error::Argument {
        op: subject.op.into(),
        expected: format!("a model whose scores have a gradient with respect to {what}"),
        got: "none that reaches it".into(),
        hint: "Look for a layer made with `map` that detaches its input, or choose a later layer.".into(),
    })
}

/// Of values (C, H, W), one for each pixel of what its channels have.
pub(super) fn over_channels(values: &[f32], channels: usize, join: impl Fn(f64, f64) -> f64) -> Vec<f32> {
    let area = values.len() / channels.max(1);
    let joined = |at: usize| {
        let channel = values[at..].iter().step_by(area.max(1)).map(|&value| f64::from(value));
        channel.fold(0.0, &join) as f32
    };
    (0..area).map(joined).collect()
}

/// The greater of one value and the size of another.
pub(super) fn greatest_size(so_far: f64, value: f64) -> f64 {
    so_far.max(value.abs())
}

/// The sum of two values.
pub(super) fn sum(so_far: f64, value: f64) -> f64 {
    so_far + value
}
