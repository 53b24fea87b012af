use candle_core::{DType, Tensor};
use sconce_display::Bundle;

use super::learner::{Learner, check_interrupt};
use crate::metrics::predicted_classes;
use crate::plot::{Table, percent};
use crate::rich::Rich;
use crate::{Error, Result, ops};

/// A table shows at most so many images.
const ROWS: usize = 32;

/// What a model says to images.
#[derive(Debug, Clone)]
pub struct Predictions {
    labels: Vec<u32>,
    probabilities: Tensor,
    class_names: Vec<String>,
    /// The probability of each image's label.
    confidence: Vec<f32>,
}

impl Predictions {
    pub(super) fn of(learner: &Learner, images: &Tensor) -> Result<Predictions> {
        let class_names = learner.data.train.class_names().to_vec();
        let device = learner.net.device();
        let (total, batch) = (images.dims()[0], learner.batch_size.max(1));
        let (mut labels, mut parts) = (Vec::with_capacity(total), Vec::new());
        for start in (0..total).step_by(batch) {
            check_interrupt(|| format!("while predicting, image {}", start + 1))?;
            let images = images.narrow(0, start, batch.min(total - start))?.to_device(&device)?;
            let logits = learner.output(&images)?; // (B, num_classes)
            labels.extend(predicted_classes("Learner::predict", &logits)?);
            if logits.dims()[1] != class_names.len() {
                return Err(Error::Shape {
                    op: "Learner::predict".into(),
                    expected: format!("logits (B, {}), one for each class of the data", class_names.len()),
                    got: format!("{:?}", logits.dims()),
                    hint: format!("End the model with linear({}).", class_names.len()),
                });
            }
            parts.push(ops::softmax(&logits, 1)?.detach());
        }
        let probabilities = match parts.is_empty() {
            true => Tensor::zeros((0, class_names.len()), DType::F32, &device)?,
            false => Tensor::cat(&parts, 0)?, // (N, num_classes)
        };
        let rows = probabilities.to_dtype(DType::F32)?.to_vec2::<f32>()?;
        let confidence = labels.iter().zip(&rows).map(|(&label, row)| row[label as usize]).collect();
        Ok(Predictions { labels, probabilities, class_names, confidence })
    }

    /// The most likely class of each image.
    #[must_use]
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// The name of the most likely class of each image.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        self.labels.iter().map(|&label| self.class_names[label as usize].as_str()).collect()
    }

    /// The probability of every class for each image (N, `num_classes`); rows sum to 1.
    #[must_use]
    pub fn probabilities(&self) -> &Tensor {
        &self.probabilities
    }

    /// The probability that the model gives to each image's most likely class, in `0..=1`.
    #[must_use]
    pub fn confidence(&self) -> &[f32] {
        &self.confidence
    }
}

impl Rich for Predictions {
    fn rich(&self) -> Bundle {
        let mut table = Table::new(&["image", "class", "probability"]);
        let names = self.names();
        for (at, (name, &confidence)) in names.iter().zip(&self.confidence).enumerate().take(ROWS) {
            table.push(&[at.to_string(), (*name).to_owned(), percent(f64::from(confidence))]);
        }
        let more = match self.labels.len().saturating_sub(ROWS) {
            0 => String::new(),
            more => format!("and {more} more images"),
        };
        Bundle::text(format!("{}{more}", table.text())).html(format!("{}{more}", table.html()))
    }
}
