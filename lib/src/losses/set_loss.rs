use candle_core::{DType, Tensor};
use sconce_display::Bundle;

use super::cross_entropy;
use super::refused::{argument, at_least_zero};
use super::set_targets::{Match, Objects, check};
use crate::ops::BoxFormat;
use crate::plot::Table;
use crate::rich::Rich;
use crate::{Result, ops};

pub(super) const OP: &str = "set_loss";

/// The set loss of DETR (Carion et al. 2020) for data of `num_classes` classes: a model gives a fixed number of guesses
/// for an image, and each true object is matched with one of them, so that nothing is to be suppressed afterwards.
///
/// The match is the cheapest in sum (Hungarian method, exact) by class, L1 distance and generalized IoU of the boxes.
/// Matched guesses are to have the class and the box of their object, all others the class "no object", which comes last
/// and counts 0.1. The parts count as in the paper: class 1, L1 5, GIoU 2; L1 and GIoU are divided by the number of
/// objects in the batch.
///
/// ```
/// use sconce::losses::{SetPrediction, set_loss};
/// use sconce::prelude::*;
///
/// let cpu = &Device::Cpu;
/// let logits = Tensor::zeros((1, 2, 4), DType::F32, cpu)?; // one image, two guesses, 3 classes and no object
/// let boxes = Tensor::new(&[[[0.5f32, 0.5, 0.2, 0.2], [0.2, 0.2, 0.1, 0.1]]], cpu)?;
/// let loss = set_loss(3).of(&[SetPrediction { logits, boxes }], &[vec![2]], &[vec![[0.5, 0.5, 0.2, 0.2]]])?;
/// assert!(loss.l1 == 0.0 && (loss.class - 4.0_f64.ln()).abs() < 1e-6);
/// # Ok::<(), sconce::Error>(())
/// ```
pub fn set_loss(num_classes: usize) -> SetLoss {
    SetLoss {
        num_classes,
        no_object_weight: 0.1,
        class_cost: 1.0,
        l1_cost: 5.0,
        giou_cost: 2.0,
        class_weight: 1.0,
        l1_weight: 5.0,
        giou_weight: 2.0,
    }
}

/// How [`set_loss`] is set up. The costs say who is matched with whom, the weights what counts in the loss.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct SetLoss {
    /// Classes of the data, without the one for no object.
    pub num_classes: usize,
    /// What a guess that should be no object counts, against 1 for an object.
    pub no_object_weight: f64,
    /// Of the probability of the object's class.
    pub class_cost: f64,
    /// Of the distance between the boxes.
    pub l1_cost: f64,
    /// Of the generalized IoU.
    pub giou_cost: f64,
    /// Of the cross-entropy.
    pub class_weight: f64,
    /// Of the distance between the boxes.
    pub l1_weight: f64,
    /// Of 1 less the generalized IoU.
    pub giou_weight: f64,
}

/// What one decoder layer says to a batch of images.
#[derive(Debug, Clone)]
pub struct SetPrediction {
    /// Raw logits (B, N, `num_classes` + 1), the last for no object.
    pub logits: Tensor,
    /// Boxes (B, N, 4): centre and size in fractions of the image, as a sigmoid gives them.
    pub boxes: Tensor,
}

/// A set loss and what it is made of.
#[derive(Debug, Clone)]
pub struct SetLosses {
    /// The weighted sum of all parts of all layers, a tensor without dimensions: what to go downhill on.
    pub total: Tensor,
    /// Cross-entropy of the last layer, in nats.
    pub class: f64,
    /// Distance of the last layer's matched boxes, the sum over their four sides, in fractions of the image.
    pub l1: f64,
    /// 1 less the generalized IoU of the last layer's matched boxes, from 0 to 2.
    pub giou: f64,
}

/// Cross-entropy, L1 and GIoU of one layer.
type Parts = [Tensor; 3];

