use std::sync::OnceLock;

use candle_core::{CpuStorage, CustomOp3, Layout, Shape, Tensor};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::composed;
use super::elementwise::BLOCK;
use super::host::{Real, dtype, filled, output, read, values, with_real};
use super::layer_rows::LayerRows;
use super::operands::{check, check_shape, shape_error, shape_text};
use super::record::apply3;
use super::simd::dispatch;
use super::sums::{centred_products, squares, sum};
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
    apply3(op, [x, weight, bias])
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

    /// Rows that a thread takes at a time.
    fn group(&self) -> usize {
        (BLOCK / self.row).max(1)
    }

    /// The weights of a row.
    fn of_row<'a, T>(&self, row: usize, weight: &'a [T]) -> &'a [T] {
        let count = weight.len() / self.groups;
        &weight[row % self.groups * count..][..count]
    }

    /// The output of some rows, from number `first`, and the statistics of each.
    fn rows<T: Real>(&self, first: usize, [x, weight, bias]: [&[T]; 3], y: &mut [T]) -> Vec<[f64; 2]> {
        dispatch(ForwardRows { norm: self, first, x: &x[first * self.row..][..y.len()], weight, bias, y })
    }

    pub(crate) fn forward_into<T: Real>(&self, x: &[T], weight: &[T], bias: &[T], y: &mut [T]) {
        let group = self.group();
        let groups = y.par_chunks_mut(group * self.row).enumerate();
        let statistics: Vec<_> =
            groups.map(|(index, y)| self.rows(index * group, [x, weight, bias], y)).collect();
        // A second forward pass of the same operator would find the same.
        let _ = self.statistics.set(statistics.concat());
    }

    /// The same into memory of its own.
    fn forward<T: Real>(&self, x: &[T], weight: &[T], bias: &[T]) -> Vec<T> {
        let group = self.group();
        let rows = |index: usize, y: &mut [T]| self.rows(index * group, [x, weight, bias], y);
        let (y, statistics) = filled(x.len(), group * self.row, rows);
        let _ = self.statistics.set(statistics.concat());
        y
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
        let block_rows = self.block_rows();
        let blocks = dx.par_chunks_mut(block_rows * self.row).enumerate();
        let sums: Vec<_> =
            blocks.map(|(block, dx)| self.block_gradient(block * block_rows, [x, weight, dy], dx)).collect();
        self.weight_gradients(&sums)
    }

    /// The gradients of x, weight and bias, in memory of their own.
    fn backward<T: Real>(&self, x: &[T], weight: &[T], dy: &[T]) -> (Vec<T>, Vec<T>, Vec<T>) {
        let block_rows = self.block_rows();
        let block = |block: usize, dx: &mut [T]| self.block_gradient(block * block_rows, [x, weight, dy], dx);
        let (dx, sums) = filled(x.len(), block_rows * self.row, block);
        let (dw, db) = self.weight_gradients(&sums);
        (dx, dw, db)
    }

    /// Rows whose sums are taken together. A block begins with the first group, so that its sums are those of all
    /// weights.
    fn block_rows(&self) -> usize {
        BLOCK_ROWS.div_ceil(self.groups) * self.groups
    }

    /// The gradient of some rows of x, from number `first`, and what they give to those of the weight and bias.
    fn block_gradient<T: Real>(&self, first: usize, [x, weight, dy]: [&[T]; 3], dx: &mut [T]) -> [Vec<T>; 2] {
        let place = first * self.row..first * self.row + dx.len();
        let statistics = &self.statistics(x)[first..];
        let (x, dy) = (&x[place.clone()], &dy[place]);
        dispatch(BackwardRows { norm: self, x, weight, dy, statistics, dx })
    }

    fn weight_gradients<T: Real>(&self, sums: &[[Vec<T>; 2]]) -> (Vec<T>, Vec<T>) {
        let total = |which: usize| -> Vec<T> {
            let len = sums.first().map_or(0, |sums| sums[which].len());
            let mut total = vec![0.0; len];
            for sums in sums {
                total.iter_mut().zip(&sums[which]).for_each(|(total, part)| *total += part.to_f64());
            }
            total.into_iter().map(T::from_f64).collect()
        };
        (total(0), total(1))
    }

    #[inline(always)]
    #[allow(clippy::too_many_arguments, reason = "the parts of one row")]
    fn row_gradient<S: Simd, T: Real>(
        &self,
        simd: S,
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
        let (mut shift, mut slope) = (0.0, 0.0);
        let runs = x.chunks(self.run).zip(dy.chunks(self.run)).zip(weight);
        for (((x, dy), weight), (dw, db)) in runs.zip(dw.iter_mut().zip(db)) {
            let (total, centred) = (sum(simd, dy), centred_products(simd, dy, x, mean));
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
    fn with_simd<S: Simd>(self, simd: S) -> [f64; 2] {
        let mean = sum(simd, self.x) / self.x.len() as f64;
        let centre = T::from_f64(mean);
        let var = squares(simd, self.x, centre) / self.x.len() as f64;
        [mean, 1.0 / (var + self.eps).sqrt()]
    }
}

/// Some rows of the output, from number `first`.
struct ForwardRows<'a, T> {
    norm: &'a RowNorm,
    first: usize,
    x: &'a [T],
    weight: &'a [T],
    bias: &'a [T],
    y: &'a mut [T],
}

