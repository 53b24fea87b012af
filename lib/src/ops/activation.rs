use std::mem::MaybeUninit;

use candle_core::{CpuStorage, CustomOp1, Layout, Shape, Tensor};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::composed;
use super::elementwise::{BLOCK, kept};
use super::host::{Real, dtype, filled, made, output, read, values, with_real};
use super::math::{Math, sigmoid};
use super::operands::check;
use super::record::apply1;
use super::simd::dispatch;
use crate::Result;

/// What a layer does to every value by itself.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Activation {
    /// `max(x, 0)`. The gradient at 0 is 0.
    Relu,
    /// `x` above 0, `slope · x` below. The gradient at 0 is `slope`.
    LeakyRelu {
        /// 0.01 as a rule.
        slope: f64,
    },
    /// `x · Φ(x)`, with Φ the normal distribution (Hendrycks and Gimpel 2016).
    Gelu,
    /// [`Activation::Gelu`] with an approximation of Φ by the hyperbolic tangent.
    GeluTanh,
    /// `x · sigmoid(x)` (Elfwing et al. 2017), also called Swish.
    Silu,
    /// `1 / (1 + e⁻ˣ)`.
    Sigmoid,
    /// `x · min(max(x + 3, 0), 6) / 6` (Howard et al. 2019). The gradient at -3 and 3 is 0 and 1.
    Hardswish,
    /// `min(max(x, 0), 6)` (Howard et al. 2017). The gradient at 0 and 6 is 0.
    Relu6,
    /// `min(max(x + 3, 0), 6) / 6` (Howard et al. 2019), near to the sigmoid. The gradient at -3 and 3 is 0.
    Hardsigmoid,
    /// The hyperbolic tangent.
    Tanh,
}

/// Applies `activation` to every value; NaN stays NaN. Keeps the shape.
///
/// # Errors
/// If `x` is not f32 or f64.
pub fn activate(x: &Tensor, activation: Activation) -> Result<Tensor> {
    check(activation.name(), &[("x", x)])?;
    if composed::computes(x)? {
        return Ok(composed::activate(x, activation)?);
    }
    apply1(activation, x)
}

/// The larger of `x` and 0: [`activate`] with [`Activation::Relu`].
///
/// # Errors
/// As [`activate`].
pub fn relu(x: &Tensor) -> Result<Tensor> {
    activate(x, Activation::Relu)
}

/// √(2/π) and the factor of x³ in the approximation of Φ.
pub(super) const TANH_SCALE: f64 = 0.797_884_560_802_865_4;
pub(super) const TANH_CUBIC: f64 = 0.044_715;

impl Activation {
    /// Its name, as layers and errors carry it: `relu`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Activation::Relu => "relu",
            Activation::LeakyRelu { .. } => "leaky_relu",
            Activation::Gelu => "gelu",
            Activation::GeluTanh => "gelu_tanh",
            Activation::Silu => "silu",
            Activation::Sigmoid => "sigmoid",
            Activation::Hardswish => "hardswish",
            Activation::Relu6 => "relu6",
            Activation::Hardsigmoid => "hardsigmoid",
            Activation::Tanh => "tanh",
        }
    }

    /// Of `x`, into `y`.
    pub(crate) fn forward_into<T: Real>(self, x: &[T], y: &mut [T]) {
        let blocks = y.par_chunks_mut(BLOCK).zip(x.par_chunks(BLOCK));
        blocks.for_each(|(y, x)| dispatch(Forward { function: self, x, y }));
    }

    /// `dy` times the slope at `x`, where the output was `y`, in the place of `dy`.
    pub(crate) fn backward_assign<T: Real>(self, x: &[T], y: &[T], dy: &mut [T]) {
        let blocks = dy.par_chunks_mut(BLOCK).zip(x.par_chunks(BLOCK).zip(y.par_chunks(BLOCK)));
        blocks.for_each(|(dy, (x, y))| dispatch(Backward { function: self, x, y, dy }));
    }
}

