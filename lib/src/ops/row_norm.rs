use std::sync::OnceLock;

use candle_core::{CpuStorage, CustomOp3, Layout, Shape, Tensor};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::composed;
use super::host::{Real, dtype, output, read, values, with_real, zeros};
use super::operands::{check, check_shape, shape_error, shape_text};
use super::simd::dispatch;
use super::sums::{pair_sum, sum};
use crate::Result;

/// Layer normalization (Ba et al. 2016): every stretch of the last dimensions, those of `weight`, gets mean 0 and
/// variance 1, then each value its own weight and bias. `x` (…, N) with `weight` and `bias` (N), or more dimensions of
/// each. `eps` is added to the variance: 1e-5 in PyTorch, 1e-6 in vision transformers.
///
/// # Errors
/// If the shapes do not fit each other, or the tensors are not all f32 or all f64 on one device.
pub fn layer_norm(x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f64) -> Result<Tensor> {
    let op = "layer_norm";
    check(op, &[("x", x), ("weight", weight), ("bias", bias)])?;
    let fits = weight.rank() > 0 && x.dims().ends_with(weight.dims()) && weight.elem_count() > 0;
    if !fits {
        let expected = format!("x that ends with the weight's shape {}", shape_text(weight.dims()));
        return Err(shape_error(op, expected, x.dims(), ""));
    }
    check_shape(op, ("bias", bias), weight.dims())?;
    if composed::computes(x)? {
        let rows = composed::Rows::Values(weight.elem_count());
        return Ok(composed::row_norm(op, [x, weight, bias], rows, eps)?);
    }
    apply(x, weight, bias, RowNorm::layer(weight.elem_count(), eps))
}

/// Group normalization (Wu and He 2018): in every image each of `groups` equal groups of channels gets mean 0 and
/// variance 1, then each channel its own weight and bias. `x` (B, C, …), `weight` and `bias` (C).
///
/// # Errors
/// If C is not a multiple of `groups`, the shapes do not fit each other, or the tensors are not all f32 or all f64 on
/// one device.
pub fn group_norm(x: &Tensor, groups: usize, weight: &Tensor, bias: &Tensor, eps: f64) -> Result<Tensor> {
    let op = "group_norm";
    check(op, &[("x", x), ("weight", weight), ("bias", bias)])?;
    let &[_, channels, ref plane @ ..] = x.dims() else {
        return Err(shape_error(op, "a batch (B, C, …)", x.dims(), ""));
    };
    if groups == 0 || channels == 0 || channels % groups != 0 {
        let expected = format!("channels in {groups} groups of one size");
        return Err(shape_error(op, expected, x.dims(), "Take a divisor of the number of channels."));
    }
    check_shape(op, ("weight", weight), &[channels])?;
    check_shape(op, ("bias", bias), &[channels])?;
    let run: usize = plane.iter().product();
    if run == 0 {
        return Err(shape_error(op, "at least one value per channel", x.dims(), ""));
    }
    if composed::computes(x)? {
        return Ok(composed::row_norm(op, [x, weight, bias], composed::Rows::Groups(groups), eps)?);
    }
    let row = channels / groups * run;
    apply(x, weight, bias, RowNorm { name: op, row, run, groups, eps, statistics: OnceLock::new() })
}

fn apply(x: &Tensor, weight: &Tensor, bias: &Tensor, op: RowNorm) -> Result<Tensor> {
    Ok(x.contiguous()?.apply_op3(&weight.contiguous()?, &bias.contiguous()?, op)?)
}

/// Normalizes rows of `row` values. Row `r` uses the weights of group `r % groups`, one for each `run` of values.
pub(crate) struct RowNorm {
    name: &'static str,
    row: usize,
    run: usize,
    groups: usize,
    eps: f64,
    /// Mean and inverse standard deviation of each row, from the forward pass.
    statistics: OnceLock<Vec<[f64; 2]>>,
}

/// Rows whose sums of gradients are taken together: their number must not follow the threads, for the sums to be the
/// same whatever there are.
const BLOCK_ROWS: usize = 64;

impl RowNorm {
    /// Layer normalization of rows of `row` values.
    pub(crate) fn layer(row: usize, eps: f64) -> RowNorm {
        RowNorm { name: "layer_norm", row, run: 1, groups: 1, eps, statistics: OnceLock::new() }
    }

