//! The linear maps of F(4 × 4, 3 × 3) in one direction, at the points 0, 1, -1, 2, -2 and ∞, and those of
//! F(2 × 2, 3 × 3), at 0, 1, -1 and ∞ (Lavin and Gray 2016).
//! A map of a tile is one of its rows and then one of its columns. Each value is a vector over channels.

#![allow(
    clippy::needless_range_loop,
    reason = "an iterator is not made of the vector instructions of its caller"
)]

use pulp::Simd;

/// What six pixels become before the product.
#[inline(always)]
pub(super) fn input<S: Simd>(s: S, d: [S::f32s; 6]) -> [S::f32s; 6] {
    let (two, four, five) = (s.splat_f32s(2.0), s.splat_f32s(4.0), s.splat_f32s(5.0));
    let even = s.negate_mul_add_f32s(four, d[2], d[4]);
    let odd = s.negate_mul_add_f32s(four, d[1], d[3]);
    let (wide, step) = (s.sub_f32s(d[4], d[2]), s.sub_f32s(d[3], d[1]));
    [
        s.mul_add_f32s(four, d[0], s.negate_mul_add_f32s(five, d[2], d[4])),
        s.add_f32s(even, odd),
        s.sub_f32s(even, odd),
        s.mul_add_f32s(two, step, wide),
        s.negate_mul_add_f32s(two, step, wide),
        s.mul_add_f32s(four, d[1], s.negate_mul_add_f32s(five, d[3], d[5])),
    ]
}

/// What four pixels become before the product.
#[inline(always)]
pub(super) fn small_input<S: Simd>(s: S, d: [S::f32s; 4]) -> [S::f32s; 4] {
    [s.sub_f32s(d[0], d[2]), s.add_f32s(d[1], d[2]), s.sub_f32s(d[2], d[1]), s.sub_f32s(d[1], d[3])]
}

/// What six products become: four outputs.
#[inline(always)]
pub(super) fn output<S: Simd>(s: S, m: [S::f32s; 6]) -> [S::f32s; 4] {
    let (two, four, eight) = (s.splat_f32s(2.0), s.splat_f32s(4.0), s.splat_f32s(8.0));
    let (sum1, difference1) = (s.add_f32s(m[1], m[2]), s.sub_f32s(m[1], m[2]));
    let (sum2, difference2) = (s.add_f32s(m[3], m[4]), s.sub_f32s(m[3], m[4]));
    [
        s.add_f32s(s.add_f32s(m[0], sum1), sum2),
        s.mul_add_f32s(two, difference2, difference1),
        s.mul_add_f32s(four, sum2, sum1),
        s.add_f32s(s.mul_add_f32s(eight, difference2, difference1), m[5]),
    ]
}

/// What four products become: two outputs.
#[inline(always)]
pub(super) fn small_output<S: Simd>(s: S, m: [S::f32s; 4]) -> [S::f32s; 2] {
    [s.add_f32s(s.add_f32s(m[0], m[1]), m[2]), s.sub_f32s(s.sub_f32s(m[1], m[2]), m[3])]
}

/// The transposed of [`output`]: what the gradients of four outputs become before the product.
#[inline(always)]
pub(super) fn output_gradient<S: Simd>(s: S, y: [S::f32s; 4]) -> [S::f32s; 6] {
    let (two, four) = (s.splat_f32s(2.0), s.splat_f32s(4.0));
    let (even, odd) = (s.add_f32s(y[0], y[2]), s.add_f32s(y[1], y[3]));
    let wide_even = s.mul_add_f32s(four, y[2], y[0]);
    let wide_odd = s.mul_f32s(two, s.mul_add_f32s(four, y[3], y[1]));
    [
        y[0],
        s.add_f32s(even, odd),
        s.sub_f32s(even, odd),
        s.add_f32s(wide_even, wide_odd),
        s.sub_f32s(wide_even, wide_odd),
        y[3],
    ]
}

/// The transposed of [`small_output`].
#[inline(always)]
pub(super) fn small_output_gradient<S: Simd>(s: S, y: [S::f32s; 2]) -> [S::f32s; 4] {
    [y[0], s.add_f32s(y[0], y[1]), s.sub_f32s(y[0], y[1]), s.neg_f32s(y[1])]
}

/// What three weights become before the product.
#[inline(always)]
pub(super) fn weight<S: Simd>(s: S, g: [S::f32s; 3]) -> [S::f32s; 6] {
    let (quarter, sixth) = (s.splat_f32s(0.25), s.splat_f32s(1.0 / 6.0));
    let (twelfth, small) = (s.splat_f32s(1.0 / 12.0), s.splat_f32s(1.0 / 24.0));
    let outer = s.mul_f32s(s.add_f32s(g[0], g[2]), sixth);
    let inner = s.mul_f32s(g[1], sixth);
    let wide = s.mul_add_f32s(g[0], small, s.mul_f32s(g[2], sixth));
    let half = s.mul_f32s(g[1], twelfth);
    [
        s.mul_f32s(g[0], quarter),
        s.neg_f32s(s.add_f32s(outer, inner)),
        s.sub_f32s(inner, outer),
        s.add_f32s(wide, half),
        s.sub_f32s(wide, half),
        g[2],
    ]
}

