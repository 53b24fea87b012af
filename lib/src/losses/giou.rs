use super::Loss;
use crate::ops;

/// How far boxes are from those that they should be, from 0 to 2: 1 less their generalized IoU (Rezatofighi et al. 2019),
/// the mean over boxes (N, 4) of [`ops::BoxFormat::Xyxy`] at the same index. It has a gradient where boxes do not touch.
///
/// The loss refuses what [`ops::elementwise_generalized_box_iou`] refuses, and no boxes at all.
#[must_use]
pub fn giou() -> Loss {
    Loss::new("GIoU", |boxes, targets| {
        super::refused::same_shape("giou", boxes, targets)?;
        let giou = ops::elementwise_generalized_box_iou(boxes, targets)?; // (N)
        Ok(giou.mean_all()?.affine(-1.0, 1.0)?)
    })
}
