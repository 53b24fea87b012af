use std::cmp::Ordering;

use candle_core::{DType, Tensor};

use super::box_format::corners;
use super::host::{Real, with_real};
use super::operands::{check, check_shape};
use crate::{Error, Result};

/// Non-maximum suppression: goes through the boxes from the highest score down and keeps each that has no IoU above
/// `iou_threshold` with one already kept. `boxes` (N, 4) of [`super::BoxFormat::Xyxy`] and `scores` (N) give the indices
/// of the boxes kept, u32 (K), highest score first; of equal scores the first box counts as higher.
///
/// # Errors
/// If the shapes do not fit, a box has `x1 > x2` or `y1 > y2`, a score is not a number, `iou_threshold` is not in
/// `[0, 1]`, or the tensors are not all f32 or all f64.
pub fn nms(boxes: &Tensor, scores: &Tensor, iou_threshold: f64) -> Result<Tensor> {
    suppress("nms", boxes, scores, None, iou_threshold)
}

/// [`nms`] for each class by itself: boxes of different classes do not suppress each other. `classes` is u32 (N).
///
/// # Errors
/// As [`nms`], or if `classes` is not u32 (N).
pub fn batched_nms(boxes: &Tensor, scores: &Tensor, classes: &Tensor, iou_threshold: f64) -> Result<Tensor> {
    let op = "batched_nms";
    if classes.dtype() != DType::U32 {
        return Err(argument(
            op,
            "classes of dtype u32",
            classes.dtype().as_str().into(),
            "Convert them with `to_dtype(DType::U32)?`.",
        ));
    }
    check_shape(op, ("classes", classes), &boxes.dims()[..boxes.rank().min(1)])?;
    suppress(op, boxes, scores, Some(classes.contiguous()?.to_vec1()?), iou_threshold)
}

fn suppress(
    op: &'static str,
    boxes: &Tensor,
    scores: &Tensor,
    classes: Option<Vec<u32>>,
    iou_threshold: f64,
) -> Result<Tensor> {
    check(op, &[("boxes", boxes), ("scores", scores)])?;
    if !(0.0..=1.0).contains(&iou_threshold) {
        return Err(argument(op, "an iou_threshold in [0, 1]", iou_threshold.to_string(), ""));
    }
    let boxes = boxes.detach();
    let corners = corners(op, "boxes", &boxes)?;
    check_shape(op, ("scores", scores), &boxes.dims()[..1])?;
    if boxes.elem_count() == 0 {
        return Ok(Tensor::zeros(0, DType::U32, boxes.device())?);
    }
    let scores = scores.detach().to_dtype(DType::F64)?.to_vec1::<f64>()?;
    if let Some(index) = scores.iter().position(|score| score.is_nan()) {
        return Err(argument(op, "scores that are numbers", format!("NaN at index {index}"), ""));
    }
    let mut order: Vec<usize> = (0..scores.len()).collect();
    // None is NaN, so all compare; the sort keeps the order of equal ones.
    order.sort_by(|&a, &b| scores[b].partial_cmp(&scores[a]).unwrap_or(Ordering::Equal));
    let kept = with_real!(boxes.dtype(), op, T => {
        let mut sides = Vec::with_capacity(4);
        for side in &corners {
            sides.push(side.to_vec1::<T>()?);
        }
        let boxes = (0..scores.len()).map(|index| [0, 1, 2, 3].map(|side: usize| sides[side][index]));
        Ok::<_, candle_core::Error>(keep(&order, &boxes.collect::<Vec<_>>(), classes.as_deref(), iou_threshold))
    })?;
    let count = kept.len();
    Ok(Tensor::from_vec(kept, count, boxes.device())?)
}

/// The boxes kept of those in `order`. Overlaps are computed in the type of the boxes, as the reference does, so that an
/// IoU on the threshold falls on the same side.
fn keep<T: Real>(order: &[usize], boxes: &[[T; 4]], classes: Option<&[u32]>, threshold: f64) -> Vec<u32> {
    let area = |[x1, y1, x2, y2]: [T; 4]| (x2 - x1) * (y2 - y1);
    let larger = |a: T, b: T| if a > b { a } else { b };
    let smaller = |a: T, b: T| if a < b { a } else { b };
    let overlap = |a: [T; 4], b: [T; 4]| {
        let width = larger(T::zero(), smaller(a[2], b[2]) - larger(a[0], b[0]));
        let height = larger(T::zero(), smaller(a[3], b[3]) - larger(a[1], b[1]));
        let common = width * height;
        // Boxes without area give NaN, which is above no threshold.
        (common / (area(a) + area(b) - common)).to_f64()
    };
    let mut kept: Vec<usize> = Vec::new();
    for &index in order {
        let class = classes.map(|classes| classes[index]);
        let suppressed = kept.iter().any(|&other| {
            classes.map(|classes| classes[other]) == class && overlap(boxes[other], boxes[index]) > threshold
        });
        if !suppressed {
            kept.push(index);
        }
    }
    kept.into_iter().map(|index| index as u32).collect()
}

fn argument(op: &str, expected: &str, got: String, hint: &str) -> Error {
    Error::Argument { op: op.into(), expected: expected.into(), got, hint: hint.into() }
}
