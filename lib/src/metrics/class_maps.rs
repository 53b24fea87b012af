//! Classes of pixels.

use candle_core::{DType, Tensor};

use super::average::Average;
use super::confusion::ConfusionCounts;
use super::counted::{Counted, Form, Rule};
use super::metric::Metric;
use super::reading::not_a_number;
use super::refused::{argument, described, shape};
use super::tally::ClassTally;
use crate::Result;

/// What stands in a class map for "do not count this pixel", as in PASCAL VOC, Cityscapes and ADE20K.
const IGNORED: u32 = 255;

/// Pairs of classes are counted, and their places are u32.
const MOST_CLASSES: usize = 10_000;

/// The mean over classes of intersection over union, as PASCAL VOC and Cityscapes judge segmentation: pixels are counted
/// over all images, then each class is divided. Takes logits (B, C, H, W), of which the largest is said, and u32 class maps
/// (B, H, W), as `batch.class_maps()` gives them; 255 is a pixel that does not count, unless there are so many classes that it is one of them.
///
/// A class that is neither in the maps nor said anywhere is left out of the mean, instead of counting as 0 or 1.
/// [`ConfusionCounts`] takes the same and has the IoU of each class.
///
/// ```
/// use sconce::prelude::*;
///
/// let mut metric = mean_iou();
/// let logits = Tensor::new(&[[[[1f32, 0.], [1., 0.]], [[0., 1.], [0., 1.]]]], &Device::Cpu)?; // says 0 1 / 0 1
/// metric.update(&logits, &Tensor::new(&[[[0u32, 1], [1, 255]]], &Device::Cpu)?)?;
/// assert_eq!(metric.value()?, 0.5);
/// # Ok::<(), sconce::Error>(())
/// ```
#[must_use]
pub fn mean_iou() -> Metric {
    Overlap::Iou.metric()
}

/// The mean over classes of the Dice coefficient, which is the F1 of a class's pixels. Takes what [`mean_iou`] takes, and
/// counts as it does.
#[must_use]
pub fn mean_dice() -> Metric {
    Overlap::Dice.metric()
}

#[derive(Debug, Clone, Copy)]
enum Overlap {
    Iou,
    Dice,
}

impl Overlap {
    fn metric(self) -> Metric {
        Metric::new(self.op(), Counted::new(self))
    }
}

/// A sample is an image: how many of its pixels are in which place of the counts.
impl Rule for Overlap {
    type Item = Vec<(u32, u32)>;
    type Sums = ConfusionCounts;

    fn op(&self) -> &str {
        match self {
            Overlap::Iou => "mean_iou",
            Overlap::Dice => "mean_dice",
        }
    }

    fn items(&self, output: &Tensor, targets: &Tensor) -> Result<(Form, Vec<Vec<(u32, u32)>>)> {
        let images = confused_pixels(self.op(), output, targets)?;
        Ok((Form::Classes(output.dims()[1]), images))
    }

    fn nothing(&self, form: Form) -> ConfusionCounts {
        ConfusionCounts::new(form.width())
    }

    fn fits(&self, form: Form, sums: &ConfusionCounts) -> bool {
        sums.is_of(form.width())
    }

    fn add(&self, sums: &mut ConfusionCounts, item: &Vec<(u32, u32)>, times: u64) {
        for &(cell, pixels) in item {
            sums.add(u64::from(cell), u64::from(pixels) * times);
        }
    }

    fn value(&self, sums: &ConfusionCounts) -> Result<f64> {
        let overlap = match self {
            Overlap::Iou => ClassTally::iou,
            Overlap::Dice => ClassTally::f1,
        };
        let values: Vec<Option<f64>> = sums.tallies().iter().map(overlap).collect();
        if values.iter().all(Option::is_none) {
            let hint = "Maps that are 255 everywhere say nothing.";
            return Err(argument(self.op(), "a pixel that counts", "none", hint));
        }
        Average::Macro.of(self.op(), &values, &[])
    }
}

/// For each image how many of its pixels have which target and prediction, as places `target * C + prediction` of the
/// counts, in their order.
pub(super) fn confused_pixels(op: &str, logits: &Tensor, targets: &Tensor) -> Result<Vec<Vec<(u32, u32)>>> {
    let fits = match logits.dims() {
        &[batch, _, height, width] => targets.dims() == [batch, height, width],
        _ => false,
    };
    if !fits || targets.dtype() != DType::U32 || logits.elem_count() == 0 {
        return Err(shape(
            op,
            "logits (B, C, H, W) and targets U32 (B, H, W), the class of each pixel, neither empty",
            format!("logits {} and targets {}", described(logits), described(targets)),
            "Bring the logits to the size of the maps, e.g. with ops::interpolate.",
        ));
    }
    let (_, classes, height, width) = logits.dims4()?;
    if classes > MOST_CLASSES {
        let hint = "Are these logits, with classes in the second dimension?";
        return Err(argument(
            op,
            format!("at most {MOST_CLASSES} classes of pixels"),
            classes.to_string(),
            hint,
        ));
    }
    let area = height * width;
    let mut images = Vec::with_capacity(logits.dims()[0]);
    let mut counts = vec![0u32; classes * classes];
    for image in 0..logits.dims()[0] {
        let scores = logits.get(image)?.detach().to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
        let targets = targets.get(image)?.flatten_all()?.to_vec1::<u32>()?;
        let place =
            |pixel: usize| format!("row {}, column {} of image {image}", pixel / width, pixel % width);
        if let Some(at) = scores.iter().position(|score| score.is_nan()) {
            return Err(not_a_number(
                op,
                scores[at],
                &format!("class {} at {}", at / area, place(at % area)),
            ));
        }
        for (pixel, (&target, said)) in targets.iter().zip(said(&scores, area)).enumerate() {
            match target as usize {
                class if class < classes => counts[class * classes + said as usize] += 1,
                _ if target == IGNORED => {}
                _ => {
                    return Err(argument(
                        op,
                        format!("classes below {classes}, or 255 where a pixel does not count"),
                        format!("{target} at {}", place(pixel)),
                        "Let the last layer have as many channels as there are classes.",
                    ));
                }
            }
        }
        // The counts of one image are few, whatever the number of classes.
        let counted = counts.iter_mut().enumerate().filter(|(_, count)| **count > 0);
        images.push(counted.map(|(cell, count)| (cell as u32, std::mem::take(count))).collect());
    }
    Ok(images)
}

/// The class of the largest score of each pixel, from scores (C, pixels); of equal ones the first.
fn said(scores: &[f32], area: usize) -> Vec<u32> {
    let mut best = scores[..area].to_vec();
    let mut said = vec![0; area];
    for (class, plane) in (0u32..).zip(scores.chunks_exact(area)).skip(1) {
        for ((best, said), &score) in best.iter_mut().zip(&mut said).zip(plane) {
            if score > *best {
                (*best, *said) = (score, class);
            }
        }
    }
    said
}
