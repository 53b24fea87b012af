//! The linear maps of F(4 × 4, 3 × 3) in one direction, at the points 0, 1, -1, 2, -2 and ∞ (Lavin and Gray 2016).
//! A map of a tile is one of its rows and then one of its columns. Each value is a vector over channels.

use pulp::Simd;

/// What six pixels become before the product.
#[inline(always)]
pub(super) fn input<S: Simd>(s: S, d: [S::f32s; 6]) -> [S::f32s; 6] {
    let [two, four, five] = [2.0, 4.0, 5.0].map(|value| s.splat_f32s(value));
    let minus = |a, b, c| s.negate_mul_add_f32s(a, b, c); // c - a·b
    let even = minus(four, d[2], d[4]);
    let odd = minus(four, d[1], d[3]);
    let (wide, step) = (s.sub_f32s(d[4], d[2]), s.sub_f32s(d[3], d[1]));
    [
        s.mul_add_f32s(four, d[0], minus(five, d[2], d[4])),
        s.add_f32s(even, odd),
        s.sub_f32s(even, odd),
        s.mul_add_f32s(two, step, wide),
        minus(two, step, wide),
        s.mul_add_f32s(four, d[1], minus(five, d[3], d[5])),
    ]
}

/// What six products become: four outputs.
#[inline(always)]
pub(super) fn output<S: Simd>(s: S, m: [S::f32s; 6]) -> [S::f32s; 4] {
    let [two, four, eight] = [2.0, 4.0, 8.0].map(|value| s.splat_f32s(value));
    let (sum1, difference1) = (s.add_f32s(m[1], m[2]), s.sub_f32s(m[1], m[2]));
    let (sum2, difference2) = (s.add_f32s(m[3], m[4]), s.sub_f32s(m[3], m[4]));
    [
        s.add_f32s(s.add_f32s(m[0], sum1), sum2),
        s.mul_add_f32s(two, difference2, difference1),
        s.mul_add_f32s(four, sum2, sum1),
        s.add_f32s(s.mul_add_f32s(eight, difference2, difference1), m[5]),
    ]
}

/// The transposed of [`output`]: what the gradients of four outputs become before the product.
#[inline(always)]
pub(super) fn output_gradient<S: Simd>(s: S, y: [S::f32s; 4]) -> [S::f32s; 6] {
    let [two, four] = [2.0, 4.0].map(|value| s.splat_f32s(value));
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

/// What three weights become before the product.
#[inline(always)]
pub(super) fn weight(g: [f32; 3]) -> [f32; 6] {
    let outer = (g[0] + g[2]) * (1.0 / 6.0);
    let inner = g[1] * (1.0 / 6.0);
    let wide = g[0] * (1.0 / 24.0) + g[2] * (1.0 / 6.0);
    let half = g[1] * (1.0 / 12.0);
    [g[0] * 0.25, -outer - inner, inner - outer, wide + half, wide - half, g[2]]
}

/// The transposed of [`weight`]: what the gradients of six become.
#[inline(always)]
pub(super) fn weight_gradient(u: [f32; 6]) -> [f32; 3] {
    let (near, far) = ((u[1] + u[2]) * (1.0 / 6.0), u[3] + u[4]);
    [
        u[0] * 0.25 - near + far * (1.0 / 24.0),
        (u[2] - u[1]) * (1.0 / 6.0) + (u[3] - u[4]) * (1.0 / 12.0),
        far * (1.0 / 6.0) - near + u[5],
    ]
}

/// `map` of every row of a tile, then of every column.
#[inline(always)]
pub(super) fn both<V: Copy, const FROM: usize, const TO: usize>(
    tile: [[V; FROM]; FROM],
    map: impl Fn([V; FROM]) -> [V; TO],
) -> [[V; TO]; TO] {
    let rows = tile.map(&map);
    let columns: [[V; TO]; TO] = std::array::from_fn(|column| map(rows.map(|row| row[column])));
    std::array::from_fn(|row| columns.map(|column| column[row]))
}