/// What three weights become before the product of a small tile.
#[inline(always)]
pub(super) fn small_weight<S: Simd>(s: S, g: [S::f32s; 3]) -> [S::f32s; 4] {
    let half = s.splat_f32s(0.5);
    let outer = s.mul_f32s(half, s.add_f32s(g[0], g[2]));
    [g[0], s.mul_add_f32s(half, g[1], outer), s.negate_mul_add_f32s(half, g[1], outer), g[2]]
}

/// The transposed of [`weight`]: what the gradients of six become.
#[inline(always)]
pub(super) fn weight_gradient<S: Simd>(s: S, u: [S::f32s; 6]) -> [S::f32s; 3] {
    let (quarter, sixth) = (s.splat_f32s(0.25), s.splat_f32s(1.0 / 6.0));
    let (twelfth, small) = (s.splat_f32s(1.0 / 12.0), s.splat_f32s(1.0 / 24.0));
    let near = s.mul_f32s(s.add_f32s(u[1], u[2]), sixth);
    let far = s.add_f32s(u[3], u[4]);
    let near_step = s.mul_f32s(s.sub_f32s(u[2], u[1]), sixth);
    [
        s.mul_add_f32s(far, small, s.sub_f32s(s.mul_f32s(u[0], quarter), near)),
        s.mul_add_f32s(s.sub_f32s(u[3], u[4]), twelfth, near_step),
        s.add_f32s(s.sub_f32s(s.mul_f32s(far, sixth), near), u[5]),
    ]
}

/// The transposed of [`small_weight`].
#[inline(always)]
pub(super) fn small_weight_gradient<S: Simd>(s: S, u: [S::f32s; 4]) -> [S::f32s; 3] {
    let half = s.splat_f32s(0.5);
    let sum = s.mul_f32s(half, s.add_f32s(u[1], u[2]));
    [s.add_f32s(u[0], sum), s.mul_f32s(half, s.sub_f32s(u[1], u[2])), s.add_f32s(sum, u[3])]
}

/// A map of every row of a tile, then of every column. A macro, because what is called through a closure or an
/// iterator is not made of the vector instructions of its caller.
macro_rules! both {
    ($tile:expr, $from:literal to $to:literal, $zero:expr, |$line:ident| $map:expr) => {{
        let tile = $tile;
        let mut rows = [[$zero; $to]; $from];
        for row in 0..$from {
            let $line = tile[row];
            rows[row] = $map;
        }
        let mut result = [[$zero; $to]; $to];
        for column in 0..$to {
            let mut $line = [$zero; $from];
            for row in 0..$from {
                $line[row] = rows[row][column];
            }
            let mapped = $map;
            for row in 0..$to {
                result[row][column] = mapped[row];
            }
        }
        result
    }};
}
pub(super) use both;

/// The vector of values from `at` on.
#[inline(always)]
pub(super) fn load<S: Simd>(values: &[f32], at: usize) -> S::f32s {
    S::as_simd_f32s(&values[at..at + S::F32_LANES]).0[0]
}

/// Puts a vector in the place of the values from `at` on.
#[inline(always)]
pub(super) fn store<S: Simd>(values: &mut [f32], at: usize, vector: S::f32s) {
    S::as_mut_simd_f32s(&mut values[at..at + S::F32_LANES]).0[0] = vector;
}

/// The vectors of a square of pixels, `strides` values from a row to the next and from a column to the next.
#[inline(always)]
pub(super) fn load_tile<S: Simd, const SIDE: usize>(
    simd: S,
    values: &[f32],
    at: usize,
    strides: [usize; 2],
) -> [[S::f32s; SIDE]; SIDE] {
    let mut tile = [[simd.splat_f32s(0.0); SIDE]; SIDE];
    for row in 0..SIDE {
        for column in 0..SIDE {
            tile[row][column] = load::<S>(values, at + row * strides[0] + column * strides[1]);
        }
    }
    tile
}

/// Puts a square of vectors in its place.
#[inline(always)]
pub(super) fn store_tile<S: Simd, const SIDE: usize>(
    values: &mut [f32],
    at: usize,
    strides: [usize; 2],
    tile: [[S::f32s; SIDE]; SIDE],
) {
    for row in 0..SIDE {
        for column in 0..SIDE {
            store::<S>(values, at + row * strides[0] + column * strides[1], tile[row][column]);
        }
    }
}
