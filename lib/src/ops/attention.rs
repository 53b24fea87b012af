use candle_core::{CpuStorage, CustomOp3, Layout, Shape, Tensor};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::composed;
use super::gemm::{Matrix, Threads, Update, multiply};
use super::host::{Real, dtype, output, read, values, with_real, zeros};
use super::math::Math;
use super::operands::{check, shape_error, shape_text};
use super::precision::check_precision;
use super::record::apply3;
use super::simd::dispatch;
use super::sums::{products, sum};
use crate::Result;

/// Scaled dot-product attention (Vaswani et al. 2017): `softmax(q · kᵀ / √D) · v` for each batch and head. `q`
/// (…, N, D), `k` (…, M, D) and `v` (…, M, E) give (…, N, E); the dimensions before are those of all three, such as (B, H).
///
/// The weights (N, M) are never there as a whole: they are made, and in the gradient made again, for a block of
/// queries at a time, so that memory grows with N and M and not with their product.
///
/// # Errors
/// If the shapes do not fit each other, there is no key, or the tensors are not all f32 or all f64 on one device.
pub fn attention(q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Tensor> {
    let op = "attention";
    check(op, &[("q", q), ("k", k), ("v", v)])?;
    let (rank, [q_dims, k_dims, v_dims]) = (q.rank(), [q.dims(), k.dims(), v.dims()]);
    if rank < 2 || k.rank() != rank || v.rank() != rank {
        let expected = "q (…, N, D), k (…, M, D) and v (…, M, E) of one rank";
        let got = [q_dims, k_dims, v_dims].map(shape_text).join(", ");
        return Err(crate::Error::Shape {
            op: op.into(),
            expected: expected.into(),
            got,
            hint: String::new(),
        });
    }
    let (leading, [queries, features]) = (&q_dims[..rank - 2], [q_dims[rank - 2], q_dims[rank - 1]]);
    let [keys, out_features] = [k_dims[rank - 2], v_dims[rank - 1]];
    let k_expected = [leading, &[keys, features]].concat();
    if k_dims != k_expected || keys == 0 || features == 0 {
        let expected = format!("k (…, M, D) for q {}, with M and D at least 1", shape_text(q_dims));
        return Err(shape_error(op, expected, k_dims, ""));
    }
    let v_expected = [leading, &[keys, out_features]].concat();
    if v_dims != v_expected {
        let expected = format!("v (…, M, E) for k {}", shape_text(k_dims));
        return Err(shape_error(op, expected, v_dims, ""));
    }
    if composed::computes(q)? {
        return Ok(composed::attention(q, k, v)?);
    }
    check_precision("attention", q)?;
    let batch = leading.iter().product();
    let op = Attention { batch, heads: 1, queries, keys, features, out_features };
    apply3(op, [q, k, v])
}

/// Queries (B, N, heads·D), keys (B, M, heads·D) and values (B, M, heads·E) to (B, N, heads·E).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attention {
    pub(crate) batch: usize,
    pub(crate) heads: usize,
    pub(crate) queries: usize,
    pub(crate) keys: usize,
    /// D, of one head.
    pub(crate) features: usize,
    /// E.
    pub(crate) out_features: usize,
}

/// Values of a row that are compared side by side.
const LANES: usize = 16;
/// Queries whose weights are there at a time.
const QUERIES: usize = 64;

/// The weights of a block of queries, and what else a gradient needs room for.
struct Scratch<T> {
    weights: Vec<T>,
    slopes: Vec<T>,
}

impl<T> Scratch<T> {
    fn new() -> Scratch<T> {
        Scratch { weights: Vec::new(), slopes: Vec::new() }
    }
}

impl Attention {
    pub(super) fn scale(&self) -> f64 {
        1.0 / (self.features as f64).sqrt()
    }

    /// The threads that one product may use.
    fn threads(&self) -> Threads {
        if self.batch < rayon::current_num_threads() { Threads::All } else { Threads::One }
    }

    /// The attention weights of some queries, (queries, M), into `weights`.
    fn weights<T: Real>(&self, q: Matrix<T>, k: Matrix<T>, weights: &mut Vec<T>) {
        let (len, scale) = (q.rows * self.keys, T::from_f64(self.scale()));
        weights.resize(len, T::zero());
        multiply(weights, self.keys, Update::Replace, q, k.transposed(), self.threads());
        dispatch(SoftmaxRows { rows: weights, len: self.keys, scale });
    }

