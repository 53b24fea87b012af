use candle_core::Tensor;

use super::diagnosis::{finite, memory_in_words};
use super::followed::values;
use super::learner::{Learner, check_interrupt};
use crate::data::{Batch, SkipReport, Split};
use crate::metrics::Metric;
use crate::{Error, Result};

/// The mean loss of an image, whatever the batches' sizes.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Mean {
    pub(super) sum: f64,
    pub(super) images: usize,
}

impl Mean {
    pub(super) fn images(&self) -> usize {
        self.images
    }

    pub(super) fn add(&mut self, loss: f64, images: usize) {
        self.sum += loss * images as f64;
        self.images += images;
    }

    /// An error where there was no image, `part` says of what.
    pub(super) fn value(&self, part: Split, skipped: &SkipReport) -> Result<f64> {
        if self.images > 0 {
            return Ok(self.sum / self.images as f64);
        }
        let why = skipped.samples.first().map_or_else(String::new, |first| format!(": {}", first.error));
        Err(Error::Argument {
            op: "Learner".into(),
            expected: format!("an image of the {part} part that can be read"),
            got: format!("{} that were skipped{why}", skipped.samples.len()),
            hint:
                "The scan of a data set says what is wrong with each: data.train.scan(ScanConfig::default())."
                    .into(),
        })
    }
}

/// One walk over a part of the data without training.
pub(super) struct Pass {
    pub(super) loss: f64,
    pub(super) metrics: Vec<(String, f64)>,
    pub(super) skipped: SkipReport,
}

impl Pass {
    /// One batch as after an epoch, before the first step: loss, metrics and shapes that do not fit are known before hours
    /// of training.
    pub(super) fn try_out(learner: &Learner) -> Result<()> {
        let split = if learner.data.valid.is_empty() { Split::Train } else { Split::Valid };
        let part = learner.data.part(split);
        let first: Vec<usize> = (0..learner.batch_size.min(part.len())).collect();
        for batch in learner.batches(&part.subset(&first)?) {
            let batch = batch?;
            let place = || format!("in a first look at the {split} part, before training");
            check_interrupt(place)?;
            let output = learner.output(&batch.images);
            let output =
                output.map_err(|error| memory_in_words(error, batch.len(), learner.accumulate, &place))?;
            learner.try_teacher(&batch.images, &output)?;
            let loss = learner.loss.of(&output, &batch.labels)?;
            finite(learner, &loss, &batch, &place)?;
            for metric in &learner.metrics {
                metric.fresh().update(&output, &batch.labels)?;
            }
        }
        Ok(())
    }

    /// Loss and metrics over all of `part`; `seen` gets each batch's output with it.
    pub(super) fn over(
        learner: &Learner,
        part: Split,
        place: &str,
        seen: &mut dyn FnMut(&Tensor, &Batch) -> Result<()>,
    ) -> Result<Pass> {
        let mut mean = Mean::default();
        let mut metrics: Vec<Metric> = learner.metrics.iter().map(Metric::fresh).collect();
        let mut batches = learner.batches(learner.data.part(part));
        let all = batches.len();
        while let Some(batch) = batches.next() {
            let at = all - batches.len();
            check_interrupt(|| format!("{place}, after batch {}", at - 1))?;
            let place = || format!("{place}, batch {at}");
            let batch = batch?;
            let output = learner.output(&batch.images);
            let output =
                output.map_err(|error| memory_in_words(error, batch.len(), learner.accumulate, &place))?;
            let loss = learner.loss.of(&output, &batch.labels)?;
            mean.add(finite(learner, &loss, &batch, &place)?, batch.len());
            for metric in &mut metrics {
                metric.update(&output, &batch.labels)?;
            }
            seen(&output, &batch)?;
        }
        let skipped = batches.skipped().clone();
        Ok(Pass {
            loss: mean.value(part, &skipped)?,
            metrics: values(&metrics, part, learner.data.part(part))?,
            skipped,
        })
    }
}
