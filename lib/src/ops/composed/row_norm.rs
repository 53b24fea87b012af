use candle_core::{D, Result, Tensor};

use super::differentiable;
use super::sums::{channel_sums, column_sums};

/// What is normalized together, and what has a weight of its own.
#[derive(Debug, Clone, Copy)]
pub(in super::super) enum Rows {
    /// Rows of so many values, each with its weight: layer norm.
    Values(usize),
    /// So many groups of an image's channels, each channel with its weight: group norm.
    Groups(usize),
}

impl Rows {
    /// The rows of `x`: (R, N).
    fn rows(self, x: &Tensor) -> Result<Tensor> {
        let x = x.contiguous()?;
        match self {
            Rows::Values(row) => x.reshape(((), row)),
            Rows::Groups(groups) => {
                let batch = x.dim(0)?;
                x.reshape((batch * groups, ()))
            }
        }
    }

    /// Rows (R, N) with the values of each weight by themselves: (R, N), or (B, C, …).
    fn beside(self, rows: &Tensor, weights: usize) -> Result<Tensor> {
        match self {
            Rows::Values(_) => Ok(rows.clone()),
            Rows::Groups(groups) => {
                let batch = rows.dim(0)? / groups;
                rows.reshape((batch, weights, ()))
            }
        }
    }

    /// A weight as it lies beside them.
    fn weight(self, weight: &Tensor) -> Result<Tensor> {
        let weight = weight.contiguous()?;
        match self {
            Rows::Values(_) => weight.reshape((1, ())),
            Rows::Groups(_) => weight.reshape((1, (), 1)),
        }
    }

    /// The sum of what lies beside each weight.
    fn sums(self, beside: &Tensor) -> Result<Tensor> {
        match self {
            Rows::Values(_) => column_sums(beside),
            Rows::Groups(_) => channel_sums(beside),
        }
    }
}

/// [`super::super::layer_norm`] and [`super::super::group_norm`] of any device.
pub(in super::super) fn row_norm(
    name: &'static str,
    [x, weight, bias]: [&Tensor; 3],
    rows: Rows,
    eps: f64,
) -> Result<Tensor> {
    #[cfg(feature = "cuda")]
    if matches!(rows, Rows::Values(_)) && super::super::cuda::computes(&[x, weight]) {
        return super::super::cuda::layer_norm([x, weight, bias], eps);
    }
    let values = rows.rows(&x.detach())?;
    let mean = row_means(&values)?; // (R, 1)
    let centred = values.broadcast_sub(&mean)?;
    let inverse = (row_means(&centred.sqr()?)? + eps)?.sqrt()?.recip()?;
    let normalized = centred.broadcast_mul(&inverse)?;
    let weights = weight.elem_count();
    let (scale, shift) = (rows.weight(&weight.detach())?, rows.weight(&bias.detach())?);
    let y = rows.beside(&normalized, weights)?.broadcast_mul(&scale)?.broadcast_add(&shift)?;
    let y = y.reshape(x.shape())?;
    // With g = dy · weight: dx = (g - mean(g) - x̂ · mean(g · x̂)) · inverse.
    differentiable(name, [x, weight, bias], y, move |given| {
        let [x, weight, _] = &given.inputs;
        let normalized = rows.rows(x)?.broadcast_sub(&mean)?.broadcast_mul(&inverse)?;
        let dy = rows.beside(&rows.rows(&given.dy)?, weights)?;
        let dw =
            given.of(1, || rows.sums(&(&dy * normalized.reshape(dy.shape())?)?)?.reshape(weight.shape()))?;
        let db = given.of(2, || rows.sums(&dy)?.reshape(weight.shape()))?;
        let dx = given.of(0, || {
            let g = dy.broadcast_mul(&rows.weight(weight)?)?.reshape(normalized.shape())?;
            let slope = row_means(&(&g * &normalized)?)?;
            let dx = (g.broadcast_sub(&row_means(&g)?)? - normalized.broadcast_mul(&slope)?)?;
            dx.broadcast_mul(&inverse)?.reshape(x.shape())
        })?;
        Ok([dx, dw, db])
    })
}

fn row_means(rows: &Tensor) -> Result<Tensor> {
    rows.sum_keepdim(D::Minus1)? / rows.dim(D::Minus1)? as f64
}
