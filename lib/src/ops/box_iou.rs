use candle_core::Tensor;

use super::box_format::corners;
use super::operands::{check, shape_error, shape_text};
use crate::Result;

/// How much boxes lie on each other: the area that two have in common over the area that they cover together, in
/// `[0, 1]`, for every pair. `a` (N, 4) and `b` (M, 4) of [`super::BoxFormat::Xyxy`] give (N, M). Two boxes without area
/// give 0.
///
/// # Errors
/// If the shapes do not fit, a box has `x1 > x2` or `y1 > y2`, or the tensors are not all f32 or all f64.
pub fn box_iou(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    if let Some(nothing) = no_pairs(a, b)? {
        return Ok(nothing);
    }
    let Areas { intersection, union, .. } = Areas::of_pairs("box_iou", a, b)?;
    ratio(&intersection, &union)
}

/// Generalized IoU (Rezatofighi et al. 2019) for every pair: [`box_iou`], less the share of the smallest box around both
/// that neither covers; in `[-1, 1]`. It has a gradient where boxes do not touch. `a` (N, 4) and `b` (M, 4) of
/// [`super::BoxFormat::Xyxy`] give (N, M).
///
/// # Errors
/// As [`box_iou`].
pub fn generalized_box_iou(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    if let Some(nothing) = no_pairs(a, b)? {
        return Ok(nothing);
    }
    Areas::of_pairs("generalized_box_iou", a, b)?.generalized_iou()
}

/// [`generalized_box_iou`] of boxes at the same index: `a` and `b` (N, 4) give (N).
///
/// # Errors
/// As [`box_iou`].
pub fn elementwise_generalized_box_iou(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let op = "elementwise_generalized_box_iou";
    check(op, &[("a", a), ("b", b)])?;
    if a.dims() != b.dims() {
        return Err(shape_error(op, format!("b {}, the shape of a", shape_text(a.dims())), b.dims(), ""));
    }
    if a.dims() == [0, 4] {
        return Ok(Tensor::zeros(0, a.dtype(), a.device())?);
    }
    Areas::of(corners(op, "a", a)?, corners(op, "b", b)?)?.generalized_iou()
}

/// What comes out where one of the sides has no boxes. A GPU starts nothing for nothing.
fn no_pairs(a: &Tensor, b: &Tensor) -> Result<Option<Tensor>> {
    match (a.dims(), b.dims()) {
        (&[count, 4], &[others, 4]) if count == 0 || others == 0 => {
            Ok(Some(Tensor::zeros((count, others), a.dtype(), a.device())?))
        }
        _ => Ok(None),
    }
}

/// `part / whole`, and 0 where both are 0.
fn ratio(part: &Tensor, whole: &Tensor) -> Result<Tensor> {
    let safe = whole.eq(0.0)?.where_cond(&whole.ones_like()?, whole)?;
    Ok((part / safe)?)
}

/// The areas that two boxes have in common, cover together, and lie in together.
struct Areas {
    intersection: Tensor,
    union: Tensor,
    hull: Tensor,
}

impl Areas {
    /// For every pair, (N, M).
    fn of_pairs(op: &'static str, a: &Tensor, b: &Tensor) -> Result<Areas> {
        check(op, &[("a", a), ("b", b)])?;
        let [a, b] = [corners(op, "a", a)?, corners(op, "b", b)?];
        let column = |side: Tensor| side.unsqueeze(1); // (N, 1)
        let row = |side: Tensor| side.unsqueeze(0); // (1, M)
        let ([ax1, ay1, ax2, ay2], [bx1, by1, bx2, by2]) = (a, b);
        Areas::of(
            [column(ax1)?, column(ay1)?, column(ax2)?, column(ay2)?],
            [row(bx1)?, row(by1)?, row(bx2)?, row(by2)?],
        )
    }

    /// Of boxes whose coordinates broadcast against each other.
    fn of(a: [Tensor; 4], b: [Tensor; 4]) -> Result<Areas> {
        let ([ax1, ay1, ax2, ay2], [bx1, by1, bx2, by2]) = (&a, &b);
        let area = |[x1, y1, x2, y2]: &[Tensor; 4]| (x2 - x1)?.mul(&(y2 - y1)?);
        let common = |a1: &Tensor, a2: &Tensor, b1: &Tensor, b2: &Tensor| {
            (a2.broadcast_minimum(b2)? - a1.broadcast_maximum(b1)?)?.relu()
        };
        let around = |a1: &Tensor, a2: &Tensor, b1: &Tensor, b2: &Tensor| {
            a2.broadcast_maximum(b2)? - a1.broadcast_minimum(b1)?
        };
        let intersection = (common(ax1, ax2, bx1, bx2)? * common(ay1, ay2, by1, by2)?)?;
        let union = (area(&a)?.broadcast_add(&area(&b)?)? - &intersection)?;
        let hull = (around(ax1, ax2, bx1, bx2)? * around(ay1, ay2, by1, by2)?)?;
        Ok(Areas { intersection, union, hull })
    }

    fn generalized_iou(&self) -> Result<Tensor> {
        let iou = ratio(&self.intersection, &self.union)?;
        let uncovered = ratio(&(&self.hull - &self.union)?, &self.hull)?;
        Ok((iou - uncovered)?)
    }
}