    fn statistics<T: Real>(&self, x: &[T]) -> &[[f64; 2]] {
        self.statistics.get_or_init(|| {
            let of_row = |x: &[T]| dispatch(Moments { x, eps: self.eps });
            x.par_chunks(self.row).with_min_len(16).map(of_row).collect()
        })
    }

    /// The weights of a row.
    fn of_row<'a, T>(&self, row: usize, weight: &'a [T]) -> &'a [T] {
        let count = weight.len() / self.groups;
        &weight[row % self.groups * count..][..count]
    }

    pub(crate) fn forward_into<T: Real>(&self, x: &[T], weight: &[T], bias: &[T], y: &mut [T]) {
        let statistics = self.statistics(x);
        let rows = y.par_chunks_mut(self.row).zip(x.par_chunks(self.row)).zip(statistics).enumerate();
        rows.with_min_len(16).for_each(|(row, ((y, x), &[mean, inverse]))| {
            let (mean, inverse) = (T::from_f64(mean), T::from_f64(inverse));
            let (weight, bias) = (self.of_row(row, weight), self.of_row(row, bias));
            dispatch(ForwardRow { run: self.run, x, y, mean, inverse, weight, bias });
        });
    }

    /// The gradients of x, into `dx`, weight and bias. With x̂ the normalized values and g = dy · weight:
    /// `dx = (g - mean(g) - x̂ · mean(g · x̂)) · inverse`.
    pub(crate) fn backward_into<T: Real>(
        &self,
        x: &[T],
        weight: &[T],
        dy: &[T],
        dx: &mut [T],
    ) -> (Vec<T>, Vec<T>) {
        let statistics = self.statistics(x);
        // A block begins with the first group, so that its sums are those of all weights.
        let block_rows = BLOCK_ROWS.div_ceil(self.groups) * self.groups;
        let block = block_rows * self.row;
        let blocks = dx.par_chunks_mut(block).zip(x.par_chunks(block)).zip(dy.par_chunks(block));
        let blocks = blocks.zip(statistics.par_chunks(block_rows));
        let sums: Vec<(Vec<T>, Vec<T>)> = blocks
            .map(|(((dx, x), dy), statistics)| {
                let mut sums = (vec![T::zero(); weight.len()], vec![T::zero(); weight.len()]);
                let rows = dx.chunks_mut(self.row).zip(x.chunks(self.row)).zip(dy.chunks(self.row));
                for (row, (((dx, x), dy), &statistics)) in rows.zip(statistics).enumerate() {
                    let first = row % self.groups * (weight.len() / self.groups);
                    let (dw, db) = (&mut sums.0[first..], &mut sums.1[first..]);
                    let weight = self.of_row(row, weight);
                    dispatch(BackwardRow { norm: self, x, weight, dy, statistics, dx, dw, db });
                }
                sums
            })
            .collect();
        let dw = total(sums.iter().map(|sums| &sums.0), weight.len());
        let db = total(sums.iter().map(|sums| &sums.1), weight.len());
        (dw, db)
    }

    #[inline(always)]
    #[allow(clippy::too_many_arguments, reason = "the parts of one row")]
    fn row_gradient<T: Real>(
        &self,
        x: &[T],
        weight: &[T],
        dy: &[T],
        [mean, inverse]: [f64; 2],
        dx: &mut [T],
        dw: &mut [T],
        db: &mut [T],
    ) {
        let (mean, inverse) = (T::from_f64(mean), T::from_f64(inverse));
        let count = T::from_f64(1.0 / self.row as f64);
        if self.run == 1 {
            // g first, in the place of dx.
            for ((dx, &dy), &weight) in dx.iter_mut().zip(dy).zip(weight) {
                *dx = dy * weight;
            }
            let shift = T::from_f64(sum(dx, |g| g)) * count;
            let slope = T::from_f64(pair_sum(dx, x, |g, x| g * (x - mean))) * count * inverse * inverse;
            let values = dx.iter_mut().zip(x).zip(dy).zip(dw.iter_mut().zip(db));
            for (((dx, &x), &dy), (dw, db)) in values {
                let centred = x - mean;
                *dw += dy * centred * inverse;
                *db += dy;
                *dx = (*dx - shift - centred * slope) * inverse;
            }
            return;
        }
        let (mut shift, mut slope) = (0.0, 0.0);
        let runs = x.chunks(self.run).zip(dy.chunks(self.run)).zip(weight);
        for (((x, dy), weight), (dw, db)) in runs.zip(dw.iter_mut().zip(db)) {
            let (total, centred) = (sum(dy, |dy| dy), pair_sum(dy, x, |dy, x| dy * (x - mean)));
            *db += T::from_f64(total);
            *dw += T::from_f64(centred) * inverse;
            shift += total * weight.to_f64();
            slope += centred * weight.to_f64();
        }
        let shift = T::from_f64(shift) * count;
        let slope = T::from_f64(slope) * count * inverse * inverse;
        let runs = dx.chunks_mut(self.run).zip(x.chunks(self.run)).zip(dy.chunks(self.run)).zip(weight);
        for (((dx, x), dy), &weight) in runs {
            for ((dx, &x), &dy) in dx.iter_mut().zip(x).zip(dy) {
                *dx = (dy * weight - shift - (x - mean) * slope) * inverse;
            }
        }
    }
}

