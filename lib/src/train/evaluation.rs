use candle_core::Tensor;
use sconce_display::Bundle;

use super::epoch::Pass;
use crate::data::{Batch, Dataset, SkipReport, Split};
use crate::metrics::{ConfusionCounts, predicted_classes};
use crate::plot::{ConfusionMatrix, Table, count, number};
use crate::rich::Rich;
use crate::{Error, Result};

/// How good a model is on one part of the data.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    split: Split,
    loss: f64,
    metrics: Vec<(String, f64)>,
    /// Where each image stands in the part.
    indices: Vec<usize>,
    predicted: Vec<u32>,
    targets: Vec<u32>,
    skipped: SkipReport,
    confusion: ConfusionMatrix,
}

impl Evaluation {
    /// Goes once over `part`: `walk` calls back with each batch's output.
    pub(super) fn of(
        split: Split,
        part: &Dataset,
        walk: impl FnOnce(&mut dyn FnMut(&Tensor, &Batch) -> Result<()>) -> Result<Pass>,
    ) -> Result<Evaluation> {
        let classes = part.num_classes();
        let (mut predicted, mut targets) = (Vec::with_capacity(part.len()), Vec::with_capacity(part.len()));
        let mut indices = Vec::with_capacity(part.len());
        let pass = walk(&mut |logits, batch| {
            if logits.dims() != [batch.indices.len(), classes] {
                return Err(Error::Shape {
                    op: "Learner::evaluate".into(),
                    expected: format!(
                        "logits [{}, {classes}], one for each class of the data",
                        batch.indices.len()
                    ),
                    got: format!("{:?}", logits.dims()),
                    hint: format!("End the model with linear({classes})."),
                });
            }
            predicted.extend(predicted_classes("Learner::evaluate", logits)?);
            targets.extend(batch.labels.to_vec1::<u32>()?);
            indices.extend(&batch.indices);
            Ok(())
        })?;
        let mut counts = ConfusionCounts::new(classes);
        counts.record(&targets, &predicted)?;
        let confusion = ConfusionMatrix::new(part.class_names(), counts.counts())?;
        let Pass { loss, metrics, skipped } = pass;
        Ok(Evaluation { split, loss, metrics, indices, predicted, targets, skipped, confusion })
    }

    /// Which part was looked at.
    #[must_use]
    pub fn split(&self) -> Split {
        self.split
    }

    /// The mean loss of an image.
    #[must_use]
    pub fn loss(&self) -> f64 {
        self.loss
    }

    /// A metric by its name.
    ///
    /// # Errors
    /// A name that the learner has no metric of.
    pub fn metric(&self, name: &str) -> Result<f64> {
        let found = self.metrics.iter().find(|(known, _)| known == name);
        found.map(|&(_, value)| value).ok_or_else(|| {
            let known: Vec<&str> = self.metrics.iter().map(|(name, _)| name.as_str()).collect();
            Error::Argument {
                op: "Evaluation::metric".into(),
                expected: format!("one of the learner's metrics {known:?}"),
                got: format!("{name:?}"),
                hint: "Give the learner the metric before: .metric(accuracy()).".into(),
            }
        })
    }

    /// All metrics by name.
    #[must_use]
    pub fn metrics(&self) -> &[(String, f64)] {
        &self.metrics
    }

    /// Where each image stands in the part: all of it in its order, but for those that were skipped.
    #[must_use]
    pub fn indices(&self) -> &[usize] {
        &self.indices
    }

    /// The images that were left out, with [`OnError::Skip`](crate::data::OnError::Skip). Nothing here counts
    /// them.
    #[must_use]
    pub fn skipped(&self) -> &SkipReport {
        &self.skipped
    }

    /// The predicted class of each image, in the order of [`Evaluation::indices`].
    #[must_use]
    pub fn predicted(&self) -> &[u32] {
        &self.predicted
    }

    /// The true class of each image, in the order of [`Evaluation::indices`].
    #[must_use]
    pub fn targets(&self) -> &[u32] {
        &self.targets
    }

    /// The images, by their number in the part, that were predicted wrong.
    #[must_use]
    pub fn mistakes(&self) -> Vec<usize> {
        let classes = self.predicted.iter().zip(&self.targets);
        let wrong = self.indices.iter().zip(classes).filter(|(_, (predicted, target))| predicted != target);
        wrong.map(|(&index, _)| index).collect()
    }

    /// Which class was taken for which: a picture.
    #[must_use]
    pub fn confusion_matrix(&self) -> ConfusionMatrix {
        self.confusion.clone()
    }
}

impl Rich for Evaluation {
    fn rich(&self) -> Bundle {
        let mut table = Table::new(&[&format!("{} part", self.split), ""])
            .row(&["images", &count(self.targets.len())])
            .row(&["wrong", &count(self.mistakes().len())])
            .row(&["loss", &number(self.loss)]);
        if !self.skipped.samples.is_empty() {
            table.push(&["skipped", &count(self.skipped.samples.len())]);
        }
        for (name, value) in &self.metrics {
            table.push(&[name.as_str(), &number(*value)]);
        }
        Bundle::text(table.text()).html(table.html())
    }
}
