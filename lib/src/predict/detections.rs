use candle_core::{D, DType, Tensor};
use sconce_display::Bundle;

use crate::data::{BBox, Image, Sample, Target};
use crate::ops::{BoxFormat, batched_nms, convert_boxes, shape_text, softmax};
use crate::plot::{Annotated, Mark, Table, percent};
use crate::rich::Rich;
use crate::{Error, Result};

/// Rows of the table in plain text.
const ROWS: usize = 32;

/// Which boxes are kept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DetectionConfig {
    /// The least score, in `0..=1`.
    pub min_score: f32,
    /// The most boxes, those of the highest scores.
    pub most: usize,
    /// What happens to boxes that lie over others.
    pub suppression: Suppression,
}

impl Default for DetectionConfig {
    /// Scores of at least 0.7, 100 boxes, no suppression: as the code of DETR's paper shows them.
    fn default() -> DetectionConfig {
        DetectionConfig { min_score: 0.7, most: 100, suppression: Suppression::Off }
    }
}

/// What happens to boxes that lie over others of the same class.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Suppression {
    /// They stay: a set prediction learns to see each thing once.
    Off,
    /// The one with the lower score goes, where their IoU is above this, in `0..=1`.
    Above(f64),
}

/// A thing that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Detection {
    /// Its class.
    pub label: u32,
    /// The name of its class.
    pub name: String,
    /// How sure the model is, in `0..=1`.
    pub score: f32,
    /// Where it is, in pixels of the image; a model may place it beyond the edges.
    pub bbox: BBox,
}

/// What was found in an image, highest score first. Shows itself as the image with the boxes.
#[derive(Debug, Clone)]
pub struct Detections {
    image: Image,
    found: Vec<Detection>,
}

impl Detections {
    /// What DETR's outputs for one image stand for (Carion et al. 2020): raw `logits` (N, C + 1) or (1, N, C + 1) over
    /// the C `classes` and, last, no object; `boxes` (N, 4) or (1, N, 4) of [`BoxFormat::Cxcywh`] in fractions of the
    /// image. Each query is its likeliest class other than no object, with the probability of that.
    ///
    /// # Errors
    /// If the shapes do not fit each other or the class names, or a value is not a number.
    pub fn of_set<S: AsRef<str>>(
        image: &Image,
        logits: &Tensor,
        boxes: &Tensor,
        classes: &[S],
        config: DetectionConfig,
    ) -> Result<Detections> {
        let (logits, boxes) = (single(logits)?, single(boxes)?);
        let fits = match (logits.dims(), boxes.dims()) {
            (&[queries, columns], &[boxes, 4]) => queries == boxes && columns == classes.len() + 1,
            _ => false,
        };
        if !fits {
            return Err(Error::Shape {
                op: "Detections::of_set".into(),
                expected: format!("logits (N, {}) and boxes (N, 4) of one image", classes.len() + 1),
                got: format!("{} and {}", shape_text(logits.dims()), shape_text(boxes.dims())),
                hint: "The last logit is no object: it has no class name. A batch is given image by image."
                    .into(),
            });
        }
        let [height, width] = [image.height(), image.width()].map(|side| side as f64);
        let scale = Tensor::new(&[width, height, width, height], boxes.device())?.to_dtype(DType::F32)?;
        let corners = convert_boxes(&boxes, BoxFormat::Cxcywh, BoxFormat::Xyxy)?.broadcast_mul(&scale)?; // (N, 4)
        let probabilities = softmax(&logits, 1)?.narrow(D::Minus1, 0, classes.len())?; // (N, C)
        let rows = probabilities.to_vec2::<f32>()?;
        let values = corners.to_vec2::<f32>()?;
        if !rows.iter().chain(&values).flatten().all(|value| value.is_finite()) {
            return Err(Error::Argument {
                op: "Detections::of_set".into(),
                expected: "logits and boxes that are numbers".into(),
                got: "one that is not, or is infinite".into(),
                hint: "The model has diverged, or was given an image that is not normalized.".into(),
            });
        }
        let mut found: Vec<(usize, u32, f32)> = Vec::new();
        for (query, row) in rows.iter().enumerate() {
            let best = row.iter().enumerate().max_by(|(a, p), (b, q)| p.total_cmp(q).then(b.cmp(a)));
            if let Some((label, &score)) = best.filter(|(_, score)| **score >= config.min_score) {
                found.push((query, label as u32, score));
            }
        }
        found.sort_by(|(_, _, a), (_, _, b)| b.total_cmp(a));
        if let (Suppression::Above(iou), false) = (config.suppression, found.is_empty()) {
            let device = boxes.device();
            let queries: Vec<u32> = found.iter().map(|(query, ..)| *query as u32).collect();
            let boxes = corners.index_select(&Tensor::new(queries, device)?, 0)?;
            let labels: Vec<u32> = found.iter().map(|(_, label, _)| *label).collect();
            let scores: Vec<f32> = found.iter().map(|(.., score)| *score).collect();
            let kept =
                batched_nms(&boxes, &Tensor::new(scores, device)?, &Tensor::new(labels, device)?, iou)?;
            found =
                kept.to_vec1::<u32>()?.into_iter().filter_map(|at| found.get(at as usize).copied()).collect();
        }
        found.truncate(config.most);
        let detection = |(query, label, score): (usize, u32, f32)| {
            let &[x0, y0, x1, y1] = values.get(query)?.as_slice() else { return None };
            let name = classes.get(label as usize)?.as_ref().to_owned();
            Some(Detection { label, name, score, bbox: BBox { x0, y0, x1, y1 } })
        };
        Ok(Detections { image: image.clone(), found: found.into_iter().filter_map(detection).collect() })
    }

    /// What was found.
    #[must_use]
    pub fn found(&self) -> &[Detection] {
        &self.found
    }

    /// The image with the boxes, their classes and scores.
    ///
    /// # Errors
    /// When it cannot be drawn.
    pub fn draw(&self) -> Result<Annotated> {
        let sample = Sample { id: String::new(), image: self.image.clone(), target: Target::default() };
        self.found.iter().try_fold(sample.show()?, |annotated, detection| {
            let BBox { x0, y0, x1, y1 } = detection.bbox;
            annotated.mark(Mark {
                label: format!("{} {}", detection.name, percent(f64::from(detection.score))),
                color: detection.label as usize,
                corners: Some([x0, y0, x1, y1]),
                ..Mark::default()
            })
        })
    }

    /// What was found, in a table.
    #[must_use]
    pub fn table(&self) -> Table {
        let mut table = Table::new(&["class", "score", "x0", "y0", "x1", "y1"]);
        for detection in self.found.iter().take(ROWS) {
            let BBox { x0, y0, x1, y1 } = detection.bbox;
            let mut row = vec![detection.name.clone(), percent(f64::from(detection.score))];
            row.extend([x0, y0, x1, y1].map(|side| format!("{side:.1}")));
            table.push(&row);
        }
        table
    }
}

/// The outputs of one image, without the batch.
fn single(tensor: &Tensor) -> Result<Tensor> {
    let tensor = tensor.detach();
    Ok(if tensor.rank() == 3 && tensor.dims()[0] == 1 { tensor.squeeze(0)? } else { tensor })
}

impl Rich for Detections {
    fn rich(&self) -> Bundle {
        match self.draw() {
            Ok(drawn) => drawn.rich(),
            Err(error) => Bundle::text(format!("{}({error})\n", self.table().text())),
        }
    }
}
