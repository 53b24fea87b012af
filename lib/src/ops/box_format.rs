use candle_core::{D, DType, Tensor};

use super::operands::{check, shape_error};
use crate::{Error, Result};

/// What the four numbers of a box are. Units are the caller's: pixels, or fractions of the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BoxFormat {
    /// `x1, y1, x2, y2`: the corner of the smallest coordinates and the opposite one.
    Xyxy,
    /// `x, y, width, height`: the corner of the smallest coordinates and the size, as COCO stores boxes.
    Xywh,
    /// `cx, cy, width, height`: the centre and the size, as DETR predicts boxes.
    Cxcywh,
}

/// Boxes (…, 4) of one format in another, of the same shape. Gradients flow through.
///
/// # Errors
/// If the last dimension is not 4 or the boxes are not f32 or f64.
pub fn convert_boxes(boxes: &Tensor, from: BoxFormat, to: BoxFormat) -> Result<Tensor> {
    let op = "convert_boxes";
    check(op, &[("boxes", boxes)])?;
    if boxes.dims().last() != Some(&4) {
        return Err(shape_error(op, "boxes (…, 4)", boxes.dims(), ""));
    }
    if from == to {
        return Ok(boxes.clone());
    }
    let [first, second] = [0, 2].map(|start| boxes.narrow(D::Minus1, start, 2)); // (…, 2) each
    let (first, second) = (first?, second?);
    // The corner of the smallest coordinates and the size.
    let (corner, size) = match from {
        BoxFormat::Xyxy => (first.clone(), (second - first)?),
        BoxFormat::Xywh => (first, second),
        BoxFormat::Cxcywh => ((first - (&second * 0.5)?)?, second),
    };
    let parts = match to {
        BoxFormat::Xyxy => [corner.clone(), (corner + size)?],
        BoxFormat::Xywh => [corner, size],
        BoxFormat::Cxcywh => [(corner + (&size * 0.5)?)?, size],
    };
    Ok(Tensor::cat(&parts, D::Minus1)?) // (…, 4)
}

/// The coordinates of boxes (N, 4), each (N).
///
/// Refuses other shapes, and boxes whose corners are the wrong way round or not numbers: they have no area, and as a rule
/// are boxes in another format.
pub(super) fn corners(op: &'static str, name: &'static str, boxes: &Tensor) -> Result<[Tensor; 4]> {
    let &[count, 4] = boxes.dims() else {
        return Err(shape_error(op, format!("{name} (N, 4)"), boxes.dims(), ""));
    };
    let values = boxes.detach().to_dtype(DType::F64)?.contiguous()?.flatten_all()?.to_vec1::<f64>()?;
    let (rows, _) = values.as_chunks::<4>();
    if let Some(index) = rows.iter().position(|[x1, y1, x2, y2]| !(x1 <= x2 && y1 <= y2)) {
        return Err(Error::Argument {
            op: op.into(),
            expected: format!("{name} (x1, y1, x2, y2) with x1 <= x2 and y1 <= y2"),
            got: format!("{:?} at index {index}", rows[index]),
            hint: "Boxes of another format are brought to this one with `convert_boxes`.".into(),
        });
    }
    let column = |index: usize| boxes.narrow(1, index, 1)?.reshape(count);
    Ok([column(0)?, column(1)?, column(2)?, column(3)?])
}
