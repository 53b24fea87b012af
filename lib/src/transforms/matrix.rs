//! Maps that keep lines straight: affine and projective ones.

use super::warp::Map;

/// A map of points by a matrix of 3 by 3, row by row, both ways.
#[derive(Debug, Clone, Copy)]
pub(super) struct Matrix {
    /// From the result to the original.
    back: [f64; 9],
    /// From the original to the result.
    forth: [f64; 9],
}

/// What an affine map does, in this order: scale and shear, turn, move.
pub(super) struct Placement {
    /// Clockwise.
    pub(super) degrees: f64,
    /// Pixels to the right and down.
    pub(super) translate: [f64; 2],
    /// By how much everything becomes larger.
    pub(super) scale: f64,
    /// Degrees along the rows and the columns.
    pub(super) shear: [f64; 2],
    /// The point `[x, y]` that turning, scaling and shear leave where it is.
    pub(super) center: [f64; 2],
}

impl Matrix {
    /// The map whose way back is this; `None` where it has no inverse.
    pub(super) fn from_back(back: [f64; 9]) -> Option<Matrix> {
        Some(Matrix { back, forth: inverse(&back)? })
    }

    /// Counter-clockwise around the middle of an image of `[height, width]`.
    pub(super) fn rotation(degrees: f64, [height, width]: [usize; 2]) -> Matrix {
        let center = [width as f64 / 2.0, height as f64 / 2.0];
        let still = Placement { degrees: -degrees, translate: [0.0; 2], scale: 1.0, shear: [0.0; 2], center };
        Matrix::placed(&still)
    }

    /// torchvision's `RSS`: rotation times shear along the columns times shear along the rows times scale,
    /// around the centre, then the translation.
    pub(super) fn placed(placement: &Placement) -> Matrix {
        let Placement { degrees, translate, scale, shear, center } = *placement;
        let turn = degrees.to_radians();
        let [along, down] = shear.map(f64::to_radians);
        let rounded = |value: f64| if value.abs() < 1e-15 { 0.0 } else { value };
        let a = rounded((turn - down).cos() / down.cos());
        let b = rounded(-(turn - down).cos() * along.tan() / down.cos() - turn.sin());
        let c = rounded((turn - down).sin() / down.cos());
        let d = rounded(-(turn - down).sin() * along.tan() / down.cos() + turn.cos());
        let [a, b, c, d] = [a, b, c, d].map(|value| value * scale);
        let [x, y] = center;
        let forth = [
            [a, b, x + translate[0] - a * x - b * y],
            [c, d, y + translate[1] - c * x - d * y],
            [0.0, 0.0, 1.0],
        ];
        let forth = std::array::from_fn(|at| forth[at / 3][at % 3]);
        // The determinant is scale², which is not 0.
        let back = inverse(&forth).unwrap_or(forth);
        Matrix { back, forth }
    }

    /// The same map on a canvas that holds all of an image of `[height, width]`, and the canvas's size.
    pub(super) fn expanded(&self, [height, width]: [usize; 2]) -> (Matrix, [usize; 2]) {
        let corners = [[0, 0], [width, 0], [width, height], [0, height]];
        let moved =
            corners.map(|corner| apply(&self.forth, corner.map(|side| side as f64)).unwrap_or_default());
        let reach = |axis: usize| {
            // A whole number that lost its last digit to rounding is still that number.
            let snapped = moved.map(|corner| (corner[axis] * 1e9).round() / 1e9);
            let low = snapped.iter().copied().fold(f64::INFINITY, f64::min);
            let high = snapped.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            (high.ceil() - low.floor()).max(1.0)
        };
        let (wide, high) = (reach(0), reach(1));
        // The middle of the image stays in the middle.
        let [right, down] = [(wide - width as f64) / 2.0, (high - height as f64) / 2.0];
        let mut forth = self.forth;
        forth[2] += right;
        forth[5] += down;
        let back = inverse(&forth).unwrap_or(forth);
        (Matrix { back, forth }, [high as usize, wide as usize])
    }

    /// The projective map that takes the corners of `from` to those of `to`, each four points `[x, y]` around;
    /// `None` where three of them lie in a line.
    pub(super) fn between(from: [[f64; 2]; 4], to: [[f64; 2]; 4]) -> Option<Matrix> {
        // From the unit square to either (Heckbert 1989, "Fundamentals of texture mapping and image warping").
        let (first, second) = (from_unit_square(from)?, from_unit_square(to)?);
        let back = product(&first, &inverse(&second)?);
        Matrix::from_back(back)
    }
}

