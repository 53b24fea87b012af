use std::time::Instant;

use candle_core::{DType, Tensor};

use super::history::Epoch;
use super::learner::{Learner, check_interrupt};
use super::live::Live;
use super::net::Net;
use crate::data::{Batch, Dataset};
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
    /// Time spent in its steps.
    seconds: f64,
}

impl Partial {
    /// How far training is, in epochs.
    pub(super) fn at(&self) -> f64 {
        (self.epoch - 1) as f64 + self.step as f64 / self.steps as f64
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

    fn value(&self) -> f64 {
        self.sum / self.images as f64
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
                Some(Pass::over(self, &self.data.valid, &place, &mut |_, _| {
                    live.validating();
                    Ok(())
                })?)
            }
        };
        let learning_rate = self.learning_rate();
        // Only now is the epoch over: an error above leaves it to the next call of fit.
        let Some(partial) = self.partial.take() else { return Ok(()) };
        let (valid_loss, valid_metrics) =
            valid.map_or((None, Vec::new()), |valid| (Some(valid.loss), valid.metrics));
        self.history.push(Epoch {
            epoch: partial.epoch,
            train_loss: partial.mean.value(),
            train_metrics: values(&partial.metrics)?,
            valid_loss,
            valid_metrics,
            learning_rate,
            seconds: partial.seconds,
            images_per_second: partial.mean.images as f64 / partial.seconds,
        });
        Ok(())
    }

    fn train_steps(&mut self, live: &mut Live) -> Result<()> {
        self.optimizer_mut()?;
        let batches = self.batches(&self.data.train);
        let Learner { net, data, loss, optimizer: Some(optimizer), history, partial, metrics, .. } = self
        else {
            return Ok(());
        };
        let partial = partial.get_or_insert_with(|| Partial {
            epoch: history.len() + 1,
            step: 0,
            steps: data.train.len().div_ceil(self.batch_size),
            mean: Mean::default(),
            metrics: metrics.iter().map(Metric::fresh).collect(),
            seconds: 0.0,
        });
        if partial.step == partial.steps {
            return Ok(());
        }
        let batches = batches.shuffle(self.seed).epoch(partial.epoch);
        for batch in batches.start_at(partial.step) {
            let step = partial.step + 1;
            let place = || format!("in epoch {}, step {step} of {}", partial.epoch, partial.steps);
            check_interrupt(|| partial.place())?;
            let start = Instant::now();
            let batch = batch?;
            let mode = Mode::Train(self.seed.derive(&format!("epoch {}, step {step}", partial.epoch)));
            let (value, output) = train_step(&**net, loss, optimizer, &batch, mode, &place)?;
            // The parameters have moved: from here on the step counts.
            partial.step = step;
            partial.mean.add(value, batch.len());
            history.push_step(partial.at(), value);
            for metric in &mut partial.metrics {
                metric.update(&output, &batch.labels)?;
            }
            let seconds = start.elapsed().as_secs_f64();
            partial.seconds += seconds;
            live.stepped(history, partial, batch.len(), seconds);
        }
        Ok(())
    }
}

/// Forward, loss, backward, step: what a loop by hand does. Gives the loss and the output.
fn train_step(
    net: &dyn Net,
    loss: &Loss,
    optimizer: &mut Optimizer,
    batch: &Batch,
    mode: Mode,
    place: &dyn Fn() -> String,
) -> Result<(f64, Tensor)> {
    let output = net.forward(&batch.images, mode)?;
    let loss = loss.of(&output, &batch.labels)?;
    let value = finite(&loss, batch, optimizer.learning_rate(), place)?;
    let gradients = backward(&loss)?;
    optimizer.step(&gradients)?;
    Ok((value, output.detach()))
}

/// One walk over a part of the data without training.
pub(super) struct Pass {
    pub(super) loss: f64,
    pub(super) metrics: Vec<(String, f64)>,
}

impl Pass {
    /// Loss and metrics over all of `part`; `seen` gets each batch's output with it.
    pub(super) fn over(
        learner: &Learner,
        part: &Dataset,
        place: &str,
        seen: &mut dyn FnMut(&Tensor, &Batch) -> Result<()>,
    ) -> Result<Pass> {
        let mut mean = Mean::default();
        let mut metrics: Vec<Metric> = learner.metrics.iter().map(Metric::fresh).collect();
        for (at, batch) in learner.batches(part).enumerate() {
            check_interrupt(|| format!("{place}, after batch {at}"))?;
            let place = || format!("{place}, batch {}", at + 1);
            let batch = batch?;
            let output = learner.net.forward(&batch.images, Mode::Eval)?;
            let loss = learner.loss.of(&output, &batch.labels)?;
            mean.add(finite(&loss, &batch, learner.learning_rate(), &place)?, batch.len());
            for metric in &mut metrics {
                metric.update(&output, &batch.labels)?;
            }
            seen(&output, &batch)?;
        }
        Ok(Pass { loss: mean.value(), metrics: values(&metrics)? })
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
