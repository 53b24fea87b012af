//! Attention in f32 on panels of keys and values: the weights of some queries are made, used and forgotten while they
//! are in the first caches.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::attention::Attention;
use super::buffer::Pool;
use super::gemm::Update;
use super::lanes::Lanes;
use super::micro::{Left, Out, Right, Sizes, panel, product};
use super::simd::dispatch;
use super::sums::{products, sum};

/// A multiple of the panels of any CPU.
const PANEL: usize = 32;
/// Queries at a time, at most: in the gradient more, so that its sums over queries are long.
const QUERIES: usize = 56;
const GRADIENT_QUERIES: usize = 112;

/// The queries, keys and values of an image.
#[derive(Clone, Copy)]
struct Image<'a> {
    q: &'a [f32],
    k: &'a [f32],
    v: &'a [f32],
}

impl Attention {
    /// Whether the features of a head are whole panels.
    fn fits_panels(&self) -> bool {
        let fits =
            |features: usize| features > 0 && (features.is_multiple_of(PANEL) || features == PANEL / 2);
        fits(self.features) && fits(self.out_features)
    }

    /// Values of a row of weights, with room for whole panels of keys.
    fn width(&self) -> usize {
        self.keys.next_multiple_of(PANEL)
    }

    /// At most `most` queries at a time, of as equal numbers as there can be.
    fn step(&self, most: usize) -> usize {
        self.queries.div_ceil(self.queries.div_ceil(most).max(1)).max(1)
    }

    fn image<'a>(&self, [q, k, v]: [&'a [f32]; 3], image: usize) -> Image<'a> {
        let [q_len, k_len, v_len, _] = self.lens();
        let part = |values: &'a [f32], len: usize| &values[image * len..][..len];
        Image { q: part(q, q_len), k: part(k, k_len), v: part(v, v_len) }
    }

    /// The output into `y`; false, and nothing done, where other ways are better.
    pub(super) fn forward_panels(&self, inputs: [&[f32]; 3], y: &mut [f32]) -> bool {
        if !self.fits_panels() {
            return false;
        }
        let (len, width) = (self.features * self.width(), self.width());
        let mut panels = Pool::of_operators().take(self.batch * self.heads * len);
        panels.par_chunks_mut(len).enumerate().for_each(|(index, panels)| {
            let (image, head) = (index / self.heads, index % self.heads);
            let from = self.head_rows(self.image(inputs, image).k, head, self.features);
            dispatch(Pack { from, keys: self.keys, panels });
        });
        let (step, stride) = (self.step(QUERIES), self.heads * self.out_features);
        let images =
            y.par_chunks_mut((self.queries * stride).max(1)).zip(panels.par_chunks(self.heads * len));
        images.enumerate().for_each(|(image, (y, panels))| {
            let blocks = y.par_chunks_mut(step * stride).enumerate();
            blocks.for_each_init(
                || vec![0.0; step * width],
                |weights, (block, y)| {
                    let image = self.image(inputs, image);
                    let first = block * step;
                    dispatch(Forward { attention: self, image, panels, first, weights, y });
                },
            );
        });
        true
    }

    /// The gradients of the queries, keys and values; false, and nothing done, where other ways are better.
    pub(super) fn backward_panels(
        &self,
        inputs: [&[f32]; 3],
        dy: &[f32],
        [dq, dk, dv]: [&mut [f32]; 3],
    ) -> bool {
        // An image is one thread's.
        if !self.fits_panels() || self.batch < rayon::current_num_threads() || self.queries == 0 {
            return false;
        }
        let [q_len, k_len, v_len, y_len] = self.lens();
        let images = dq.par_chunks_mut(q_len).zip(dk.par_chunks_mut(k_len)).zip(dv.par_chunks_mut(v_len));
        let (step, width) = (self.step(GRADIENT_QUERIES), self.width());
        let room = (self.features + self.out_features + 2 * step) * width;
        images.zip(dy.par_chunks(y_len)).enumerate().for_each_init(
            || vec![0.0; room],
            |room, (image, (((dq, dk), dv), dy))| {
                let image = self.image(inputs, image);
                dispatch(Backward { attention: self, image, dy, gradients: [dq, dk, dv], step, room });
            },
        );
        true
    }

    /// The rows of a head, from its first value on, and how far they lie apart.
    fn head_rows<'a>(&self, rows: &'a [f32], head: usize, features: usize) -> Rows<'a> {
        Rows { values: &rows[head * features..], stride: self.heads * features, len: features }
    }
}