impl Map for Matrix {
    #[inline(always)]
    fn source(&self, to: [f64; 2]) -> Option<[f64; 2]> {
        apply(&self.back, to)
    }

    #[inline(always)]
    fn target(&self, from: [f64; 2]) -> Option<[f64; 2]> {
        apply(&self.forth, from)
    }

    fn affine(&self) -> Option<[f64; 6]> {
        let [a, b, c, d, e, f, g, h, i] = self.back;
        ([g, h, i] == [0.0, 0.0, 1.0]).then_some([a, b, c, d, e, f])
    }
}

/// `None` for points on and behind the horizon.
#[inline(always)]
fn apply(matrix: &[f64; 9], [x, y]: [f64; 2]) -> Option<[f64; 2]> {
    let [a, b, c, d, e, f, g, h, i] = *matrix;
    let w = g * x + h * y + i;
    if w == 1.0 {
        // As it always is in an affine map, which so needs no division.
        return Some([a * x + b * y + c, d * x + e * y + f]);
    }
    (w > 1e-9).then(|| [(a * x + b * y + c) / w, (d * x + e * y + f) / w])
}

/// The inverse, scaled so that points before the horizon stay before it; `None` where there is none.
fn inverse(matrix: &[f64; 9]) -> Option<[f64; 9]> {
    let [a, b, c, d, e, f, g, h, i] = *matrix;
    let adjugate = [
        e * i - f * h,
        c * h - b * i,
        b * f - c * e,
        f * g - d * i,
        a * i - c * g,
        c * d - a * f,
        d * h - e * g,
        b * g - a * h,
        a * e - b * d,
    ];
    let determinant = a * adjugate[0] + b * adjugate[3] + c * adjugate[6];
    let inverse = adjugate.map(|value| value / determinant);
    inverse.iter().all(|value| value.is_finite()).then_some(inverse)
}

fn product(left: &[f64; 9], right: &[f64; 9]) -> [f64; 9] {
    std::array::from_fn(|at| (0..3).map(|k| left[at / 3 * 3 + k] * right[k * 3 + at % 3]).sum())
}

fn from_unit_square([p, q, r, s]: [[f64; 2]; 4]) -> Option<[f64; 9]> {
    let axis = |k: usize| (q[k] - r[k], s[k] - r[k], p[k] - q[k] + r[k] - s[k]);
    let ((x1, x2, x3), (y1, y2, y3)) = (axis(0), axis(1));
    let area = x1 * y2 - x2 * y1;
    let g = (x3 * y2 - x2 * y3) / area;
    let h = (x1 * y3 - x3 * y1) / area;
    let row = |k: usize| [q[k] - p[k] + g * q[k], s[k] - p[k] + h * s[k], p[k]];
    let ([a, b, c], [d, e, f]) = (row(0), row(1));
    let matrix = [a, b, c, d, e, f, g, h, 1.0];
    matrix.iter().all(|value| value.is_finite()).then_some(matrix)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn close(got: Option<[f64; 2]>, wanted: [f64; 2]) -> bool {
        got.is_some_and(|got| got.iter().zip(wanted).all(|(got, wanted)| (got - wanted).abs() < 1e-9))
    }

    #[test]
    fn a_quarter_turn_goes_counter_clockwise() {
        let turn = Matrix::rotation(90.0, [4, 6]);
        // The right end of the middle row becomes the upper end of the middle column.
        assert!(close(turn.target([6.0, 2.0]), [3.0, -1.0]), "{:?}", turn.target([6.0, 2.0]));
        let (map, size) = turn.expanded([4, 6]);
        assert_eq!(size, [6, 4]);
        assert!(close(map.target([6.0, 0.0]), [0.0, 0.0]));
    }

    #[test]
    fn four_points_go_where_they_should() {
        let from = [[0.0, 0.0], [8.0, 0.0], [8.0, 6.0], [0.0, 6.0]];
        let to = [[1.0, 0.5], [7.0, 1.0], [6.5, 5.5], [0.5, 4.0]];
        let map = Matrix::between(from, to).unwrap();
        for (from, to) in from.into_iter().zip(to) {
            assert!(close(map.target(from), to) && close(map.source(to), from), "{from:?}");
        }
        let inside = map.target([3.0, 2.0]).unwrap();
        assert!(close(map.source(inside), [3.0, 2.0]));
        assert!(Matrix::between(from, [[0.0, 0.0], [1.0, 1.0], [2.0, 2.0], [3.0, 3.0]]).is_none());
    }
}
