//! Affine maps: the pixels of a row come from places in a straight line.

use std::ops::Range;

/// Bits behind the point of a place. Over 4,000 pixels a step of this precision is wrong by less than a millionth
/// of a pixel.
const BITS: u32 = 32;
/// One pixel.
pub(super) const ONE: i64 = 1 << BITS;
/// Places beyond this are not told in fixed point.
const FARTHEST: f64 = (1_u64 << 29) as f64;

/// An affine map from the result to the original, in fixed point.
#[derive(Debug, Clone, Copy)]
pub(super) struct Straight {
    /// Row by row `[a, b, c, d, e, f]`: a point `[x, y]` comes from `[ax + by + c, dx + ey + f]`.
    back: [f64; 6],
    /// From a pixel to the next in its row, `[x, y]`.
    step: [i64; 2],
}

/// Where the pixels of one row come from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    start: [i64; 2],
    step: [i64; 2],
}

impl Straight {
    /// `None` where a place of a result of `[height, width]`, or an original of such sides, is too far away.
    pub(super) fn new(back: [f64; 6], from: [usize; 2], [height, width]: [usize; 2]) -> Option<Straight> {
        let [a, b, c, d, e, f] = back;
        let corners = [[0, 0], [width, 0], [0, height], [width, height]];
        let near = corners.iter().all(|corner| {
            let [x, y] = corner.map(|side| side as f64);
            // Not a number is not near.
            (a * x + b * y + c).abs() < FARTHEST && (d * x + e * y + f).abs() < FARTHEST
        });
        let small = [from[0], from[1], width].iter().all(|&side| (side as f64) < FARTHEST);
        (near && small).then(|| Straight { back, step: [fixed(a), fixed(d)] })
    }

    /// Where row `row` of the result comes from.
    pub(super) fn row(&self, row: usize) -> Row {
        let [a, b, c, d, e, f] = self.back;
        let y = row as f64 + 0.5;
        Row { start: [fixed(0.5 * a + b * y + c), fixed(0.5 * d + e * y + f)], step: self.step }
    }
}

/// The pixel of a place that is not negative.
#[inline(always)]
pub(super) fn whole(place: i64) -> usize {
    (place >> BITS) as usize
}

fn fixed(value: f64) -> i64 {
    (value * ONE as f64).round() as i64
}

impl Row {
    /// Where the pixel of a column comes from, `[x, y]`.
    #[inline(always)]
    pub(super) fn place(&self, column: usize) -> [i64; 2] {
        [0, 1].map(|axis| self.start[axis] + self.step[axis] * column as i64)
    }

    /// From a pixel to the next.
    #[inline(always)]
    pub(super) fn step(&self) -> [i64; 2] {
        self.step
    }

    /// The columns, of so many, that come from inside an original of `[height, width]`, at least `margin` from
    /// its edges: from the left and upper one exactly so far, from the others farther.
    pub(super) fn inside(&self, [height, width]: [usize; 2], margin: i64, columns: usize) -> Range<usize> {
        let along = |axis: usize, side: usize| {
            let length = side as i64 * ONE - 2 * margin;
            between(self.start[axis] - margin, self.step[axis], length, columns as i64)
        };
        let (x, y) = (along(0, width), along(1, height));
        let (from, to) = (x.start.max(y.start), x.end.min(y.end));
        if from < to { from as usize..to as usize } else { 0..0 }
    }
}

/// For which of `count` numbers n, from 0, `0 <= start + n * step < length`.
fn between(start: i64, step: i64, length: i64, count: i64) -> Range<i64> {
    let up = |value: i64, by: i64| -(-value).div_euclid(by);
    let (from, to) = match step {
        0 if (0..length).contains(&start) => (0, count),
        0 => (0, 0),
        1.. => (up(-start, step), up(length - start, step)),
        _ => ((start - length).div_euclid(-step) + 1, start.div_euclid(-step) + 1),
    };
    from.clamp(0, count)..to.clamp(0, count)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_span_is_what_counting_gives(
            start in -60_i64..60, step in -9_i64..9, length in -3_i64..40, count in 0_i64..30,
        ) {
            let counted: Vec<i64> =
                (0..count).filter(|n| (0..length).contains(&(start + n * step))).collect();
            let found = between(start, step, length, count);
            prop_assert_eq!(found.collect::<Vec<_>>(), counted);
        }
    }

    #[test]
    fn what_is_too_far_away_is_not_told() {
        let at = |back| Straight::new(back, [10, 10], [10, 10]).is_some();
        assert!(at([1.0, 0.0, 0.0, 0.0, 1.0, 0.0]));
        assert!(!at([1e9, 0.0, 0.0, 0.0, 1.0, 0.0]));
        assert!(!at([1.0, 0.0, 0.0, 0.0, 1.0, f64::NAN]));
        assert!(!at([1.0, 0.0, f64::NEG_INFINITY, 0.0, 1.0, 0.0]));
    }
}