impl<T: Real> WithSimd for ForwardRows<'_, T> {
    /// Mean and inverse standard deviation of each row.
    type Output = Vec<[f64; 2]>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<[f64; 2]> {
        let ForwardRows { norm, first, x, weight, bias, y } = self;
        let mut statistics = Vec::with_capacity(x.len() / norm.row);
        for (index, (y, x)) in y.chunks_mut(norm.row).zip(x.chunks(norm.row)).enumerate() {
            let moments = Moments { x, eps: norm.eps }.with_simd(simd);
            statistics.push(moments);
            let [mean, inverse] = moments.map(T::from_f64);
            let (weight, bias) = (norm.of_row(first + index, weight), norm.of_row(first + index, bias));
            if norm.run == 1 {
                for ((y, &x), (&weight, &bias)) in y.iter_mut().zip(x).zip(weight.iter().zip(bias)) {
                    *y = (x - mean) * inverse * weight + bias;
                }
                continue;
            }
            let runs = y.chunks_mut(norm.run).zip(x.chunks(norm.run));
            for ((y, x), (&weight, &bias)) in runs.zip(weight.iter().zip(bias)) {
                for (y, &x) in y.iter_mut().zip(x) {
                    *y = (x - mean) * inverse * weight + bias;
                }
            }
        }
        statistics
    }
}

/// Some rows of the gradient of x, from one of the first group on.
struct BackwardRows<'a, T> {
    norm: &'a RowNorm,
    x: &'a [T],
    weight: &'a [T],
    dy: &'a [T],
    statistics: &'a [[f64; 2]],
    dx: &'a mut [T],
}

impl<T: Real> WithSimd for BackwardRows<'_, T> {
    /// What they give to the gradients of the weight and bias.
    type Output = [Vec<T>; 2];

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> [Vec<T>; 2] {
        let BackwardRows { norm, x, weight, dy, statistics, dx } = self;
        if norm.run == 1 && norm.groups == 1 {
            return LayerRows { x, weight, dy, statistics, dx }.with_simd(simd);
        }
        let (mut dw, mut db) = (vec![T::zero(); weight.len()], vec![T::zero(); weight.len()]);
        let rows = dx.chunks_mut(norm.row).zip(x.chunks(norm.row)).zip(dy.chunks(norm.row));
        for (row, (((dx, x), dy), &statistics)) in rows.zip(statistics).enumerate() {
            let first = row % norm.groups * (weight.len() / norm.groups);
            let weight = norm.of_row(row, weight);
            norm.row_gradient(simd, x, weight, dy, statistics, dx, &mut dw[first..], &mut db[first..]);
        }
        [dw, db]
    }
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
            output(self.forward::<T>(x, weight, bias), x_layout.dims())
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
            let (dx, dw, db) =
                read([x, weight, &dy], |[x, weight, dy]: [&[T]; 3]| self.backward(x, weight, dy))?;
            Ok((
                Some(Tensor::from_vec(dx, x.shape(), x.device())?),
                Some(Tensor::from_vec(dw, weight.shape(), weight.device())?),
                Some(Tensor::from_vec(db, bias.shape(), bias.device())?),
            ))
        })
    }
}