    /// Blocks of queries: the first one and how many.
    fn blocks(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let queries = self.queries;
        (0..queries).step_by(QUERIES).map(move |first| (first, QUERIES.min(queries - first)))
    }

    /// A head's part of an image's rows (…, heads·D).
    fn head<'a, T>(&self, rows: &'a [T], head: usize, features: usize) -> Matrix<'a, T> {
        let stride = self.heads * features;
        let rows_of_head = rows.len() / stride.max(1);
        Matrix {
            values: &rows[head * features..],
            rows: rows_of_head,
            columns: features,
            strides: [stride, 1],
        }
    }

    /// Values of an image's queries, keys, values and outputs.
    pub(super) fn lens(&self) -> [usize; 4] {
        let (d, e) = (self.heads * self.features, self.heads * self.out_features);
        [self.queries * d, self.keys * d, self.keys * e, self.queries * e]
    }

    pub(crate) fn forward_into<T: Real>(&self, q: &[T], k: &[T], v: &[T], y: &mut [T]) {
        if let (Some(q), Some(k), Some(v)) = (T::single(q), T::single(k), T::single(v))
            && T::single_mut(y).is_some_and(|y| self.forward_panels([q, k, v], y))
        {
            return;
        }
        let [q_len, k_len, v_len, y_len] = self.lens();
        let stride = self.heads * self.out_features;
        let images = y.par_chunks_mut(y_len.max(1)).enumerate();
        images.for_each_init(Scratch::new, |scratch, (image, y)| {
            for head in 0..self.heads {
                let q = self.head(&q[image * q_len..][..q_len], head, self.features);
                let k = self.head(&k[image * k_len..][..k_len], head, self.features);
                let v = self.head(&v[image * v_len..][..v_len], head, self.out_features);
                for (first, count) in self.blocks() {
                    self.weights(q.rows(first..first + count), k, &mut scratch.weights);
                    let weights = Matrix::packed(&scratch.weights, count, self.keys);
                    let y = &mut y[first * stride + head * self.out_features..];
                    multiply(y, stride, Update::Replace, weights, v, self.threads());
                }
            }
        });
    }

    /// With P the weights and dP = dy · vᵀ: `dS = P · (dP - Σ dP · P) / √D`, `dq = dS · k`, `dk = dSᵀ · q`,
    /// `dv = Pᵀ · dy`, into `gradients`.
    pub(crate) fn backward_into<T: Real>(&self, inputs: [&[T]; 3], dy: &[T], gradients: [&mut [T]; 3]) {
        let [q_len, k_len, v_len, y_len] = self.lens();
        let ([q, k, v], [dq, dk, dv]) = (inputs, gradients);
        if let (Some(q), Some(k), Some(v), Some(dy)) =
            (T::single(q), T::single(k), T::single(v), T::single(dy))
            && let (Some(dq), Some(dk), Some(dv)) = (T::single_mut(dq), T::single_mut(dk), T::single_mut(dv))
            && self.backward_panels([q, k, v], dy, [dq, dk, dv])
        {
            return;
        }
        dk.fill(T::zero());
        dv.fill(T::zero());
        let images = dq.par_chunks_mut(q_len.max(1)).zip(dk.par_chunks_mut(k_len.max(1)));
        let images = images.zip(dv.par_chunks_mut(v_len.max(1))).enumerate();
        images.for_each_init(Scratch::new, |scratch, (image, ((dq, dk), dv))| {
            for head in 0..self.heads {
                let q = self.head(&q[image * q_len..][..q_len], head, self.features);
                let k = self.head(&k[image * k_len..][..k_len], head, self.features);
                let v = self.head(&v[image * v_len..][..v_len], head, self.out_features);
                let dy = self.head(&dy[image * y_len..][..y_len], head, self.out_features);
                let dq = &mut dq[head * self.features..];
                let dk = &mut dk[head * self.features..];
                let dv = &mut dv[head * self.out_features..];
                self.backward_head([q, k, v, dy], [dq, dk, dv], scratch);
            }
        });
    }

    /// Of one head, whose gradients begin with these slices and are 0 so far.
    fn backward_head<T: Real>(
        &self,
        [q, k, v, dy]: [Matrix<T>; 4],
        [dq, dk, dv]: [&mut [T]; 3],
        scratch: &mut Scratch<T>,
    ) {
        let (scale, threads) = (T::from_f64(self.scale()), self.threads());
        let (stride, v_stride) = (self.heads * self.features, self.heads * self.out_features);
        for (first, count) in self.blocks() {
            let (q, dy) = (q.rows(first..first + count), dy.rows(first..first + count));
            self.weights(q, k, &mut scratch.weights);
            let Scratch { weights, slopes } = &mut *scratch;
            let p = Matrix::packed(weights, count, self.keys);
            multiply(dv, v_stride, Update::Add, p.transposed(), dy, threads);
            slopes.resize(count * self.keys, T::zero());
            multiply(slopes, self.keys, Update::Replace, dy, v.transposed(), threads);
            dispatch(SlopeRows { slopes: &mut *slopes, weights: &*weights, len: self.keys, scale });
            let slopes = Matrix::packed(slopes, count, self.keys);
            multiply(&mut dq[first * stride..], stride, Update::Replace, slopes, k, threads);
            multiply(dk, stride, Update::Add, slopes.transposed(), q, threads);
        }
    }
}

