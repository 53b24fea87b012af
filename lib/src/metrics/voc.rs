use sconce_display::Bundle;

use super::box_evaluation::{BoxEvaluation, ImageBoxes};
use super::boxes::iou;
use crate::plot::{Table, percent};
use crate::rich::Rich;

/// How a curve of precision over recall becomes one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum VocInterpolation {
    /// The mean over eleven recalls, 0 to 1, of the best precision at that recall or more: VOC until 2009.
    ElevenPoints,
    /// The area under the best precision at each recall or more: VOC from 2010.
    #[default]
    Area,
}

/// The average precision of PASCAL VOC (Everingham et al. 2010): see [`BoxEvaluation::voc`].
#[derive(Debug, Clone, PartialEq)]
pub struct VocScores {
    class_names: Vec<String>,
    iou_threshold: f64,
    classes: Vec<Option<f64>>,
}

impl VocScores {
    pub(super) fn of(
        detections: &BoxEvaluation,
        iou_threshold: f64,
        interpolation: VocInterpolation,
    ) -> VocScores {
        let labels = 0..detections.class_names.len() as u32;
        let of_class = |label| average_precision(&detections.images, label, iou_threshold, interpolation);
        VocScores {
            class_names: detections.class_names.clone(),
            iou_threshold,
            classes: labels.map(of_class).collect(),
        }
    }

    /// The mean over the classes of which there is something, in `[0, 1]`; `None` where there is nothing at all.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        let known: Vec<f64> = self.classes.iter().copied().flatten().collect();
        (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
    }

    /// The name and the AP of each class; `None` for a class of which there is nothing.
    #[must_use]
    pub fn by_class(&self) -> Vec<(&str, Option<f64>)> {
        self.class_names.iter().map(String::as_str).zip(self.classes.iter().copied()).collect()
    }
}

/// Every detection in the order of its score takes the thing of its class that it lies on best; the first to take a thing
/// is right, those after it are wrong, and what lies on an ignored thing does not count.
fn average_precision(
    images: &[ImageBoxes],
    label: u32,
    iou_threshold: f64,
    interpolation: VocInterpolation,
) -> Option<f64> {
    let wanted = images.iter().flat_map(|image| &image.truths);
    let wanted = wanted.filter(|truth| truth.label == label && !truth.ignore).count();
    if wanted == 0 {
        return None;
    }
    let found = images.iter().enumerate();
    let found = found.flat_map(|(image, boxes)| boxes.found.iter().map(move |found| (image, found)));
    let mut found: Vec<_> = found.filter(|(_, found)| found.label == label).collect();
    found.sort_by(|(_, a), (_, b)| b.score.total_cmp(&a.score));
    let mut taken: Vec<Vec<bool>> = images.iter().map(|image| vec![false; image.truths.len()]).collect();
    let (mut right, mut counted) = (0_usize, 0_usize);
    // Things that are found, and the precision so far.
    let mut curve: Vec<(usize, f64)> = Vec::with_capacity(found.len());
    for (image, found) in found {
        let truths = images[image].truths.iter().enumerate().filter(|(_, truth)| truth.label == label);
        let mut best: Option<(usize, f64)> = None;
        for (at, truth) in truths {
            let overlap = iou(found.corners, truth.corners);
            if best.is_none_or(|(_, most)| overlap > most) {
                best = Some((at, overlap));
            }
        }
        if let Some((at, _)) = best.filter(|(_, overlap)| *overlap >= iou_threshold) {
            if images[image].truths[at].ignore {
                continue;
            }
            right += usize::from(!taken[image][at]);
            taken[image][at] = true;
        }
        counted += 1;
        curve.push((right, right as f64 / counted as f64));
    }
    for at in (1..curve.len()).rev() {
        curve[at - 1].1 = curve[at - 1].1.max(curve[at].1);
    }
    Some(match interpolation {
        VocInterpolation::ElevenPoints => {
            // In whole numbers: a recall of 0.3 is 3 of 10, whatever it rounds to.
            let at_recall = |tenths: usize| {
                let first = curve.partition_point(|(right, _)| right * 10 < tenths * wanted);
                curve.get(first).map_or(0.0, |(_, precision)| *precision)
            };
            (0..=10).map(at_recall).sum::<f64>() / 11.0
        }
        VocInterpolation::Area => {
            let mut before = 0;
            let steps = curve.iter().map(|&(right, precision)| {
                let more = right - before;
                before = right;
                more as f64 * precision
            });
            steps.sum::<f64>() / wanted as f64
        }
    })
}

impl Rich for VocScores {
    fn rich(&self) -> Bundle {
        let shown = |value: Option<f64>| value.map_or_else(|| "–".into(), percent);
        let mut table = Table::new(&["class", &format!("AP at IoU {}", self.iou_threshold)]);
        for (name, ap) in self.by_class() {
            table.push(&[name, &shown(ap)]);
        }
        table.push(&["mean", &shown(self.mean())]);
        table.rich()
    }
}
