use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use sconce_display::Bundle;

use super::followed::in_part;
use super::judged_images::{JudgedImage, judged};
use super::misclassified::{Misclassified, MisclassifiedConfig};
use super::pass::Pass;
use super::top_losses::TopLosses;
use crate::data::{Batch, Dataset, SkipReport, Split};
use crate::metrics::{
    ClassReport, Confidence, ConfusionCounts, Interval, Metric, RankingCurves, precision_recall_curves,
    predicted_classes, reliability_diagram, roc_curves,
};
use crate::plot::{ConfusionMatrix, ReliabilityDiagram, Table, count, number, percent};
use crate::rich::Rich;
use crate::{Error, Result};

/// Bins of a reliability diagram, as many as those of the calibration error.
const BINS: usize = 15;

/// How good a model is on one part of the data. It keeps what the model said to each image, 4 bytes a logit, so that any
/// metric, curve or interval can be asked for later without running the model again.
///
/// ```no_run
/// use sconce::prelude::*;
/// use sconce::train::MisclassifiedConfig;
/// # fn main() -> sconce::Result<()> {
/// # let data = datasets::digits()?.split([0.7, 0.15, 0.15], Seed(42))?;
/// # let net = Model::build([1, 8, 8], |x| x.flatten().linear(10))?.init(Seed(42), &Device::Cpu)?;
/// # let learner = Learner::new(net, data).metric(accuracy());
/// let evaluation = learner.evaluate(Split::Test)?;
/// evaluation.class_report();                                            // precision, recall, F1 of each class
/// evaluation.top_losses(12)?;                                           // the images it is most wrong about
/// evaluation.misclassified(MisclassifiedConfig::default())?;            // those it gets wrong, the surest first
/// evaluation.score(f1(Average::Macro))?;                                // any metric
/// evaluation.interval(accuracy(), Confidence::default())?;              // and how much of it is luck
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Evaluation {
    split: Split,
    loss: f64,
    metrics: Vec<(String, f64)>,
    /// Those that were asked for, to be shown.
    intervals: Vec<Interval>,
    kept: Arc<Kept>,
    /// The learner's metrics with nothing taken in.
    followed: Arc<Vec<Metric>>,
    part: Dataset,
}

/// What does not change any more.
#[derive(Debug, PartialEq)]
struct Kept {
    /// Where each image stands in the part.
    indices: Vec<usize>,
    /// (N, C), row by row.
    logits: Vec<f32>,
    predicted: Vec<u32>,
    targets: Vec<u32>,
    skipped: SkipReport,
    confusion: ConfusionCounts,
    report: ClassReport,
}