impl SetLoss {
    /// The loss of what the decoder's layers say, the last one last: each is matched and counted by itself, and those
    /// before the last help the layers below to learn. One prediction is enough.
    ///
    /// `labels` and `boxes` have an entry for each image, which may be empty: the class of each object, and its centre and
    /// size in fractions of the image. An image with more objects than queries has its cheapest ones matched.
    ///
    /// # Errors
    /// Shapes that do not fit, labels that are no class, boxes that are not in fractions, predictions that are not
    /// numbers; weights and costs below 0.
    pub fn of(
        &self,
        layers: &[SetPrediction],
        labels: &[Vec<u32>],
        boxes: &[Vec<[f32; 4]>],
    ) -> Result<SetLosses> {
        let settings = [
            ("no_object_weight", self.no_object_weight),
            ("class_cost", self.class_cost),
            ("l1_cost", self.l1_cost),
            ("giou_cost", self.giou_cost),
            ("class_weight", self.class_weight),
            ("l1_weight", self.l1_weight),
            ("giou_weight", self.giou_weight),
        ];
        for (name, value) in settings {
            at_least_zero(OP, name, value, "set_loss(num_classes) has those of the paper.")?;
        }
        let objects = Objects::new(labels, boxes, self.num_classes)?;
        let mut total: Option<Tensor> = None;
        let mut last: Option<Parts> = None;
        for (layer, prediction) in layers.iter().enumerate() {
            let parts = self.layer(prediction, &objects, layer)?;
            let [class, l1, giou] = &parts;
            let weighted = ((class * self.class_weight)? + (l1 * self.l1_weight)?)?;
            let weighted = (weighted + (giou * self.giou_weight)?)?;
            total = Some(match total {
                None => weighted,
                Some(total) => (total + weighted)?,
            });
            last = Some(parts);
        }
        let (Some(total), Some(parts)) = (total, last) else {
            let hint = "Give it what the model says, the decoder's last layer last.";
            return Err(argument(OP, "at least one prediction", "none", hint));
        };
        let number = |part: &Tensor| part.detach().to_dtype(DType::F64)?.to_scalar::<f64>();
        let [class, l1, giou] = &parts;
        Ok(SetLosses { total, class: number(class)?, l1: number(l1)?, giou: number(giou)? })
    }

    fn layer(&self, prediction: &SetPrediction, objects: &Objects, layer: usize) -> Result<Parts> {
        let sides @ [images, queries] = check(prediction, objects, self.num_classes, layer)?;
        let matches = self.matches(prediction, objects, sides, layer)?;
        let SetPrediction { logits, boxes } = prediction;

        let no_object = u32::try_from(self.num_classes).unwrap_or(u32::MAX);
        let mut labels = vec![no_object; images * queries];
        for Match { image, query, object } in &matches {
            labels[image * queries + query] = objects.labels[*image][*object];
        }
        let labels = Tensor::from_vec(labels, images * queries, logits.device())?;
        let logits = logits.reshape((images * queries, self.num_classes + 1))?;
        let mut weights = vec![1.0; self.num_classes];
        weights.push(self.no_object_weight);
        let class = cross_entropy().class_weights(weights).of(&logits, &labels)?;
        if matches.is_empty() {
            // 0, but computed from the boxes, so that the layers behind them have a gradient: candle sees none where a
            // number is the factor.
            let nothing = boxes.sum_all()?.mul(&Tensor::zeros((), boxes.dtype(), boxes.device())?)?;
            return Ok([class, nothing.clone(), nothing]);
        }

        let rows = matches.iter().map(|found| (found.image * queries + found.query) as u32).collect();
        let rows = Tensor::from_vec(rows, matches.len(), boxes.device())?;
        let found = boxes.reshape((images * queries, 4))?.index_select(&rows, 0)?; // (M, 4)
        let truths: Vec<f32> =
            matches.iter().flat_map(|found| objects.boxes[found.image][found.object]).collect();
        let truths = Tensor::from_vec(truths, (matches.len(), 4), boxes.device())?.to_dtype(boxes.dtype())?;
        let share = 1.0 / objects.count() as f64;
        let l1 = ((&found - &truths)?.abs()?.sum_all()? * share)?;
        let corners = |boxes| ops::convert_boxes(boxes, BoxFormat::Cxcywh, BoxFormat::Xyxy);
        let giou = ops::elementwise_generalized_box_iou(&corners(&found)?, &corners(&truths)?)?; // (M)
        let giou = (giou.affine(-1.0, 1.0)?.sum_all()? * share)?;
        Ok([class, l1, giou])
    }
}

impl Rich for SetLosses {
    fn rich(&self) -> Bundle {
        let total = self.total.to_dtype(DType::F64).and_then(|total| total.to_scalar::<f64>());
        let mut table = Table::new(&["part", "loss"]);
        let parts = [("class", self.class), ("L1", self.l1), ("1 - GIoU", self.giou)];
        for (part, loss) in parts.into_iter().chain(total.ok().map(|total| ("all layers, weighted", total))) {
            table.push(&[part.to_owned(), format!("{loss:.4}")]);
        }
        table.rich()
    }
}
