//! The transforms of F(4×4, 3×3) in whole numbers (Lavin & Gray 2016): 36 products give 16 outputs, where 144 would be taken
//! one by one.
//!
//! The matrix G of the weights has fractions; its rows are multiplied by 4, 6, 6, 24, 24 and 1, and what is missing to 24
//! stands in the transform of the sums. So these come out 24² = 576 times too large, and whole. All is computed modulo 2^32,
//! where 9 has an inverse: what is left is 64 times the sum, which is known by 26 bits. A sum whose bounds lie closer
//! together than 2^26 is found exactly.

/// The side of a tile of outputs.
pub(super) const OUTPUTS: usize = 4;
/// The side of the patch of the input that it sees.
pub(super) const PATCH: usize = 6;
/// Products for each tile.
pub(super) const PRODUCTS: usize = PATCH * PATCH;
/// Channels that are transformed at a time.
pub(super) const CHANNELS: usize = 16;
/// Sums that are transformed at a time.
pub(super) const SUMS: usize = 8;
/// How far apart the bounds of a sum may lie.
pub(super) const RANGE: i64 = 1 << 26;

/// 9 · 954,437,177 = 2^33 + 1.
const NINTH: i32 = 954_437_177;

/// The nine weights of a channel, of up to 127, become 36 of up to 49 · 127.
pub(super) fn weights(taps: [i16; 9]) -> [i16; PRODUCTS] {
    let line = |[a, b, c]: [i16; 3]| [a, -(a + b + c), b - a - c, a + 2 * b + 4 * c, a - 2 * b + 4 * c, c];
    let rows: [[i16; 6]; 3] =
        std::array::from_fn(|row| line([taps[3 * row], taps[3 * row + 1], taps[3 * row + 2]]));
    let mut products = [0; PRODUCTS];
    for column in 0..PATCH {
        let values = line([rows[0][column], rows[1][column], rows[2][column]]);
        for (row, value) in values.into_iter().enumerate() {
            products[row * PATCH + column] = value;
        }
    }
    products
}

/// A patch of steps, some channels of each pixel, becomes 36 values of up to 100 · 255, each `stride` from the one before.
#[inline(always)]
pub(super) fn patch(pixels: &[&[u8]; PRODUCTS], channel: usize, to: &mut [i16], stride: usize) {
    let mut lines = [[0_i16; CHANNELS]; PRODUCTS];
    for column in 0..PATCH {
        let mut from = [[0_u8; CHANNELS]; PATCH];
        for row in 0..PATCH {
            if let Some(steps) = pixels[row * PATCH + column][channel..].first_chunk() {
                from[row] = *steps;
            }
        }
        for lane in 0..CHANNELS {
            let values = line([
                i16::from(from[0][lane]),
                i16::from(from[1][lane]),
                i16::from(from[2][lane]),
                i16::from(from[3][lane]),
                i16::from(from[4][lane]),
                i16::from(from[5][lane]),
            ]);
            for row in 0..PATCH {
                lines[row * PATCH + column][lane] = values[row];
            }
        }
    }
    for row in 0..PATCH {
        let mut products = [[0_i16; CHANNELS]; PATCH];
        for lane in 0..CHANNELS {
            let at = row * PATCH;
            let values = line([
                lines[at][lane],
                lines[at + 1][lane],
                lines[at + 2][lane],
                lines[at + 3][lane],
                lines[at + 4][lane],
                lines[at + 5][lane],
            ]);
            for column in 0..PATCH {
                products[column][lane] = values[column];
            }
        }
        for column in 0..PATCH {
            to[(row * PATCH + column) * stride..][..CHANNELS].copy_from_slice(&products[column]);
        }
    }
}

#[inline(always)]
fn line([a, b, c, d, e, f]: [i16; 6]) -> [i16; 6] {
    // Small enough never to leave 16 bits; wrapping, so that no check stands between the vectors.
    let times = |value: i16, by: i16| value.wrapping_mul(by);
    let (even, odd) = (e.wrapping_sub(times(c, 4)), d.wrapping_sub(times(b, 4)));
    let (near, far) = (e.wrapping_sub(c), times(d.wrapping_sub(b), 2));
    [
        times(a, 4).wrapping_sub(times(c, 5)).wrapping_add(e),
        even.wrapping_add(odd),
        even.wrapping_sub(odd),
        near.wrapping_add(far),
        near.wrapping_sub(far),
        times(b, 4).wrapping_sub(times(d, 5)).wrapping_add(f),
    ]
}

/// The sums of a tile of outputs, some lanes of each, from 36 sums of products, each `stride` from the one before. To each
/// `start` is added; `middle` lies between the bounds of its sum.
#[inline(always)]
pub(super) fn outputs(
    products: &[i32],
    stride: usize,
    middle: &[i32; SUMS],
    start: &[i32; SUMS],
) -> [[i32; SUMS]; OUTPUTS * OUTPUTS] {
    let mut lines = [[0_i32; SUMS]; OUTPUTS * PATCH];
    for column in 0..PATCH {
        let mut from = [[0_i32; SUMS]; PATCH];
        for row in 0..PATCH {
            if let Some(sums) = products[(row * PATCH + column) * stride..].first_chunk() {
                from[row] = *sums;
            }
        }
        for lane in 0..SUMS {
            let values = gather([
                from[0][lane],
                from[1][lane],
                from[2][lane],
                from[3][lane],
                from[4][lane],
                from[5][lane],
            ]);
            for row in 0..OUTPUTS {
                lines[row * PATCH + column][lane] = values[row];
            }
        }
    }
    let mut sums = [[0_i32; SUMS]; OUTPUTS * OUTPUTS];
    for row in 0..OUTPUTS {
        for lane in 0..SUMS {
            let at = row * PATCH;
            let values = gather([
                lines[at][lane],
                lines[at + 1][lane],
                lines[at + 2][lane],
                lines[at + 3][lane],
                lines[at + 4][lane],
                lines[at + 5][lane],
            ]);
            for column in 0..OUTPUTS {
                // 64 times the sum, seen from the middle, where the upper 26 bits tell it.
                let scaled = values[column].wrapping_mul(NINTH).wrapping_sub(middle[lane].wrapping_mul(64));
                sums[row * OUTPUTS + column][lane] =
                    (scaled >> 6).wrapping_add(middle[lane]).wrapping_add(start[lane]);
            }
        }
    }
    sums
}

#[inline(always)]
fn gather([a, b, c, d, e, f]: [i32; 6]) -> [i32; 4] {
    let times = |value: i32, by: i32| value.wrapping_mul(by);
    let (near, near_odd) = (times(b.wrapping_add(c), 4), times(b.wrapping_sub(c), 4));
    let (far, far_odd) = (d.wrapping_add(e), times(d.wrapping_sub(e), 2));
    [
        times(a, 6).wrapping_add(near).wrapping_add(far),
        near_odd.wrapping_add(far_odd),
        near.wrapping_add(times(far, 4)),
        near_odd.wrapping_add(times(far_odd, 4)).wrapping_add(times(f, 24)),
    ]
}
