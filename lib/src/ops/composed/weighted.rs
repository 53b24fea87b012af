use candle_core::{Result, Tensor};

use super::differentiable;

type Gradient = dyn Fn(&Tensor, &Tensor) -> Result<Tensor> + Send + Sync;

/// The gradients of an operator of an input, a weight and a bias.
pub(in super::super) struct Gradients {
    /// Of the weight and the output's gradient.
    pub(in super::super) input: Box<Gradient>,
    /// Of the input and the output's gradient.
    pub(in super::super) weight: Box<Gradient>,
    /// Of the output's gradient.
    pub(in super::super) bias: fn(&Tensor) -> Result<Tensor>,
}

/// Makes the output `y` of `x`, `weight` and, where there is one, `bias` known to candle.
pub(in super::super) fn weighted(
    name: &'static str,
    (x, weight, bias): (&Tensor, &Tensor, Option<&Tensor>),
    y: Tensor,
    gradients: Gradients,
) -> Result<Tensor> {
    let Some(bias) = bias else {
        return differentiable(name, [x, weight], y, move |given| {
            let [x, weight] = &given.inputs;
            let dx = given.of(0, || (gradients.input)(weight, &given.dy))?;
            Ok([dx, given.of(1, || (gradients.weight)(x, &given.dy))?])
        });
    };
    differentiable(name, [x, weight, bias], y, move |given| {
        let [x, weight, _] = &given.inputs;
        let dx = given.of(0, || (gradients.input)(weight, &given.dy))?;
        let dw = given.of(1, || (gradients.weight)(x, &given.dy))?;
        Ok([dx, dw, given.of(2, || (gradients.bias)(&given.dy))?])
    })
}