impl Evaluation {
    /// Goes once over `part`: `walk` calls back with each batch's output.
    pub(super) fn of(
        split: Split,
        part: &Dataset,
        metrics: &[Metric],
        walk: impl FnOnce(&mut dyn FnMut(&Tensor, &Batch) -> Result<()>) -> Result<Pass>,
    ) -> Result<Evaluation> {
        let classes = part.num_classes();
        let (mut predicted, mut targets) = (Vec::with_capacity(part.len()), Vec::with_capacity(part.len()));
        let mut indices = Vec::with_capacity(part.len());
        let mut kept = Vec::with_capacity(part.len() * classes);
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
            kept.extend(logits.detach().to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?);
            targets.extend(batch.labels.to_vec1::<u32>()?);
            indices.extend(&batch.indices);
            Ok(())
        })?;
        let mut confusion = ConfusionCounts::new(classes);
        confusion.record(&targets, &predicted)?;
        let report = confusion.report(part.class_names())?;
        let followed = Arc::new(metrics.iter().map(Metric::fresh).collect());
        let Pass { loss, metrics, skipped } = pass;
        let kept = Kept { indices, logits: kept, predicted, targets, skipped, confusion, report };
        let (kept, part) = (Arc::new(kept), part.clone());
        Ok(Evaluation { split, loss, metrics, intervals: Vec::new(), kept, followed, part })
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
                hint: "Give the learner the metric before: .metric(accuracy()); or ask for any with \
                       evaluation.score(accuracy())."
                    .into(),
            }
        })
    }

    /// All metrics by name.
    #[must_use]
    pub fn metrics(&self) -> &[(String, f64)] {
        &self.metrics
    }

    /// Any metric of classes over these images, whether the learner follows it or not.
    ///
    /// # Errors
    /// Where the metric has no value: it says which class is missing.
    pub fn score(&self, metric: Metric) -> Result<f64> {
        let mut metric = metric.fresh();
        metric.update(&self.logits()?, &self.labels()?)?;
        metric.value().map_err(|error| self.explained(error))
    }

    /// Where a metric would lie if other images had been drawn: see [`Metric::interval`].
    ///
    /// # Errors
    /// As [`Metric::interval`].
    pub fn interval(&self, metric: Metric, confidence: Confidence) -> Result<Interval> {
        let interval = metric.interval(&self.logits()?, &self.labels()?, confidence);
        interval.map_err(|error| self.explained(error))
    }

    /// The evaluation with an interval for each of the learner's metrics, which its table then shows.
    ///
    /// # Errors
    /// As [`Metric::interval`].
    pub fn with_intervals(mut self, confidence: Confidence) -> Result<Evaluation> {
        let (logits, labels) = (self.logits()?, self.labels()?);
        let intervals = self.followed.iter().map(|metric| metric.interval(&logits, &labels, confidence));
        self.intervals = intervals.collect::<Result<_>>().map_err(|error| self.explained(error))?;
        Ok(self)
    }

    fn explained(&self, error: Error) -> Error {
        in_part(error, self.split, &self.part)
    }

    /// The intervals that [`Evaluation::with_intervals`] found.
    #[must_use]
    pub fn intervals(&self) -> &[Interval] {
        &self.intervals
    }

    /// What the model said: raw logits f32 (N, `num_classes`) on the CPU, in the order of [`Evaluation::indices`].
    ///
    /// # Errors
    /// When candle refuses.
    pub fn logits(&self) -> Result<Tensor> {
        let shape = (self.kept.targets.len(), self.part.num_classes());
        Ok(Tensor::from_slice(&self.kept.logits, shape, &Device::Cpu)?)
    }

    fn labels(&self) -> Result<Tensor> {
        Ok(Tensor::new(self.kept.targets.as_slice(), &Device::Cpu)?)
    }

    /// Where each image stands in the part: all of it in its order, but for those that were skipped.
    #[must_use]
    pub fn indices(&self) -> &[usize] {
        &self.kept.indices
    }

    /// The images that were left out, with [`OnError::Skip`](crate::data::OnError::Skip). Nothing here counts
    /// them.
    #[must_use]
    pub fn skipped(&self) -> &SkipReport {
        &self.kept.skipped
    }

    /// The predicted class of each image, in the order of [`Evaluation::indices`].
    #[must_use]
    pub fn predicted(&self) -> &[u32] {
        &self.kept.predicted
    }

    /// The true class of each image, in the order of [`Evaluation::indices`].
    #[must_use]
    pub fn targets(&self) -> &[u32] {
        &self.kept.targets
    }

    /// The images, by their number in the part, that were predicted wrong.
    #[must_use]
    pub fn mistakes(&self) -> Vec<usize> {
        let classes = self.kept.predicted.iter().zip(&self.kept.targets);
        let wrong =
            self.kept.indices.iter().zip(classes).filter(|(_, (predicted, target))| predicted != target);
        wrong.map(|(&index, _)| index).collect()
    }

    /// Which class was taken for which: a picture. It has a place for each pair of classes, so that of 10,000 classes it
    /// takes 800 MB; [`Evaluation::confusion_counts`] and [`Evaluation::most_confused`] have only the pairs that occur.
    #[must_use]
    pub fn confusion_matrix(&self) -> ConfusionMatrix {
        ConfusionMatrix::of(self.part.class_names().to_vec(), self.kept.confusion.counts())
    }

    /// Which class was taken for which, as numbers.
    #[must_use]
    pub fn confusion_counts(&self) -> &ConfusionCounts {
        &self.kept.confusion
    }

    /// The names of the classes.
    #[must_use]
    pub fn class_names(&self) -> &[String] {
        self.part.class_names()
    }

    /// The `n` pairs of classes of which the first was most often taken for the second, and for how much of it.
    #[must_use]
    pub fn most_confused(&self, n: usize) -> Table {
        let mut table = Table::new(&["true", "predicted", "images", "of the class"]);
        let pairs = self.kept.confusion.pairs().filter(|([target, predicted], _)| target != predicted);
        let mut pairs: Vec<([u32; 2], u64)> = pairs.collect();
        // Pairs of classes in their order where they are as frequent.
        pairs.sort_by_key(|(_, images)| std::cmp::Reverse(*images));
        let classes = self.kept.report.by_class();
        for ([target, predicted], images) in pairs.into_iter().take(n) {
            let (Some((name, tally)), Some((taken_for, _))) =
                (classes.get(target as usize), classes.get(predicted as usize))
            else {
                continue;
            };
            let images_text = count(usize::try_from(images).unwrap_or(usize::MAX));
            let share = percent(images as f64 / tally.support().max(1) as f64);
            table.push(&[name, taken_for, &images_text.as_str(), &share.as_str()]);
        }
        table
    }

    /// Precision, recall and F1 of each class, and their means: a table.
    #[must_use]
    pub fn class_report(&self) -> ClassReport {
        self.kept.report.clone()
    }

    /// The ROC curve of each class against all others: a picture.
    ///
    /// # Errors
    /// Logits that are infinite.
    pub fn roc_curve(&self) -> Result<RankingCurves> {
        roc_curves(&self.logits()?, &self.labels()?, self.part.class_names())
    }

    /// The precision-recall curve of each class against all others: a picture.
    ///
    /// # Errors
    /// Logits that are infinite.
    pub fn precision_recall_curve(&self) -> Result<RankingCurves> {
        precision_recall_curves(&self.logits()?, &self.labels()?, self.part.class_names())
    }

    /// How often the model is right against how sure it is: a picture.
    ///
    /// # Errors
    /// Logits that are infinite.
    pub fn reliability_diagram(&self) -> Result<ReliabilityDiagram> {
        reliability_diagram(&self.logits()?, &self.labels()?, BINS)
    }

    /// The `n` images that the model is most wrong about, with what it said: a picture. They are those with the highest
    /// cross-entropy, which is how improbable their class is to the model, whatever loss it was trained with.
    ///
    /// # Errors
    /// An image that can no longer be read.
    pub fn top_losses(&self, n: usize) -> Result<TopLosses> {
        TopLosses::of(self.split, &self.part, self.judged(), n)
    }

    /// The images that the model gets wrong, the surest first or the least sure, all or those of one class that are taken
    /// for one other: a picture.
    ///
    /// # Errors
    /// A pair of classes that there are not, or of one class; an image that can no longer be read.
    pub fn misclassified(&self, config: MisclassifiedConfig) -> Result<Misclassified> {
        Misclassified::of(self.split, &self.part, self.judged(), config)
    }

    fn judged(&self) -> impl Iterator<Item = JudgedImage> {
        judged(&self.part, &self.kept.indices, &self.kept.logits, &self.kept.targets)
    }
}

