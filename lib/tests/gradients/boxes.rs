use candle_core::Tensor;
use sconce::ops::{self, BoxFormat, RoiAlignConfig, RoiAlignment};
use sconce::{Result, Rng};

use crate::check::{Input, check, for_each_case, signed, size};
use crate::gpu::device;

/// Boxes by centre and size, which no change of a value makes invalid.
fn boxes(rng: &mut Rng, count: usize) -> Result<Input> {
    Input::new(rng, &[count, 4], |rng| 0.2 + 0.8 * rng.uniform())
}

fn corners(boxes: &Tensor) -> Result<Tensor> {
    ops::convert_boxes(boxes, BoxFormat::Cxcywh, BoxFormat::Xyxy)
}

#[test]
fn convert_boxes() -> Result<()> {
    use BoxFormat::{Cxcywh, Xywh, Xyxy};
    for (from, to) in
        [(Xyxy, Xywh), (Xyxy, Cxcywh), (Xywh, Xyxy), (Xywh, Cxcywh), (Cxcywh, Xywh), (Xyxy, Xyxy)]
    {
        for_each_case("convert_boxes", |rng| {
            let dims = [size(rng, 3), size(rng, 4), 4];
            let dims = if rng.below(2) == 0 { &dims[..] } else { &dims[1..] };
            let x = Input::new(rng, dims, signed)?;
            check(rng, &[x], |t| ops::convert_boxes(&t[0], from, to))
        })?;
    }
    Ok(())
}

#[test]
fn box_iou() -> Result<()> {
    for_each_case("box_iou", |rng| {
        let counts = [size(rng, 4), size(rng, 4)];
        let inputs = [boxes(rng, counts[0])?, boxes(rng, counts[1])?];
        check(rng, &inputs, |t| ops::box_iou(&corners(&t[0])?, &corners(&t[1])?))
    })
}

#[test]
fn generalized_box_iou() -> Result<()> {
    for_each_case("generalized_box_iou", |rng| {
        let counts = [size(rng, 4), size(rng, 4)];
        let inputs = [boxes(rng, counts[0])?, boxes(rng, counts[1])?];
        check(rng, &inputs, |t| ops::generalized_box_iou(&corners(&t[0])?, &corners(&t[1])?))?;
        let inputs = [boxes(rng, counts[0])?, boxes(rng, counts[0])?];
        check(rng, &inputs, |t| ops::elementwise_generalized_box_iou(&corners(&t[0])?, &corners(&t[1])?))
    })
}

#[test]
fn roi_align() -> Result<()> {
    for_each_case("roi_align", |rng| {
        let dims = [size(rng, 3), size(rng, 3), size(rng, 6), size(rng, 6)];
        let config = RoiAlignConfig {
            output: [size(rng, 3), size(rng, 3)],
            spatial_scale: [1.0, 0.5, 0.25][rng.below(3)],
            sampling_ratio: [None, Some(1), Some(2), Some(3)][rng.below(4)],
            alignment: [RoiAlignment::PixelCentres, RoiAlignment::PixelCorners][rng.below(2)],
        };
        let count = size(rng, 4);
        let rois = (0..count).flat_map(|_| {
            let side = |rng: &mut Rng, length: usize| {
                // Also outside the images, and without any length.
                let start = (1.4 * rng.uniform() - 0.2) * length as f64 / config.spatial_scale;
                [start, start + rng.below(4) as f64 * 0.6 * length as f64 * rng.uniform()]
            };
            let ([y1, y2], [x1, x2]) = (side(rng, dims[2]), side(rng, dims[3]));
            [rng.below(dims[0]) as f64, x1, y1, x2, y2]
        });
        let rois = Tensor::from_vec(rois.collect::<Vec<_>>(), (count, 5), &device())?;
        let x = Input::new(rng, &dims, signed)?;
        check(rng, &[x], |t| ops::roi_align(&t[0], &rois, config))
    })
}
