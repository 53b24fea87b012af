//! What the set loss wants of its targets and predictions, and who is matched with whom.

use candle_core::{D, DType, Tensor};

use super::assignment::least_cost_pairs;
use super::refused::{argument, described, shape};
use super::set_loss::{OP, SetLoss, SetPrediction};
use crate::{Result, ops};

/// The true objects of a batch, checked.
pub(super) struct Objects<'a> {
    pub(super) labels: &'a [Vec<u32>],
    pub(super) boxes: &'a [Vec<[f32; 4]>],
}

/// A query and the object of the same image that it is to find.
pub(super) struct Match {
    pub(super) image: usize,
    pub(super) query: usize,
    pub(super) object: usize,
}

impl<'a> Objects<'a> {
    pub(super) fn new(
        labels: &'a [Vec<u32>],
        boxes: &'a [Vec<[f32; 4]>],
        num_classes: usize,
    ) -> Result<Objects<'a>> {
        if labels.len() != boxes.len() {
            let got = format!("labels of {} and boxes of {} images", labels.len(), boxes.len());
            return Err(shape(OP, "labels and boxes of the same images", got, "Both go image by image."));
        }
        for (image, (labels, boxes)) in labels.iter().zip(boxes).enumerate() {
            if labels.len() != boxes.len() {
                let got = format!("{} labels and {} boxes for image {image}", labels.len(), boxes.len());
                return Err(shape(OP, "a label for each box", got, "Both go object by object."));
            }
            if let Some(label) = labels.iter().find(|&&label| label as usize >= num_classes) {
                let got = format!("label {label} in image {image}");
                let hint = "Give set_loss the number of classes of the data, without one for no object.";
                return Err(argument(OP, format!("labels below {num_classes}"), got, hint));
            }
            let good = |[cx, cy, width, height]: &[f32; 4]| {
                [cx, cy, width, height].iter().all(|side| (0.0..=1.0).contains(*side))
            };
            if let Some(wrong) = boxes.iter().find(|sides| !good(sides)) {
                return Err(argument(
                    OP,
                    "boxes (cx, cy, width, height) in fractions of the image, from 0 to 1",
                    format!("{wrong:?} in image {image}"),
                    "Batch::box_targets gives them so.",
                ));
            }
        }
        Ok(Objects { labels, boxes })
    }

    pub(super) fn count(&self) -> usize {
        self.labels.iter().map(Vec::len).sum()
    }
}

/// `[images, queries]` of a prediction for these objects and this many classes.
pub(super) fn check(
    prediction: &SetPrediction,
    objects: &Objects,
    num_classes: usize,
    layer: usize,
) -> Result<[usize; 2]> {
    let SetPrediction { logits, boxes } = prediction;
    let images = objects.labels.len();
    let fits = match *logits.dims() {
        [batch, queries, classes] => {
            batch == images
                && queries > 0
                && classes == num_classes + 1
                && boxes.dims() == [batch, queries, 4]
                && boxes.dtype() == logits.dtype()
        }
        _ => false,
    };
    if !fits || images == 0 {
        return Err(shape(
            OP,
            format!("logits ({images}, N, {}) and boxes ({images}, N, 4), not empty", num_classes + 1),
            format!("logits {} and boxes {} of layer {layer}", described(logits), described(boxes)),
            "The logits have one class more than the data, the last, for no object.",
        ));
    }
    Ok([images, logits.dims()[1]])
}

impl SetLoss {
    /// Which query is to find which object: of all ways to do it, the one that is cheapest in sum for each image.
    pub(super) fn matches(
        &self,
        prediction: &SetPrediction,
        objects: &Objects,
        [images, queries]: [usize; 2],
        layer: usize,
    ) -> Result<Vec<Match>> {
        let rows = |values: &Tensor| -> Result<Vec<Vec<f64>>> {
            let last = values.dims().last().copied().unwrap_or_default();
            Ok(values.detach().to_dtype(DType::F64)?.reshape((images * queries, last))?.to_vec2()?)
        };
        let probabilities = rows(&ops::softmax(&prediction.logits.detach(), D::Minus1)?)?;
        let boxes = rows(&prediction.boxes)?;
        let good = |row: &[f64]| row.iter().all(|value| value.is_finite());
        let wrong = probabilities.iter().zip(&boxes).position(|(classes, sides)| {
            !(good(classes) && good(sides) && sides[2..].iter().all(|&side| side >= 0.0))
        });
        if let Some(at) = wrong {
            return Err(argument(
                OP,
                "finite logits, and boxes (cx, cy, width, height) of no negative size",
                format!(
                    "box {:?} for query {} of image {} in layer {layer}",
                    boxes[at],
                    at % queries,
                    at / queries
                ),
                "End the boxes with a sigmoid; if it is inside and these are not numbers, training has \
                 diverged: lower the learning rate or clip the gradients.",
            ));
        }
        let mut matches = Vec::with_capacity(objects.count());
        for (image, (labels, truths)) in objects.labels.iter().zip(objects.boxes).enumerate() {
            let mut costs = Vec::with_capacity(labels.len() * queries);
            for (&label, truth) in labels.iter().zip(truths) {
                let truth = truth.map(f64::from);
                for query in image * queries..(image + 1) * queries {
                    let found: [f64; 4] = std::array::from_fn(|side| boxes[query][side]);
                    let l1: f64 = found.iter().zip(&truth).map(|(a, b)| (a - b).abs()).sum();
                    costs.push(
                        self.class_cost * -probabilities[query][label as usize]
                            + self.l1_cost * l1
                            + self.giou_cost * -generalized_iou(found, truth),
                    );
                }
            }
            let pairs = least_cost_pairs(&costs, [labels.len(), queries]);
            matches.extend(pairs.into_iter().map(|(object, query)| Match { image, query, object }));
        }
        Ok(matches)
    }
}

/// Generalized IoU of two boxes `(cx, cy, width, height)`, 0 where both have no area.
fn generalized_iou(a: [f64; 4], b: [f64; 4]) -> f64 {
    let ends = |[cx, cy, width, height]: [f64; 4]| {
        [[cx - width / 2.0, cx + width / 2.0], [cy - height / 2.0, cy + height / 2.0]]
    };
    let (a, b) = (ends(a), ends(b));
    let area = |[x, y]: [[f64; 2]; 2]| (x[1] - x[0]) * (y[1] - y[0]);
    let (mut common, mut hull) = (1.0, 1.0);
    for axis in 0..2 {
        common *= (a[axis][1].min(b[axis][1]) - a[axis][0].max(b[axis][0])).max(0.0);
        hull *= a[axis][1].max(b[axis][1]) - a[axis][0].min(b[axis][0]);
    }
    let union = area(a) + area(b) - common;
    let ratio = |part: f64, whole: f64| if whole == 0.0 { 0.0 } else { part / whole };
    ratio(common, union) - ratio(hull - union, hull)
}