/// Rows of `len` values.
#[derive(Clone, Copy)]
struct Rows<'a> {
    values: &'a [f32],
    stride: usize,
    len: usize,
}

impl<'a> Rows<'a> {
    #[inline(always)]
    fn from(self, first: usize) -> Rows<'a> {
        Rows { values: &self.values[first * self.stride..], ..self }
    }

    /// As the left matrix.
    #[inline(always)]
    fn left(self) -> Left<'a> {
        Left { values: self.values, strides: [self.stride, 1] }
    }

    /// As the right matrix: panels that lie in the rows.
    #[inline(always)]
    fn right<S: Simd>(self) -> Right<'a> {
        Right { values: self.values, strides: [self.stride, panel::<S>(self.len)] }
    }

    /// Of so many of them as the right matrix, for a left one of so many rows.
    #[inline(always)]
    fn sizes<S: Simd>(self, rows: usize, depth: usize) -> Sizes {
        let panel = panel::<S>(self.len);
        Sizes { rows, depth, panels: self.len / panel, panel }
    }
}

/// Keys or values, transposed: panels of keys, each (features, panel), zeros after the last key.
struct Pack<'a> {
    from: Rows<'a>,
    keys: usize,
    panels: &'a mut [f32],
}

impl WithSimd for Pack<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Pack { from, keys, panels } = self;
        let panel = panel::<S>(keys);
        for (index, to) in panels.chunks_exact_mut(from.len * panel).enumerate() {
            let first = index * panel;
            let count = panel.min(keys.saturating_sub(first));
            if count < panel {
                to.fill(0.0);
            }
            for key in 0..count {
                let row = &from.values[(first + key) * from.stride..][..from.len];
                for (to, &value) in to[key..].iter_mut().step_by(panel).zip(row) {
                    *to = value;
                }
            }
        }
    }
}

/// A product, made once and not wherever it is used.
struct Multiply<'a> {
    sizes: Sizes,
    left: Left<'a>,
    right: Right<'a>,
    out: Out<'a>,
    update: Update,
}

impl WithSimd for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Multiply { sizes, left, right, out, update } = self;
        product(simd, sizes, left, right, out, update);
    }
}

/// The products of some rows with all keys or values, which are packed, into rows of `width` values.
#[inline(always)]
fn with_packed<S: Simd>(simd: S, rows: Rows<'_>, count: usize, keys: usize, packed: &[f32], out: Out<'_>) {
    let panel = panel::<S>(keys);
    simd.vectorize(Multiply {
        sizes: Sizes { rows: count, depth: rows.len, panels: keys.div_ceil(panel), panel },
        left: rows.left(),
        right: Right { values: packed, strides: [panel, rows.len * panel] },
        out,
        update: Update::Replace,
    });
}

