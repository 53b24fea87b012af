use candle_core::{Result, Tensor};

use super::super::activation::{Activation, TANH_CUBIC, TANH_SCALE};
use super::sums::constant;
use super::{Backward, differentiable};

/// [`super::super::activate`] of any device.
pub(in super::super) fn activate(x: &Tensor, activation: Activation) -> Result<Tensor> {
    let y = forward(&x.detach().contiguous()?, activation)?;
    differentiable(activation.name(), [x], y, move |given| Ok([Some(backward(given, activation)?)]))
}

fn forward(x: &Tensor, activation: Activation) -> Result<Tensor> {
    match activation {
        // Comparisons, so that what is not a number stays so: it is not below 0.
        Activation::Relu => below(x, 0.0)?.where_cond(&constant(0.0, x)?, x),
        Activation::LeakyRelu { slope } => below(x, 0.0)?.where_cond(&(x * slope)?, x),
        Activation::Gelu => x * normal(x)?,
        Activation::GeluTanh => x * tanh_of(x)?.affine(0.5, 0.5)?,
        Activation::Silu => x * sigmoid(x)?,
        Activation::Sigmoid => sigmoid(x),
        Activation::Hardswish => {
            let inside = (x * x.affine(1.0 / 6.0, 0.5)?)?;
            outside(x, [-3.0, 3.0], &inside, x)
        }
        Activation::Relu6 => outside(x, [0.0, 6.0], x, &constant(6.0, x)?),
        Activation::Hardsigmoid => outside(x, [-3.0, 3.0], &x.affine(1.0 / 6.0, 0.5)?, &constant(1.0, x)?),
        Activation::Tanh => x.tanh(),
    }
}

/// `dy` times the slope at `x`.
fn backward(given: &Backward<1>, activation: Activation) -> Result<Tensor> {
    let Backward { inputs: [x], y, dy, .. } = given;
    match activation {
        Activation::Relu => below(y, 0.0)?.where_cond(&constant(0.0, dy)?, dy),
        Activation::LeakyRelu { slope } => below(x, 0.0)?.where_cond(&(dy * slope)?, dy),
        Activation::Gelu => {
            let density = ((x.sqr()? * -0.5)?.exp()? * 0.398_942_280_401_432_7)?;
            dy * (normal(x)? + (x * density)?)?
        }
        Activation::GeluTanh => {
            let tanh = tanh_of(x)?;
            let inner = x.sqr()?.affine(3.0 * TANH_CUBIC * TANH_SCALE, TANH_SCALE)?;
            let slope = (x * (inner * tanh.sqr()?.affine(-1.0, 1.0)?)?)?;
            dy * (slope + tanh)?.affine(0.5, 0.5)?
        }
        Activation::Silu => {
            let s = sigmoid(x)?;
            let slope = (&s * (x * s.affine(-1.0, 1.0)?)?.affine(1.0, 1.0)?)?;
            dy * slope
        }
        Activation::Sigmoid => dy * (y * y.affine(-1.0, 1.0)?)?,
        Activation::Hardswish => {
            let inside = (dy * x.affine(1.0 / 3.0, 0.5)?)?;
            outside(x, [-3.0, 3.0], &inside, dy)
        }
        Activation::Relu6 => outside(x, [0.0, 6.0], dy, &constant(0.0, x)?),
        Activation::Hardsigmoid => outside(x, [-3.0, 3.0], &(dy * (1.0 / 6.0))?, &constant(0.0, x)?),
        Activation::Tanh => dy * y.sqr()?.affine(-1.0, 1.0)?,
    }
}

/// Where `x` is at most `bound`.
fn below(x: &Tensor, bound: f64) -> Result<Tensor> {
    x.le(&constant(bound, x)?)
}

/// 0 where `x` is at most `low`, `above` where it is at least `high`, and `inside` between.
fn outside(x: &Tensor, [low, high]: [f64; 2], inside: &Tensor, above: &Tensor) -> Result<Tensor> {
    let inside = below(x, low)?.where_cond(&constant(0.0, x)?, inside)?;
    x.ge(&constant(high, x)?)?.where_cond(above, &inside)
}

/// The normal distribution up to `x`.
fn normal(x: &Tensor) -> Result<Tensor> {
    (x * std::f64::consts::FRAC_1_SQRT_2)?.erf()?.affine(0.5, 0.5)
}

fn tanh_of(x: &Tensor) -> Result<Tensor> {
    (x * x.sqr()?.affine(TANH_CUBIC * TANH_SCALE, TANH_SCALE)?)?.tanh()
}

fn sigmoid(x: &Tensor) -> Result<Tensor> {
    x.neg()?.exp()?.affine(1.0, 1.0)?.recip()
}
