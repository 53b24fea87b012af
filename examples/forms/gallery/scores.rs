//! Metrics that are more than a number.

use sconce::metrics::{BoxErrorConfig, BoxErrors};
use sconce::metrics::{
    ClassReport, ClassTally, CocoScores, FoundBox, Interval, RankingCurves, TrueBox, VocInterpolation,
    VocScores, precision_recall_curves, roc_curves,
};
use sconce::prelude::*;

/// Logits of 16 images of 3 classes and the labels, most of them right.
fn answers() -> Result<(Tensor, Tensor)> {
    let value = |at: usize| {
        let (image, class) = (at / 3, at % 3);
        let right = if image % 3 == class && image % 5 != 0 { 2.0 } else { 0.0 };
        right + ((image * 5 + class * 3) % 7) as f32 / 4.0
    };
    let logits = Tensor::from_vec((0..48).map(value).collect::<Vec<f32>>(), (16, 3), &Device::Cpu)?;
    let labels: Vec<u32> = (0..16).map(|image| image % 3).collect();
    Ok((logits, Tensor::new(labels, &Device::Cpu)?))
}

/// A metric, and how sure it is.
pub fn interval() -> Result<Interval> {
    let (logits, labels) = answers()?;
    accuracy().interval(&logits, &labels, Confidence { resamples: 200, ..Confidence::default() })
}

/// Hits over false alarms, a curve for each class.
pub fn roc() -> Result<RankingCurves> {
    let (logits, labels) = answers()?;
    roc_curves(&logits, &labels, &["cat", "dog", "horse"])
}

/// Precision over recall, a curve for each class.
pub fn precision_recall() -> Result<RankingCurves> {
    let (logits, labels) = answers()?;
    precision_recall_curves(&logits, &labels, &["cat", "dog", "horse"])
}

/// Precision, recall and F1 of each class.
pub fn class_report() -> Result<ClassReport> {
    let tally = |true_positives, false_positives, false_negatives| ClassTally {
        true_positives,
        false_positives,
        false_negatives,
    };
    ClassReport::new(&["cat", "dog", "okapi"], &[tally(50, 7, 4), tally(40, 4, 8), tally(0, 0, 2)])
}

/// Boxes that are there and boxes that were found in two images.
fn boxes() -> Result<BoxEvaluation> {
    let mut boxes = BoxEvaluation::new(&["car", "tree"]);
    let truth = |label, corners| TrueBox { label, corners, area: None, ignore: false };
    let found = |label, corners, score| FoundBox { label, corners, score };
    boxes.record(
        &[truth(0, [10.0, 10.0, 50.0, 40.0]), truth(1, [60.0, 5.0, 90.0, 80.0])],
        &[found(0, [12.0, 11.0, 51.0, 41.0], 0.9), found(1, [0.0, 0.0, 20.0, 20.0], 0.6)],
    )?;
    boxes.record(
        &[truth(0, [5.0, 5.0, 205.0, 165.0])],
        &[found(0, [5.0, 5.0, 200.0, 165.0], 0.8), found(0, [6.0, 6.0, 100.0, 100.0], 0.4)],
    )?;
    Ok(boxes)
}

/// What is wrong with the boxes that were found.
pub fn box_errors() -> Result<BoxErrors> {
    boxes()?.errors(BoxErrorConfig::default())
}

/// COCO's numbers.
pub fn coco_scores() -> Result<CocoScores> {
    Ok(boxes()?.coco())
}

/// Pascal VOC's.
pub fn voc_scores() -> Result<VocScores> {
    boxes()?.voc(0.5, VocInterpolation::Area)
}
