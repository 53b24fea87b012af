use std::time::Instant;

use candle_core::{DType, Tensor};

use super::history::{Epoch, History};
use super::learner::{Learner, check_interrupt};
use super::live::Live;
use super::net::Net;
use crate::data::{Batch, SkipReport, Split};
use crate::losses::Loss;
use crate::metrics::Metric;
use crate::nn::{Mode, backward};
use crate::optim::Optimizer;
use crate::{Error, Result};

/// An epoch of which some steps are done.
#[derive(Debug)]
pub(super) struct Partial {
    /// From 1.
    pub(super) epoch: usize,
    /// Steps done.
    pub(super) step: usize,
    /// Steps that make the epoch.
    pub(super) steps: usize,
    mean: Mean,
    metrics: Vec<Metric>,
    /// How many images were left out.
    skipped: usize,
    /// Time spent in its steps.
    seconds: f64,
}

impl Partial {
    /// How far training is, in epochs.
    pub(super) fn at(&self) -> f64 {
        (self.epoch - 1) as f64 + self.step as f64 / self.steps as f64
    }

    /// Takes note of what a walk has skipped beyond the first `reported`.
    fn skip(&mut self, history: &mut History, report: &SkipReport, reported: &mut usize) {
        let new = report.samples.get(*reported..).unwrap_or_default();
        self.skipped += new.len();
        *reported += new.len();
        history.skip(Split::Train, new.to_vec());
    }

    /// Between which steps it stands, in words.
    pub(super) fn place(&self) -> String {
        format!("in epoch {}, after step {} of {}", self.epoch, self.step, self.steps)
    }
}

/// The mean loss of an image, whatever the batches' sizes.
#[derive(Debug, Default)]
struct Mean {
    sum: f64,
    images: usize,
}

impl Mean {
    fn add(&mut self, loss: f64, images: usize) {
        self.sum += loss * images as f64;
        self.images += images;
    }

    /// An error where there was no image, `part` says of what.
    fn value(&self, part: Split, skipped: &SkipReport) -> Result<f64> {
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

impl Learner {
    /// Begins an epoch, or goes on with the one that was begun, and brings it to its end.
    pub(super) fn train_epoch(&mut self, live: &mut Live) -> Result<()> {
        self.train_steps(live)?;
        let valid = match self.data.valid.is_empty() {
            true => None,
            false => {
                let place = format!("in the validation of epoch {}", self.history.len() + 1);
                Some(Pass::over(self, Split::Valid, &place, &mut |_, _| {
                    live.validating();
                    Ok(())
                })?)
            }
        };
        let learning_rate = self.learning_rate();
        let Some(partial) = &self.partial else { return Ok(()) };
        let train_loss = partial.mean.value(Split::Train, self.history.skipped(Split::Train))?;
        let train_metrics = values(&partial.metrics)?;
        // Only now is the epoch over: an error above leaves it to the next call of fit.
        let Some(partial) = self.partial.take() else { return Ok(()) };
        let skipped = partial.skipped + valid.as_ref().map_or(0, |valid| valid.skipped.samples.len());
        let (valid_loss, valid_metrics) = valid.map_or((None, Vec::new()), |valid| {
            self.history.skip(Split::Valid, valid.skipped.samples);
            (Some(valid.loss), valid.metrics)
        });
        self.history.push(Epoch {
            epoch: partial.epoch,
            train_loss,
            train_metrics,
            valid_loss,
            valid_metrics,
            learning_rate,
            skipped,
            seconds: partial.seconds,
            images_per_second: partial.mean.images as f64 / partial.seconds,
        });
        Ok(())
    }

    fn train_steps(&mut self, live: &mut Live) -> Result<()> {
        self.optimizer_mut()?;
        let epoch = self.history.len() + 1;
        let mut batches = self.train_batches(epoch);
        let Learner { net, loss, optimizer: Some(optimizer), history, partial, metrics, .. } = self else {
            return Ok(());
        };
        let goal = Goal { loss, auxiliary_weight: self.auxiliary_weight };
        // A mixed image has no class that a metric could count as right.
        let followed = if self.batch_transforms.is_empty() { metrics.as_slice() } else { &[] };
        let partial = partial.get_or_insert_with(|| Partial {
            epoch,
            step: 0,
            steps: batches.len(),
            mean: Mean::default(),
            metrics: followed.iter().map(Metric::fresh).collect(),
            skipped: 0,
            seconds: 0.0,
        });
        if partial.step == partial.steps {
            return Ok(());
        }
        batches = batches.start_at(partial.step);
        let mut reported = 0;
        while let Some(batch) = batches.next() {
            // Where nothing of a batch could be read, it does not come, and its place is counted.
            let step = partial.steps - batches.len();
            let place = || format!("in epoch {epoch}, step {step} of {}", partial.steps);
            check_interrupt(|| partial.place())?;
            let start = Instant::now();
            let batch = batch?;
            let mode = Mode::Train(self.seed.derive(&format!("epoch {epoch}, step {step}")));
            let learning_rate = optimizer.learning_rate();
            let (value, output) = train_step(&**net, &goal, optimizer, &batch, mode, &place)?;
            // The parameters have moved: from here on the step counts.
            partial.step = step;
            partial.skip(history, batches.skipped(), &mut reported);
            partial.mean.add(value, batch.len());
            history.push_step(partial.at(), value, learning_rate);
            for metric in &mut partial.metrics {
                metric.update(&output, &batch.labels)?;
            }
            let seconds = start.elapsed().as_secs_f64();
            partial.seconds += seconds;
            live.stepped(history, partial, batch.len(), seconds);
        }
        partial.skip(history, batches.skipped(), &mut reported);
        partial.step = partial.steps;
        Ok(())
    }
}

/// What a step goes downhill on.
struct Goal<'a> {
    loss: &'a Loss,
    /// How much the loss of an auxiliary head counts.
    auxiliary_weight: f64,
}

impl Goal<'_> {
    /// The loss of the main output, to which those of auxiliary heads are added.
    fn of(&self, outputs: &[Tensor], targets: &Tensor) -> Result<Tensor> {
        let mut losses = outputs.iter().map(|output| self.loss.of(output, targets));
        let mut sum = losses.next().unwrap_or_else(|| Err(no_output()))?;
        // A tensor: by a number of 0 candle would not go back at all, and leave the heads without gradients.
        let weight = (sum.ones_like()? * self.auxiliary_weight)?.detach();
        for auxiliary in losses {
            sum = (sum + (auxiliary? * &weight)?)?;
        }
        Ok(sum)
    }
}