/// A function of every value of `x`, into `y`. A macro, because a closure may not be made of the vector instructions of
/// its caller.
macro_rules! map {
    ($from:expr, $to:expr, |$x:ident| $function:expr) => {
        for (to, &$x) in $to.iter_mut().zip($from) {
            *to = $function;
        }
    };
    ($from:expr, $to:expr, $function:ident) => {
        for (to, &x) in $to.iter_mut().zip($from) {
            *to = $function(x);
        }
    };
}

/// A function of each value of `from` and the one of `to` at the same place, which it replaces.
macro_rules! zip {
    ($from:expr, $to:expr, |$x:ident, $y:ident| $function:expr) => {
        for (to, &$x) in $to.iter_mut().zip($from) {
            let $y = *to;
            *to = $function;
        }
    };
}

struct Forward<'a, T> {
    function: Activation,
    x: &'a [T],
    y: &'a mut [T],
}

impl<T: Real> WithSimd for Forward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Forward { function, x, y } = self;
        let (zero, one, half) = (T::zero(), T::one(), T::from_f64(0.5));
        match function {
            Activation::Relu => map!(x, y, |x| if x <= zero { zero } else { x }),
            Activation::LeakyRelu { slope } => {
                let slope = T::from_f64(slope);
                map!(x, y, |x| if x <= zero { x * slope } else { x })
            }
            Activation::Gelu => {
                let scale = T::from_f64(std::f64::consts::FRAC_1_SQRT_2);
                map!(x, y, |x| half * x * (one + Math::erf(x * scale)))
            }
            Activation::GeluTanh => map!(x, y, |x| half * x * (one + tanh_of(x))),
            Activation::Silu => map!(x, y, |x| x * sigmoid(x)),
            Activation::Sigmoid => map!(x, y, sigmoid),
            Activation::Hardswish => {
                let (three, six) = (T::from_f64(3.0), T::from_f64(6.0));
                map!(x, y, |x| {
                    let inside = x * (x + three) / six;
                    let below = if x <= zero - three { zero } else { inside };
                    if x >= three { x } else { below }
                })
            }
            Activation::Relu6 => {
                let six = T::from_f64(6.0);
                map!(x, y, |x| {
                    let below = if x <= zero { zero } else { x };
                    if x >= six { six } else { below }
                })
            }
            Activation::Hardsigmoid => {
                let (three, six) = (T::from_f64(3.0), T::from_f64(6.0));
                map!(x, y, |x| {
                    let below = if x <= zero - three { zero } else { (x + three) / six };
                    if x >= three { one } else { below }
                })
            }
            Activation::Tanh => map!(x, y, |x| Math::tanh(x)),
        }
    }
}

/// `values`, or 0 where those of `by` are not above 0, into memory of their own: most of the work is to go through memory,
/// so that it is done once.
struct Rectified<'a, T> {
    by: &'a [T],
    values: &'a [T],
    to: &'a mut [MaybeUninit<T>],
}

impl<T: Real> WithSimd for Rectified<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for ((to, &by), &value) in self.to.iter_mut().zip(self.by).zip(self.values) {
            to.write(if by <= T::zero() { T::zero() } else { value });
        }
    }
}

fn rectified<T: Real>(by: &[T], values: &[T]) -> Vec<T> {
    let values = &values[..by.len()];
    let fill = |to: &mut [MaybeUninit<T>]| {
        let blocks = to.par_chunks_mut(BLOCK).zip(by.par_chunks(BLOCK).zip(values.par_chunks(BLOCK)));
        blocks.for_each(|(to, (by, values))| dispatch(Rectified { by, values, to }));
    };
    // SAFETY: of all three there are as many values, so that each of `to` is written.
    unsafe { made(by.len(), fill) }
}

struct Backward<'a, T> {
    function: Activation,
    x: &'a [T],
    y: &'a [T],
    dy: &'a mut [T],
}