/// The outputs of some queries of an image, from number `first`.
struct Forward<'a> {
    attention: &'a Attention,
    image: Image<'a>,
    /// The packed keys of every head.
    panels: &'a [f32],
    first: usize,
    weights: &'a mut [f32],
    y: &'a mut [f32],
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Forward { attention, image, panels, first, weights, y } = self;
        let &Attention { heads, keys, features, out_features, .. } = attention;
        let (stride, width, scale) = (heads * out_features, attention.width(), attention.scale() as f32);
        let count = y.len() / stride;
        for head in 0..heads {
            let q = attention.head_rows(image.q, head, features).from(first);
            let v = attention.head_rows(image.v, head, out_features);
            let panels = &panels[head * features * width..][..features * width];
            with_packed(simd, q, count, keys, panels, Out { values: weights, stride: width });
            let mut inverses = [0.0; QUERIES];
            for (row, inverse) in weights.chunks_exact_mut(width).take(count).zip(&mut inverses) {
                *inverse = exponentials(simd, row, keys, scale);
            }
            simd.vectorize(Multiply {
                sizes: v.sizes::<S>(count, keys),
                left: Left { values: weights, strides: [width, 1] },
                right: v.right::<S>(),
                out: Out { values: &mut y[head * out_features..], stride },
                update: Update::Replace,
            });
            for (row, inverse) in y.chunks_exact_mut(stride).zip(inverses) {
                scale_row(simd, &mut row[head * out_features..][..out_features], inverse);
            }
        }
    }
}

/// The gradients of an image.
struct Backward<'a> {
    attention: &'a Attention,
    image: Image<'a>,
    dy: &'a [f32],
    gradients: [&'a mut [f32]; 3],
    /// Queries at a time.
    step: usize,
    /// For packed keys and values, weights and their gradients.
    room: &'a mut [f32],
}

impl WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Backward { attention, image, dy, gradients: [dq, dk, dv], step, room } = self;
        let &Attention { heads, queries, keys, features, out_features, .. } = attention;
        let (width, scale) = (attention.width(), attention.scale() as f32);
        let (stride, out_stride) = (heads * features, heads * out_features);
        let (packed_k, room) = room.split_at_mut(features * width);
        let (packed_v, room) = room.split_at_mut(out_features * width);
        let (weights, slopes) = room.split_at_mut(step * width);
        for head in 0..heads {
            let k = attention.head_rows(image.k, head, features);
            let v = attention.head_rows(image.v, head, out_features);
            simd.vectorize(Pack { from: k, keys, panels: packed_k });
            simd.vectorize(Pack { from: v, keys, panels: packed_v });
            let (dq, dk) = (&mut dq[head * features..], &mut dk[head * features..]);
            let dv = &mut dv[head * out_features..];
            for first in (0..queries).step_by(step) {
                let count = step.min(queries - first);
                let update = if first == 0 { Update::Replace } else { Update::Add };
                let q = attention.head_rows(image.q, head, features).from(first);
                let dy = attention.head_rows(dy, head, out_features).from(first);
                with_packed(simd, q, count, keys, packed_k, Out { values: weights, stride: width });
                for row in weights.chunks_exact_mut(width).take(count) {
                    let inverse = exponentials(simd, row, keys, scale);
                    scale_row(simd, row, inverse);
                }
                // dV = Pᵀ · dY.
                simd.vectorize(Multiply {
                    sizes: dy.sizes::<S>(keys, count),
                    left: Left { values: weights, strides: [1, width] },
                    right: dy.right::<S>(),
                    out: Out { values: dv, stride: out_stride },
                    update,
                });
                with_packed(simd, dy, count, keys, packed_v, Out { values: slopes, stride: width });
                let rows = slopes.chunks_exact_mut(width).zip(weights.chunks_exact(width));
                for (slopes, weights) in rows.take(count) {
                    slope_row(simd, &mut slopes[..keys], &weights[..keys], scale);
                }
                // dQ = dS · K and dK = dSᵀ · Q.
                simd.vectorize(Multiply {
                    sizes: k.sizes::<S>(count, keys),
                    left: Left { values: slopes, strides: [width, 1] },
                    right: k.right::<S>(),
                    out: Out { values: &mut dq[first * stride..], stride },
                    update: Update::Replace,
                });
                simd.vectorize(Multiply {
                    sizes: q.sizes::<S>(keys, count),
                    left: Left { values: slopes, strides: [1, width] },
                    right: q.right::<S>(),
                    out: Out { values: dk, stride },
                    update,
                });
            }
        }
    }
}