/// Mean and inverse standard deviation of a row.
struct Moments<'a, T> {
    x: &'a [T],
    eps: f64,
}

impl<T: Real> WithSimd for Moments<'_, T> {
    type Output = [f64; 2];

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> [f64; 2] {
        let mean = sum(self.x, |x| x) / self.x.len() as f64;
        let centre = T::from_f64(mean);
        let var = sum(self.x, |x| (x - centre) * (x - centre)) / self.x.len() as f64;
        [mean, 1.0 / (var + self.eps).sqrt()]
    }
}

struct ForwardRow<'a, T> {
    run: usize,
    x: &'a [T],
    y: &'a mut [T],
    mean: T,
    inverse: T,
    weight: &'a [T],
    bias: &'a [T],
}

impl<T: Real> WithSimd for ForwardRow<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let ForwardRow { run, x, y, mean, inverse, weight, bias } = self;
        if run == 1 {
            for ((y, &x), (&weight, &bias)) in y.iter_mut().zip(x).zip(weight.iter().zip(bias)) {
                *y = (x - mean) * inverse * weight + bias;
            }
            return;
        }
        for ((y, x), (&weight, &bias)) in y.chunks_mut(run).zip(x.chunks(run)).zip(weight.iter().zip(bias)) {
            for (y, &x) in y.iter_mut().zip(x) {
                *y = (x - mean) * inverse * weight + bias;
            }
        }
    }
}

struct BackwardRow<'a, T> {
    norm: &'a RowNorm,
    x: &'a [T],
    weight: &'a [T],
    dy: &'a [T],
    statistics: [f64; 2],
    dx: &'a mut [T],
    dw: &'a mut [T],
    db: &'a mut [T],
}

impl<T: Real> WithSimd for BackwardRow<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let BackwardRow { norm, x, weight, dy, statistics, dx, dw, db } = self;
        norm.row_gradient(x, weight, dy, statistics, dx, dw, db);
    }
}

/// The sums of `len` values each, place by place.
fn total<'a, T: Real>(parts: impl Iterator<Item = &'a Vec<T>>, len: usize) -> Vec<T> {
    let mut total = vec![0.0; len];
    for part in parts {
        total.iter_mut().zip(part).for_each(|(total, part)| *total += part.to_f64());
    }
    total.into_iter().map(T::from_f64).collect()
}

impl CustomOp3 for RowNorm {
    fn name(&self) -> &'static str {
        self.name
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        with_real!(dtype(x), self.name, T => {
            let (weight, bias) = (values(weight, weight_layout)?, values(bias, bias_layout)?);
            let x = values(x, x_layout)?;
            let mut y = zeros::<T>(x.len());
            self.forward_into::<T>(x, weight, bias, &mut y);
            output(y, x_layout.dims())
        })
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _: &Tensor,
        dy: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let dy = dy.contiguous()?;
        with_real!(x.dtype(), self.name, T => {
            let mut dx = zeros::<T>(x.elem_count());
            let (dw, db) = read([x, weight, &dy], |[x, weight, dy]: [&[T]; 3]| {
                self.backward_into(x, weight, dy, &mut dx)
            })?;
            Ok((
                Some(Tensor::from_vec(dx, x.shape(), x.device())?),
                Some(Tensor::from_vec(dw, weight.shape(), weight.device())?),
                Some(Tensor::from_vec(db, bias.shape(), bias.device())?),
            ))
        })
    }
}