impl<T: Real> WithSimd for Backward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Backward { function, x, y, dy } = self;
        let (zero, one, half) = (T::zero(), T::one(), T::from_f64(0.5));
        match function {
            Activation::Relu => zip!(y, dy, |y, dy| if y <= zero { zero } else { kept(dy) }),
            Activation::LeakyRelu { slope } => {
                let slope = T::from_f64(slope);
                zip!(x, dy, |x, dy| if x <= zero { dy * slope } else { kept(dy) })
            }
            Activation::Gelu => {
                let scale = T::from_f64(std::f64::consts::FRAC_1_SQRT_2);
                let density = T::from_f64(0.398_942_280_401_432_7);
                zip!(x, dy, |x, dy| {
                    let normal = density * Math::exp(zero - half * x * x);
                    dy * (half * (one + Math::erf(x * scale)) + x * normal)
                })
            }
            Activation::GeluTanh => {
                let (scale, cubic) = (T::from_f64(TANH_SCALE), T::from_f64(3.0 * TANH_CUBIC));
                zip!(x, dy, |x, dy| {
                    let tanh = tanh_of(x);
                    let slope = scale * (one + cubic * x * x) * (one - tanh * tanh);
                    dy * half * (one + tanh + x * slope)
                })
            }
            Activation::Silu => zip!(x, dy, |x, dy| {
                let s = sigmoid(x);
                dy * s * (one + x * (one - s))
            }),
            Activation::Sigmoid => zip!(y, dy, |y, dy| dy * y * (one - y)),
            Activation::Hardswish => {
                let three = T::from_f64(3.0);
                zip!(x, dy, |x, dy| {
                    let inside = dy * (x / three + half);
                    let below = if x <= zero - three { zero } else { inside };
                    if x >= three { kept(dy) } else { below }
                })
            }
            Activation::Relu6 => {
                let six = T::from_f64(6.0);
                zip!(x, dy, |x, dy| {
                    let above = if x >= six { zero } else { kept(dy) };
                    if x <= zero { zero } else { above }
                })
            }
            Activation::Hardsigmoid => {
                let (three, six) = (T::from_f64(3.0), T::from_f64(6.0));
                zip!(x, dy, |x, dy| {
                    let above = if x >= three { zero } else { dy / six };
                    if x <= zero - three { zero } else { above }
                })
            }
            Activation::Tanh => zip!(y, dy, |y, dy| dy * (one - y * y)),
        }
    }
}

#[inline(always)]
fn tanh_of<T: Real>(x: T) -> T {
    let (scale, cubic) = (T::from_f64(TANH_SCALE), T::from_f64(TANH_CUBIC));
    Math::tanh(scale * x * (T::one() + cubic * x * x))
}

impl CustomOp1 for Activation {
    fn name(&self) -> &'static str {
        Activation::name(self)
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        with_real!(dtype(x), self.name(), T => {
            let x = values(x, layout)?;
            if *self == Activation::Relu {
                return output(rectified::<T>(x, x), layout.dims());
            }
            let (y, _) = filled(x.len(), BLOCK, |index, y: &mut [T]| {
                let x = &x[index * BLOCK..][..y.len()];
                dispatch(Forward { function: *self, x, y });
            });
            output(y, layout.dims())
        })
    }

    fn bwd(&self, x: &Tensor, y: &Tensor, dy: &Tensor) -> candle_core::Result<Option<Tensor>> {
        let dy = dy.contiguous()?;
        with_real!(x.dtype(), self.name(), T => {
            let dx = read([x, y, &dy], |[x, y, dy]: [&[T]; 3]| {
                if *self == Activation::Relu {
                    return rectified(y, dy);
                }
                let block = |index, dx: &mut [T]| {
                    let place = index * BLOCK..index * BLOCK + dx.len();
                    dx.copy_from_slice(&dy[place.clone()]);
                    dispatch(Backward { function: *self, x: &x[place.clone()], y: &y[place], dy: dx });
                };
                filled(x.len(), BLOCK, block).0
            })?;
            Tensor::from_vec(dx, x.shape(), x.device()).map(Some)
        })
    }
}