/// Replaces the first `keys` values of a row by `exp(scale · (value - largest))`, and the rest by 0. Gives one by their
/// sum. The row is whole panels long.
#[inline(always)]
fn exponentials<S: Simd>(simd: S, row: &mut [f32], keys: usize, scale: f32) -> f32 {
    row[keys..].fill(f32::NEG_INFINITY);
    let mut largest = simd.splat_f32s(f32::NEG_INFINITY);
    for values in row.chunks_exact(S::F32_LANES) {
        let values = f32::load(simd, values);
        largest = simd.select_f32s(simd.greater_than_f32s(values, largest), values, largest);
    }
    let largest = simd.reduce_max_f32s(largest);
    // All -∞, or a NaN: what comes out is NaN, as it must.
    let shift = simd.splat_f32s(if largest == f32::NEG_INFINITY { 0.0 } else { largest });
    let scale = simd.splat_f32s(scale);
    for values in row.chunks_exact_mut(S::F32_LANES) {
        let shifted = simd.sub_f32s(f32::load(simd, values), shift);
        f32::store(simd, exp(simd, simd.mul_f32s(shifted, scale)), values);
    }
    (1.0 / sum(simd, row)) as f32
}

/// `eˣ` of numbers that are at most 0; what has no normal f32 is 0. As [`Math::exp`](super::math::Math::exp) takes it,
/// but that powers of two come out of the sum that rounds.
#[inline(always)]
fn exp<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    // 1.5 · 2²³, and the exponent of 1: the sum's last bits are an exponent.
    const ROUND: f32 = 12_582_912.0 + 127.0;
    const LEAST: f32 = -87.33;
    let number = |value: f32| simd.splat_f32s(value);
    let below = simd.less_than_f32s(x, number(LEAST));
    let x = simd.select_f32s(below, number(LEAST), x);
    let rounded = simd.mul_add_f32s(x, number(std::f32::consts::LOG2_E), number(ROUND));
    let n = simd.sub_f32s(rounded, number(ROUND));
    let r = simd.mul_add_f32s(n, number(-0.693_359_4), x);
    let r = simd.mul_add_f32s(n, number(0.000_212_194_44), r);
    let mut power = number(1.0 / 5040.0);
    for factor in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        power = simd.mul_add_f32s(power, r, number(factor));
    }
    let bits = simd.wrapping_dyn_shl_u32s(simd.transmute_u32s_f32s(rounded), simd.splat_u32s(23));
    let power = simd.mul_f32s(power, simd.transmute_f32s_u32s(bits));
    simd.select_f32s(below, number(0.0), power)
}

/// Multiplies a row with a number.
#[inline(always)]
fn scale_row<S: Simd>(simd: S, row: &mut [f32], factor: f32) {
    let factor = simd.splat_f32s(factor);
    for values in row.chunks_mut(S::F32_LANES) {
        f32::store(simd, simd.mul_f32s(f32::load(simd, values), factor), values);
    }
}

/// From the gradients of a row of weights to those of what the softmax was taken of.
#[inline(always)]
fn slope_row<S: Simd>(simd: S, slopes: &mut [f32], weights: &[f32], scale: f32) {
    let mean = simd.splat_f32s(products(simd, slopes, weights) as f32);
    let scale = simd.splat_f32s(scale);
    for (slopes, weights) in slopes.chunks_mut(S::F32_LANES).zip(weights.chunks(S::F32_LANES)) {
        let centred = simd.sub_f32s(f32::load(simd, slopes), mean);
        let scaled = simd.mul_f32s(f32::load(simd, weights), scale);
        f32::store(simd, simd.mul_f32s(scaled, centred), slopes);
    }
}
