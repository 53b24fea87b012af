use candle_core::shape::Dim;
use candle_core::{CpuStorage, CustomOp1, Layout, Shape, Tensor};
use rayon::prelude::*;

use super::composed;
use super::host::{Real, dtype, output, read, values, with_real};
use super::operands::{check, shape_error};
use super::record::apply1;
use crate::Result;

/// Probabilities from raw logits: `exp(x) / Σ exp(x)` along `dim`, computed around the largest logit
/// so that nothing overflows. Keeps the shape.
///
/// # Errors
/// If `x` has no dimension `dim` or it is empty, or `x` is not f32 or f64.
pub fn softmax(x: &Tensor, dim: impl Dim) -> Result<Tensor> {
    along(x, dim, Scale::Plain)
}

/// The logarithm of [`softmax`], without its underflow: `x - log Σ exp(x)` along `dim`.
///
/// # Errors
/// As [`softmax`].
pub fn log_softmax(x: &Tensor, dim: impl Dim) -> Result<Tensor> {
    along(x, dim, Scale::Log)
}

/// The operator works on rows: `dim` is moved to the end and back.
fn along(x: &Tensor, dim: impl Dim, scale: Scale) -> Result<Tensor> {
    let name = scale.name();
    check(name, &[("x", x)])?;
    let dim = dim.to_index(x.shape(), name)?;
    if x.dims()[dim] == 0 {
        return Err(shape_error(name, "at least one logit", x.dims(), ""));
    }
    if composed::computes(x)? {
        return Ok(composed::softmax(x, dim, scale)?);
    }
    let last = x.rank() - 1;
    let y = apply1(Softmax { scale }, &x.transpose(dim, last)?)?;
    Ok(y.transpose(dim, last)?)
}

/// `log Σ exp(row)`, computed around the largest value.
pub(super) fn log_sum_exp<T: Real>(row: &[T]) -> f64 {
    let largest = row.iter().fold(f64::NEG_INFINITY, |largest, value| largest.max(value.to_f64()));
    let shift = if largest.is_finite() { largest } else { 0.0 };
    shift + row.iter().map(|value| (value.to_f64() - shift).exp()).sum::<f64>().ln()
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Scale {
    Plain,
    Log,
}

impl Scale {
    pub(super) fn name(self) -> &'static str {
        match self {
            Scale::Plain => "softmax",
            Scale::Log => "log_softmax",
        }
    }
}

struct Softmax {
    scale: Scale,
}

/// Rows a thread takes at a time.
const ROWS: usize = 64;

impl Softmax {
    fn forward<T: Real>(&self, x: &[T], row: usize) -> Vec<T> {
        let mut y = vec![T::zero(); x.len()];
        y.par_chunks_mut(row).zip(x.par_chunks(row)).with_min_len(ROWS).for_each(|(y, x)| {
            let total = log_sum_exp(x);
            for (y, x) in y.iter_mut().zip(x) {
                let log = x.to_f64() - total;
                *y = T::from_f64(match self.scale {
                    Scale::Plain => log.exp(),
                    Scale::Log => log,
                });
            }
        });
        y
    }

    /// With `p` the probabilities: `p · (dy - Σ dy·p)`, and for the logarithm `dy - p · Σ dy`.
    fn backward<T: Real>(&self, y: &[T], dy: &[T], row: usize) -> Vec<T> {
        let mut dx = vec![T::zero(); y.len()];
        let rows = dx.par_chunks_mut(row).zip(y.par_chunks(row)).zip(dy.par_chunks(row));
        rows.with_min_len(ROWS).for_each(|((dx, y), dy)| {
            let pairs = y.iter().zip(dy).map(|(y, dy)| (y.to_f64(), dy.to_f64()));
            match self.scale {
                Scale::Plain => {
                    let sum: f64 = pairs.clone().map(|(p, dy)| p * dy).sum();
                    dx.iter_mut().zip(pairs).for_each(|(dx, (p, dy))| *dx = T::from_f64(p * (dy - sum)));
                }
                Scale::Log => {
                    let sum: f64 = pairs.clone().map(|(_, dy)| dy).sum();
                    let pairs = dx.iter_mut().zip(pairs);
                    pairs.for_each(|(dx, (log, dy))| *dx = T::from_f64(dy - log.exp() * sum));
                }
            }
        });
        dx
    }
}

impl CustomOp1 for Softmax {
    fn name(&self) -> &'static str {
        self.scale.name()
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        let row = layout.dims().last().copied().unwrap_or(1);
        with_real!(dtype(x), self.name(), T => {
            output(self.forward::<T>(values(x, layout)?, row), layout.dims())
        })
    }

    fn bwd(&self, _: &Tensor, y: &Tensor, dy: &Tensor) -> candle_core::Result<Option<Tensor>> {
        let dy = dy.contiguous()?;
        let row = y.dims().last().copied().unwrap_or(1);
        with_real!(y.dtype(), self.name(), T => {
            let dx = read([y, &dy], |[y, dy]: [&[T]; 2]| self.backward(y, dy, row))?;
            Tensor::from_vec(dx, y.shape(), y.device()).map(Some)
        })
    }
}
