use candle_core::{Result, Tensor};

use super::super::dropout::Dropout;
use super::differentiable;
use super::sums::constant;

/// [`super::super::dropout`] of any device: the same numbers as on the CPU, made there, come over as
/// one byte a value.
pub(in super::super) fn dropout(op: &Dropout, x: &Tensor) -> Result<Tensor> {
    let kept = Tensor::from_vec(op.kept(x.elem_count()), x.shape(), x.device())?;
    let scale = 1.0 / (1.0 - op.p);
    let apply = move |x: &Tensor| kept.where_cond(&(x * scale)?, &constant(0.0, x)?);
    let y = apply(&x.detach().contiguous()?)?;
    differentiable("dropout", [x], y, move |given| Ok([Some(apply(&given.dy)?)]))
}