/// The softmax of `scale` times rows of `len` values.
struct SoftmaxRows<'a, T> {
    rows: &'a mut [T],
    len: usize,
    scale: T,
}

impl<T: Real> WithSimd for SoftmaxRows<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        for row in self.rows.chunks_exact_mut(self.len) {
            let mut lanes = [T::neg_infinity(); LANES];
            let (whole, rest) = row.as_chunks::<LANES>();
            for chunk in whole {
                for lane in 0..LANES {
                    lanes[lane] = if chunk[lane] > lanes[lane] { chunk[lane] } else { lanes[lane] };
                }
            }
            let mut largest = T::neg_infinity();
            for &value in rest.iter().chain(&lanes) {
                largest = if value > largest { value } else { largest };
            }
            // All -∞, or a NaN: what comes out is NaN, as it must.
            let shift = if largest == T::neg_infinity() { T::zero() } else { largest };
            for value in row.iter_mut() {
                *value = Math::exp((*value - shift) * self.scale);
            }
            let inverse = T::from_f64(1.0 / sum(simd, row));
            for value in row.iter_mut() {
                *value *= inverse;
            }
        }
    }
}

/// From the gradients of the weights, rows of `len` values, to those of what the softmax was taken of.
struct SlopeRows<'a, T> {
    slopes: &'a mut [T],
    weights: &'a [T],
    len: usize,
    scale: T,
}

impl<T: Real> WithSimd for SlopeRows<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let rows = self.slopes.chunks_exact_mut(self.len).zip(self.weights.chunks_exact(self.len));
        for (slopes, weights) in rows {
            let mean = T::from_f64(products(simd, slopes, weights));
            for (slope, &weight) in slopes.iter_mut().zip(weights) {
                *slope = weight * (*slope - mean) * self.scale;
            }
        }
    }
}

impl CustomOp3 for Attention {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn cpu_fwd(
        &self,
        q: &CpuStorage,
        q_layout: &Layout,
        k: &CpuStorage,
        k_layout: &Layout,
        v: &CpuStorage,
        v_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let mut dims = q_layout.dims().to_vec();
        if let Some(last) = dims.last_mut() {
            *last = self.out_features; // (…, N, E)
        }
        with_real!(dtype(q), "attention", T => {
            let (k, v) = (values(k, k_layout)?, values(v, v_layout)?);
            let mut y = zeros::<T>(dims.iter().product());
            self.forward_into::<T>(values(q, q_layout)?, k, v, &mut y);
            output(y, dims)
        })
    }

    fn bwd(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        _: &Tensor,
        dy: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let dy = dy.contiguous()?;
        with_real!(q.dtype(), "attention", T => {
            let [mut dq, mut dk, mut dv] = [q, k, v].map(|tensor| zeros::<T>(tensor.elem_count()));
            read([q, k, v, &dy], |[q, k, v, dy]: [&[T]; 4]| {
                self.backward_into([q, k, v], dy, [&mut dq, &mut dk, &mut dv]);
            })?;
            Ok((
                Some(Tensor::from_vec(dq, q.shape(), q.device())?),
                Some(Tensor::from_vec(dk, k.shape(), k.device())?),
                Some(Tensor::from_vec(dv, v.shape(), v.device())?),
            ))
        })
    }
}