/// Everything but the data set and the metrics that were not asked for yet.
impl PartialEq for Evaluation {
    fn eq(&self, other: &Evaluation) -> bool {
        let of = |one: &Evaluation| (one.split, one.loss, one.metrics.clone(), one.intervals.clone());
        of(self) == of(other) && self.kept == other.kept
    }
}

impl Rich for Evaluation {
    fn rich(&self) -> Bundle {
        let level =
            self.intervals.first().map(|interval| format!("in {} of resamples", percent(interval.level)));
        let mut columns = vec![format!("{} part", self.split), String::new()];
        columns.extend(level);
        let mut table = Table::new(&columns.iter().map(String::as_str).collect::<Vec<_>>())
            .row(&["images", &count(self.kept.targets.len())])
            .row(&["wrong", &count(self.mistakes().len())])
            .row(&["loss", &number(self.loss)]);
        if !self.kept.skipped.samples.is_empty() {
            table.push(&["skipped", &count(self.kept.skipped.samples.len())]);
        }
        for (name, value) in &self.metrics {
            let interval = self.intervals.iter().find(|interval| interval.name == *name);
            match interval {
                None => table.push(&[name.as_str(), &number(*value)]),
                Some(interval) => table.push(&[name.as_str(), &number(*value), &interval.range()]),
            }
        }
        Bundle::text(table.text()).html(table.html())
    }
}
