//! Boxes that are there, and boxes that a model has found.

use candle_core::{D, DType, Tensor};

use crate::{Error, Result, ops};

/// A thing that is in an image.
#[derive(Debug, Clone, PartialEq)]
pub struct TrueBox {
    /// Its class.
    pub label: u32,
    /// `x1, y1, x2, y2` in pixels, with `x1 <= x2` and `y1 <= y2`.
    pub corners: [f64; 4],
    /// Its area in pixels, by which COCO tells small from large: that of its mask, where there is one. `None` for that of
    /// the box.
    pub area: Option<f64>,
    /// A group that is not told apart (COCO's `iscrowd`), or a thing too hard to count (VOC's `difficult`): neither a
    /// detection of it nor a miss counts.
    pub ignore: bool,
}

/// A thing that a model has found in an image.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundBox {
    /// Its class.
    pub label: u32,
    /// How sure the model is: the higher the surer, as a rule a probability.
    pub score: f64,
    /// `x1, y1, x2, y2` in pixels, with `x1 <= x2` and `y1 <= y2`.
    pub corners: [f64; 4],
}

/// What a set prediction, as DETR makes it, has found in each of B images: for every query the likeliest class that is
/// not the last, which is "no object", with its probability and its box, the surest first.
///
/// `logits` are raw, (B, N, C + 1); `boxes` (B, N, 4) are centre and size in fractions of the image, whose `[height,
/// width]` in pixels is given. Nothing is left out: a score tells what is hardly an object, and average precision wants
/// to see those too.
///
/// # Errors
/// If the shapes do not fit, or a number is NaN.
pub fn found_boxes(logits: &Tensor, boxes: &Tensor, size: [usize; 2]) -> Result<Vec<Vec<FoundBox>>> {
    let op = "found_boxes";
    let &[images, queries, classes] = logits.dims() else {
        return Err(shape(op, "logits (B, N, C + 1)", logits.dims(), "C classes, and one for no object."));
    };
    if classes < 2 {
        return Err(shape(op, "logits of at least one class and no object", logits.dims(), ""));
    }
    if boxes.dims() != [images, queries, 4] {
        let hint = "A box is its centre and size in fractions of the image.";
        return Err(shape(op, &format!("boxes ({images}, {queries}, 4)"), boxes.dims(), hint));
    }
    let probabilities = ops::softmax(&logits.detach(), D::Minus1)?.to_dtype(DType::F64)?.to_vec3::<f64>()?;
    let boxes = boxes.detach().to_dtype(DType::F64)?.to_vec3::<f64>()?;
    let [height, width] = size.map(|side| side as f64);
    let mut found = Vec::with_capacity(images);
    for (image, (probabilities, boxes)) in probabilities.iter().zip(&boxes).enumerate() {
        let mut of_image = Vec::with_capacity(queries);
        for (query, (classes, sides)) in probabilities.iter().zip(boxes).enumerate() {
            let &[cx, cy, w, h] = sides.as_slice() else { continue };
            let objects = &classes[..classes.len() - 1];
            let best = (0..objects.len()).max_by(|&a, &b| objects[a].total_cmp(&objects[b]).then(b.cmp(&a)));
            let Some(best) = best else { continue };
            if !(objects[best].is_finite() && sides.iter().all(|side| side.is_finite())) {
                return Err(Error::Argument {
                    op: op.into(),
                    expected: "logits and boxes that are numbers".into(),
                    got: format!("NaN or infinity from query {query} for image {image}"),
                    hint: "The model has diverged: train anew with a lower learning rate.".into(),
                });
            }
            of_image.push(FoundBox {
                label: best as u32,
                score: objects[best],
                corners: [
                    (cx - w / 2.0) * width,
                    (cy - h / 2.0) * height,
                    (cx + w / 2.0) * width,
                    (cy + h / 2.0) * height,
                ],
            });
        }
        of_image.sort_by(|a, b| b.score.total_cmp(&a.score));
        found.push(of_image);
    }
    Ok(found)
}

fn shape(op: &str, expected: &str, got: &[usize], hint: &str) -> Error {
    Error::Shape { op: op.into(), expected: expected.into(), got: format!("{got:?}"), hint: hint.into() }
}

/// Columns times rows.
pub(super) fn area([x1, y1, x2, y2]: [f64; 4]) -> f64 {
    (x2 - x1) * (y2 - y1)
}

/// The area in common.
pub(super) fn intersection(a: [f64; 4], b: [f64; 4]) -> f64 {
    let side = |axis: usize| (a[axis + 2].min(b[axis + 2]) - a[axis].max(b[axis])).max(0.0);
    side(0) * side(1)
}

/// The area in common over the area that both cover; 0 where both have none.
pub(super) fn iou(a: [f64; 4], b: [f64; 4]) -> f64 {
    let common = intersection(a, b);
    let union = area(a) + area(b) - common;
    if union > 0.0 { common / union } else { 0.0 }
}
