//! Box operators against torchvision's values and definitions, and what they refuse.
#![allow(clippy::unwrap_used)]

mod gpu;
mod rerun;

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor, Var};
use sconce::ops::{self, BoxFormat, RoiAlignConfig, RoiAlignment};
use sconce::{Result, Rng, Seed};

use gpu::device;

const LOSSES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/losses");

fn fixture() -> Result<HashMap<String, Tensor>> {
    Ok(candle_core::safetensors::load(format!("{LOSSES}/losses.safetensors"), &device())?)
}

fn close(got: &Tensor, wanted: &Tensor) -> Result<()> {
    assert_eq!(got.dims(), wanted.dims());
    let difference =
        (got - wanted)?.abs()?.flatten_all()?.max(0)?.to_dtype(DType::F64)?.to_scalar::<f64>()?;
    assert!(difference < 1e-6, "{difference}: {got} instead of {wanted}");
    Ok(())
}

fn refusal(result: Result<Tensor>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn overlaps_are_torchvisions() -> Result<()> {
    let tensors = fixture()?;
    let (a, b) = (&tensors["boxes/a"], &tensors["boxes/b"]);
    close(&ops::box_iou(a, b)?, &tensors["boxes/iou"])?;
    close(&ops::generalized_box_iou(a, b)?, &tensors["boxes/giou"])?;
    let first = ops::elementwise_generalized_box_iou(a, &b.narrow(0, 0, 5)?)?;
    let diagonal: Vec<Tensor> =
        (0..5).map(|i| tensors["boxes/giou"].narrow(0, i, 1).unwrap().narrow(1, i, 1).unwrap()).collect();
    close(&first, &Tensor::cat(&diagonal, 0)?.flatten_all()?)
}

#[test]
fn overlaps_by_hand() -> Result<()> {
    let boxes = |values: &[[f32; 4]]| Tensor::from_vec(values.concat(), (values.len(), 4), &device());
    let a = boxes(&[[0.0, 0.0, 2.0, 2.0]])?;
    // A quarter in common; beside it; inside it; the same; without area.
    let b = boxes(&[
        [1.0, 1.0, 3.0, 3.0],
        [4.0, 0.0, 6.0, 2.0],
        [0.0, 0.0, 1.0, 1.0],
        [0.0, 0.0, 2.0, 2.0],
        [1.0, 1.0, 1.0, 1.0],
    ])?;
    let iou = ops::box_iou(&a, &b)?.to_vec2::<f32>()?;
    assert_eq!(iou, [[1.0 / 7.0, 0.0, 0.25, 1.0, 0.0]]);
    let giou = ops::generalized_box_iou(&a, &b)?.to_vec2::<f32>()?;
    assert_eq!(giou, [[1.0 / 7.0 - 2.0 / 9.0, -4.0 / 12.0, 0.25, 1.0, 0.0]]);
    // Two boxes without area: no number is not an answer, and no gradient either.
    let point = Var::from_tensor(&boxes(&[[1.0, 1.0, 1.0, 1.0]])?)?;
    let giou = ops::generalized_box_iou(&point, &point)?;
    assert_eq!(giou.to_vec2::<f32>()?, [[0.0]]);
    let gradients = giou.sum_all()?.backward()?;
    let gradient = gradients.get(&point).unwrap().flatten_all()?.to_vec1::<f32>()?;
    assert!(gradient.iter().all(|value| value.is_finite()), "{gradient:?}");
    // No box at all.
    let none = a.narrow(0, 0, 0)?;
    assert_eq!(ops::box_iou(&none, &b)?.dims(), [0, 5]);
    assert_eq!(ops::generalized_box_iou(&b, &none)?.dims(), [5, 0]);
    Ok(())
}

#[test]
fn formats_are_converted_there_and_back() -> Result<()> {
    use BoxFormat::{Cxcywh, Xywh, Xyxy};
    let corners = Tensor::new(&[[1.0f32, 2.0, 4.0, 8.0]], &device())?;
    let wanted = [(Xyxy, [1.0, 2.0, 4.0, 8.0]), (Xywh, [1.0, 2.0, 3.0, 6.0]), (Cxcywh, [2.5, 5.0, 3.0, 6.0])];
    for (format, wanted) in wanted {
        let converted = ops::convert_boxes(&corners, Xyxy, format)?;
        assert_eq!(converted.to_vec2::<f32>()?, [wanted], "{format:?}");
        for (other, wanted) in [(Xyxy, wanted_of(&corners, Xyxy)?), (Cxcywh, wanted_of(&corners, Cxcywh)?)] {
            assert_eq!(ops::convert_boxes(&converted, format, other)?.to_vec2::<f32>()?, wanted);
        }
    }
    Ok(())
}

fn wanted_of(corners: &Tensor, format: BoxFormat) -> Result<Vec<Vec<f32>>> {
    Ok(ops::convert_boxes(corners, BoxFormat::Xyxy, format)?.to_vec2::<f32>()?)
}

#[test]
fn nms_keeps_what_torchvision_keeps() -> Result<()> {
    let tensors = fixture()?;
    let cases: Vec<serde_json::Value> =
        serde_json::from_str(&std::fs::read_to_string(format!("{LOSSES}/losses.json")).unwrap()).unwrap();
    let case = cases.iter().find(|case| case["name"] == "nms").unwrap();
    let wanted: Vec<u32> = serde_json::from_value(case["keep"].clone()).unwrap();
    let kept = ops::nms(&tensors["boxes/b"], &tensors["boxes/scores"], 0.3)?;
    assert_eq!(kept.to_vec1::<u32>()?, wanted);
    Ok(())
}

fn random_boxes(rng: &mut Rng, count: usize) -> Result<Tensor> {
    let values: Vec<f32> = (0..4 * count).map(|_| 0.2 + rng.uniform_f32()).collect();
    let boxes = Tensor::from_vec(values, (count, 4), &device())?;
    ops::convert_boxes(&boxes, BoxFormat::Cxcywh, BoxFormat::Xyxy)
}

/// From the definition: a box stays if no box that stays, has a higher score and its class lies on it.
#[test]
fn nms_by_its_definition() -> Result<()> {
    for case in 0..60 {
        let mut rng = Seed(case).derive("nms").rng();
        let count = 1 + rng.below(30);
        let boxes = random_boxes(&mut rng, count)?;
        // Few different scores, so that some are equal.
        let scores: Vec<f32> = (0..count).map(|_| rng.below(8) as f32 / 8.0).collect();
        let classes: Vec<u32> = (0..count).map(|_| rng.below(3) as u32).collect();
        let iou = ops::box_iou(&boxes, &boxes)?.to_vec2::<f32>()?;
        let threshold = rng.uniform() * 0.7;
        let mut order: Vec<usize> = (0..count).collect();
        order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
        let definition = |same_class: &dyn Fn(usize, usize) -> bool| {
            let mut stays: Vec<u32> = Vec::new();
            for &index in &order {
                let covered = |&other: &u32| {
                    let other = other as usize;
                    same_class(other, index) && f64::from(iou[other][index]) > threshold
                };
                if !stays.iter().any(covered) {
                    stays.push(index as u32);
                }
            }
            stays
        };
        let scores_tensor = Tensor::new(scores.as_slice(), &device())?;
        let kept = ops::nms(&boxes, &scores_tensor, threshold)?.to_vec1::<u32>()?;
        assert_eq!(kept, definition(&|_, _| true), "case {case}");
        let classes_tensor = Tensor::new(classes.as_slice(), &device())?;
        let kept = ops::batched_nms(&boxes, &scores_tensor, &classes_tensor, threshold)?.to_vec1::<u32>()?;
        assert_eq!(kept, definition(&|a, b| classes[a] == classes[b]), "case {case}");
    }
    // On a GPU candle has no tensor of nothing.
    let none = Tensor::zeros((0, 4), DType::F32, &Device::Cpu)?;
    assert_eq!(ops::nms(&none, &none.narrow(1, 0, 1)?.squeeze(1)?, 0.5)?.dims(), [0]);
    Ok(())
}

/// A sample between pixels as torchvision defines it.
fn sample(plane: &[Vec<f64>], y: f64, x: f64) -> f64 {
    let (height, width) = (plane.len(), plane[0].len());
    if y < -1.0 || y > height as f64 || x < -1.0 || x > width as f64 {
        return 0.0;
    }
    let place = |at: f64, length: usize| {
        let at = at.max(0.0);
        if at as usize >= length - 1 {
            (length - 1, length - 1, 0.0)
        } else {
            (at as usize, at as usize + 1, at.fract())
        }
    };
    let ((y0, y1, v), (x0, x1, u)) = (place(y, height), place(x, width));
    (1.0 - v) * ((1.0 - u) * plane[y0][x0] + u * plane[y0][x1])
        + v * ((1.0 - u) * plane[y1][x0] + u * plane[y1][x1])
}

#[test]
fn roi_align_by_its_definition() -> Result<()> {
    for case in 0..60 {
        let mut rng = Seed(case).derive("roi_align").rng();
        let mut size = |most: usize| 1 + rng.below(most);
        let [batch, channels, height, width] = [size(3), size(3), size(12), size(12)];
        let config = RoiAlignConfig {
            output: [size(4), size(4)],
            spatial_scale: 1.0 / size(4) as f64,
            sampling_ratio: [None, Some(1), Some(2)][size(3) - 1],
            alignment: [RoiAlignment::PixelCentres, RoiAlignment::PixelCorners][size(2) - 1],
        };
        let count = size(4);
        let values = (0..batch * channels * height * width).map(|_| rng.normal()).collect();
        let x = Tensor::from_vec::<_, f64>(values, (batch, channels, height, width), &device())?;
        let rois = (0..count).flat_map(|_| {
            let mut at = || 70.0 * rng.uniform() - 20.0;
            let (y, x) = ((at(), at()), (at(), at()));
            [rng.below(batch) as f64, x.0, y.0, x.0.max(x.1), y.0.max(y.1)]
        });
        let rois = Tensor::from_vec(rois.collect::<Vec<f64>>(), (count, 5), &device())?;
        let [out_height, out_width] = config.output;
        let mut wanted = Vec::new();
        for roi in rois.to_vec2::<f64>()? {
            for plane in &x.to_vec3_of(roi[0] as usize)? {
                let offset = if config.alignment == RoiAlignment::PixelCentres { 0.5 } else { 0.0 };
                let [x1, y1, x2, y2] =
                    [1, 2, 3, 4].map(|side: usize| roi[side] * config.spatial_scale - offset);
                let (mut roi_height, mut roi_width) = (y2 - y1, x2 - x1);
                if config.alignment == RoiAlignment::PixelCorners {
                    (roi_height, roi_width) = (roi_height.max(1.0), roi_width.max(1.0));
                }
                let (bin_height, bin_width) = (roi_height / out_height as f64, roi_width / out_width as f64);
                let grid = |bin: f64| config.sampling_ratio.unwrap_or(bin.ceil() as usize);
                let (rows, columns) = (grid(bin_height), grid(bin_width));
                for i in 0..out_height {
                    for j in 0..out_width {
                        let mut sum = 0.0;
                        for v in 0..rows {
                            for u in 0..columns {
                                let at = |start: f64, index: usize, bin: f64, sample: usize, grid: usize| {
                                    start + index as f64 * bin + (sample as f64 + 0.5) * bin / grid as f64
                                };
                                let y = at(y1, i, bin_height, v, rows);
                                sum += sample(plane, y, at(x1, j, bin_width, u, columns));
                            }
                        }
                        wanted.push(sum / (rows * columns).max(1) as f64);
                    }
                }
            }
        }
        let wanted = Tensor::from_vec(wanted, (count, channels, out_height, out_width), &device())?;
        close(&ops::roi_align(&x, &rois, config)?, &wanted)?;
    }
    Ok(())
}

trait Planes {
    fn to_vec3_of(&self, image: usize) -> Result<Vec<Vec<Vec<f64>>>>;
}

impl Planes for Tensor {
    /// One image's planes.
    fn to_vec3_of(&self, image: usize) -> Result<Vec<Vec<Vec<f64>>>> {
        Ok(self.get(image)?.to_vec3()?)
    }
}

/// A region far larger than its map is not walked through sample by sample.
#[test]
fn a_huge_region_takes_no_time() -> Result<()> {
    let x = Tensor::ones((1, 1, 4, 4), DType::F32, &device())?;
    let rois = Tensor::new(&[[0.0f32, -1e12, -1e12, 1e12, 1e12]], &device())?;
    let config = RoiAlignConfig { output: [2, 2], ..RoiAlignConfig::default() };
    let y = ops::roi_align(&x, &rois, config)?.flatten_all()?.to_vec1::<f32>()?;
    assert!(y.iter().all(|value| value.abs() < 1e-6), "{y:?}");
    Ok(())
}

#[test]
fn what_does_not_fit_is_refused() -> Result<()> {
    let device = &device();
    let boxes = Tensor::new(&[[0.0f32, 0.0, 1.0, 1.0], [0.5, 0.5, 0.2, 0.9]], device)?;
    let good = boxes.narrow(0, 0, 1)?;
    let scores = Tensor::new(&[0.5f32], device)?;
    let x = Tensor::zeros((2, 3, 8, 8), DType::F32, device)?;
    let roi = |values: [f32; 5]| Tensor::new(&[values], device);
    let align = |rois: &Tensor, config| ops::roi_align(&x, rois, config);
    let config = RoiAlignConfig::default();
    let whole = roi([0.0, 0.0, 0.0, 8.0, 8.0])?;
    for (error, part) in [
        (
            refusal(ops::box_iou(&boxes, &good)),
            "box_iou: expected a (x1, y1, x2, y2) with x1 <= x2 and y1 <= y2, got [0.5, 0.5, 0.2",
        ),
        (refusal(ops::box_iou(&boxes, &good)), "at index 1. Boxes of another format are brought to this one"),
        (refusal(ops::box_iou(&good, &scores)), "box_iou: expected b (N, 4), got (1)"),
        (
            refusal(ops::elementwise_generalized_box_iou(&good, &boxes)),
            "expected b (1, 4), the shape of a, got (2, 4)",
        ),
        (refusal(ops::generalized_box_iou(&good, &good.to_dtype(DType::F64)?)), "b of the dtype of a, f32"),
        (refusal(ops::nms(&good, &Tensor::new(&[f32::NAN], device)?, 0.5)), "numbers, got NaN at index 0"),
        (refusal(ops::nms(&good, &scores, 1.5)), "an iou_threshold in [0, 1], got 1.5"),
        (
            refusal(ops::nms(&good, &Tensor::new(&[0.5f32; 2], device)?, 0.5)),
            "nms: expected scores (1), got (2)",
        ),
        (refusal(ops::batched_nms(&good, &scores, &scores, 0.5)), "classes of dtype u32, got f32"),
        (
            refusal(ops::batched_nms(&good, &scores, &Tensor::new(&[1u32; 3], device)?, 0.5)),
            "expected classes (1), got (3)",
        ),
        (refusal(align(&good, config)), "roi_align: expected rois (K, 5), got (1, 4)"),
        (
            refusal(align(&roi([2.0, 0.0, 0.0, 1.0, 1.0])?, config)),
            "one of 2 images first in each of rois, got 2",
        ),
        (refusal(align(&roi([0.5, 0.0, 0.0, 1.0, 1.0])?, config)), "got 0.5 at index 0"),
        (refusal(align(&roi([0.0, 0.0, f32::NAN, 1.0, 1.0])?, config)), "finite coordinates in rois"),
        (
            refusal(align(&whole, RoiAlignConfig { output: [0, 7], ..config })),
            "at least one part, got (0, 7)",
        ),
        (
            refusal(align(&whole, RoiAlignConfig { sampling_ratio: Some(0), ..config })),
            "a sampling_ratio of at least 1, got 0",
        ),
        (
            refusal(align(&whole, RoiAlignConfig { spatial_scale: f64::NAN, ..config })),
            "a spatial_scale above 0, got NaN",
        ),
        (
            refusal(align(Var::from_tensor(&whole)?.as_tensor(), config)),
            "rois that are constants, got rois that come from trained values. This operator has no gradient",
        ),
    ] {
        assert!(error.contains(part), "{part:?} is not in {error:?}");
    }
    Ok(())
}

#[test]
fn so_do_narrower_vectors() {
    rerun::with_narrower_vectors(&[]);
}

#[test]
fn so_do_composed_operators() {
    rerun::with_composed_operators(&[]);
}

#[test]
fn so_does_a_gpu() {
    gpu::again_on_a_gpu(&[]);
}