fn no_output() -> Error {
    Error::Argument {
        op: "Net::forward_training".into(),
        expected: "the model's output, and auxiliary ones behind it".into(),
        got: "no output".into(),
        hint: "Leave the method out of your Net if there are no auxiliary heads.".into(),
    }
}

/// Forward, loss, backward, step: what a loop by hand does. Gives the loss and the main output.
fn train_step(
    net: &dyn Net,
    goal: &Goal,
    optimizer: &mut Optimizer,
    batch: &Batch,
    mode: Mode,
    place: &dyn Fn() -> String,
) -> Result<(f64, Tensor)> {
    let outputs = net.forward_training(&batch.images, mode)?;
    let loss = goal.of(&outputs, batch.classes())?;
    let value = finite(&loss, batch, optimizer.learning_rate(), place)?;
    let gradients = backward(&loss)?;
    optimizer.step(&gradients)?;
    let output = outputs.first().ok_or_else(no_output)?;
    Ok((value, output.detach()))
}

/// One walk over a part of the data without training.
pub(super) struct Pass {
    pub(super) loss: f64,
    pub(super) metrics: Vec<(String, f64)>,
    pub(super) skipped: SkipReport,
}

impl Pass {
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
            let output = learner.net.forward(&batch.images, Mode::Eval)?;
            let loss = learner.loss.of(&output, &batch.labels)?;
            mean.add(finite(&loss, &batch, learner.learning_rate(), &place)?, batch.len());
            for metric in &mut metrics {
                metric.update(&output, &batch.labels)?;
            }
            seen(&output, &batch)?;
        }
        let skipped = batches.skipped().clone();
        Ok(Pass { loss: mean.value(part, &skipped)?, metrics: values(&metrics)?, skipped })
    }
}

fn values(metrics: &[Metric]) -> Result<Vec<(String, f64)>> {
    metrics.iter().map(|metric| Ok((metric.name().to_owned(), metric.value()?))).collect()
}

/// The loss as a number; an error that says what one that is no number may come from.
fn finite(loss: &Tensor, batch: &Batch, lr: f64, place: &dyn Fn() -> String) -> Result<f64> {
    let value: f64 = loss.to_dtype(DType::F64)?.to_scalar()?;
    if value.is_finite() {
        return Ok(value);
    }
    let got = if value.is_nan() { "NaN" } else { "infinity" };
    let culprits = images_not_finite(batch)?;
    let hint = if culprits.is_empty() {
        format!(
            "The images of this batch are finite, so the weights have grown too large: build the model anew \
             and train it with a lower learning rate than {lr}, e.g. {}.",
            lr / 10.0
        )
    } else {
        format!("Images {culprits:?} of this part hold NaN or infinity themselves: mend or drop them.")
    };
    Err(Error::Argument {
        op: "Learner".into(),
        expected: "a finite loss".into(),
        got: format!("{got} {}", place()),
        hint,
    })
}

/// The numbers of the batch's images, in their dataset, with a value that is no finite number.
fn images_not_finite(batch: &Batch) -> Result<Vec<usize>> {
    let mut culprits = Vec::new();
    for (at, &index) in batch.indices.iter().enumerate() {
        let values = batch.images.get(at)?.flatten_all()?.to_dtype(DType::F32)?.to_vec1::<f32>()?;
        if values.iter().any(|value| !value.is_finite()) {
            culprits.push(index);
        }
    }
    Ok(culprits)
}
