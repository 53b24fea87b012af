use std::time::Instant;

use super::callback::{Callbacks, Control, EpochEnd, StepEnd};
use super::followed::values;
use super::history::{Epoch, History};
use super::learner::{Learner, check_interrupt};
use super::live::Live;
use super::pass::{Mean, Pass};
use crate::Result;
use crate::data::{SkipReport, Split};
use crate::metrics::Metric;
use crate::nn::{Mode, Parameter};

/// An epoch of which some steps are done.
#[derive(Debug)]
pub(super) struct Partial {
    /// From 1.
    pub(super) epoch: usize,
    /// Steps done.
    pub(super) step: usize,
    /// Steps that make the epoch.
    pub(super) steps: usize,
    pub(super) mean: Mean,
    pub(super) metrics: Vec<Metric>,
    /// What each term of a teacher came to, summed over the images, by its name.
    pub(super) terms: Vec<(String, f64)>,
    /// How many images were left out.
    pub(super) skipped: usize,
    /// Time spent in its steps.
    pub(super) seconds: f64,
    /// What the learning rate is multiplied with on a plateau, while its steps are being made: it follows from the complete
    /// epochs, and would be worked out from them anew for each step otherwise.
    pub(super) plateau_scale: Option<f64>,
}

impl Partial {
    /// How far training is, in epochs.
    pub(super) fn at(&self) -> f64 {
        (self.epoch - 1) as f64 + self.step as f64 / self.steps as f64
    }

    /// Takes note of the terms of a step with so many images.
    fn add_terms(&mut self, terms: Vec<(String, f64)>, images: usize) {
        for (name, value) in terms {
            let value = value * images as f64;
            match self.terms.iter_mut().find(|(known, _)| *known == name) {
                Some((_, sum)) => *sum += value,
                None => self.terms.push((name, value)),
            }
        }
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

impl Learner {
    /// Begins an epoch, or goes on with the one that was begun, and brings it to its end.
    pub(super) fn train_epoch(
        &mut self,
        until: usize,
        live: &mut Live,
        callbacks: &mut Callbacks,
    ) -> Result<Control> {
        if let stop @ Control::Stop(_) = self.train_steps(live, callbacks)? {
            return Ok(stop);
        }
        // Validated and kept is what will be used.
        self.exchange_averages(Weights::ForUse)?;
        let outcome = self.end_epoch(until, live, callbacks);
        self.exchange_averages(Weights::OfTraining)?;
        outcome
    }

    fn end_epoch(&mut self, until: usize, live: &mut Live, callbacks: &mut Callbacks) -> Result<Control> {
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
        let Some(partial) = &self.partial else { return Ok(Control::GoOn) };
        let train_loss = partial.mean.value(Split::Train, self.history.skipped(Split::Train))?;
        let mut train_metrics = values(&partial.metrics, Split::Train, &self.data.train)?;
        let images = partial.mean.images() as f64;
        train_metrics.extend(partial.terms.iter().map(|(name, sum)| (name.clone(), sum / images)));
        // Only now is the epoch over: an error above leaves it to the next call of fit.
        let Some(partial) = self.partial.take() else { return Ok(Control::GoOn) };
        let skipped = partial.skipped + valid.as_ref().map_or(0, |valid| valid.skipped.samples.len());
        let (valid_loss, valid_metrics) = valid.map_or((None, Vec::new()), |valid| {
            self.history.skip(Split::Valid, valid.skipped.samples);
            (Some(valid.loss), valid.metrics)
        });
        let epoch = Epoch {
            epoch: partial.epoch,
            train_loss,
            train_metrics,
            valid_loss,
            valid_metrics,
            learning_rate,
            mixed: !self.batch_transforms.is_empty(),
            skipped,
            seconds: partial.seconds,
            images_per_second: partial.mean.images() as f64 / partial.seconds,
        };
        self.history.push(epoch.clone());
        let end = EpochEnd { learner: self, epoch: &epoch, until };
        callbacks.ask(|callback| callback.on_epoch_end(&end))
    }

    fn train_steps(&mut self, live: &mut Live, callbacks: &mut Callbacks) -> Result<Control> {
        let epoch = self.history.len() + 1;
        let batches = self.train_batches(epoch);
        let plateau_scale = self.plateau_scale()?;
        // A mixed image has no class that a metric could count as right.
        let followed = if self.batch_transforms.is_empty() { self.metrics.as_slice() } else { &[] };
        let partial = self.partial.get_or_insert_with(|| Partial {
            epoch,
            step: 0,
            steps: batches.len(),
            mean: Mean::default(),
            metrics: followed.iter().map(Metric::fresh).collect(),
            terms: Vec::new(),
            skipped: 0,
            seconds: 0.0,
            plateau_scale: None,
        });
        partial.plateau_scale = plateau_scale;
        let steps = partial.steps;
        if partial.step == steps {
            return Ok(Control::GoOn);
        }
        let mut batches = batches.start_at(partial.step);
        let mut reported = 0;
        let mut control = Control::GoOn;
        // What a batch has to be waited for is training time, too; callbacks are not.
        let mut start = Instant::now();
        while let Some(batch) = batches.next() {
            let Some(partial) = &self.partial else { break };
            // Where nothing of a batch could be read, it does not come, and its place is counted.
            let step = steps.saturating_sub(batches.len());
            check_interrupt(|| partial.place())?;
            let batch = batch?;
            let mode = Mode::Train(self.seed.derive(&format!("epoch {epoch}, step {step}")));
            let place = || format!("in epoch {epoch}, step {step} of {steps}");
            let gradients = callbacks.gradients_of(self.history.num_steps() + 1);
            let done = self.step(&batch, mode, step == steps, gradients, &place)?;
            let Learner { partial: Some(partial), history, .. } = self else { break };
            // The parameters have moved: from here on the step counts.
            partial.step = step;
            partial.skip(history, batches.skipped(), &mut reported);
            partial.mean.add(done.loss, batch.len());
            partial.add_terms(done.terms, batch.len());
            history.push_step(partial.at(), done.loss, done.learning_rate);
            for metric in &mut partial.metrics {
                metric.update(&done.output, &batch.labels)?;
            }
            let seconds = start.elapsed().as_secs_f64();
            partial.seconds += seconds;
            live.stepped(history, partial, batch.len(), seconds);
            if !callbacks.0.is_empty() {
                let end = StepEnd {
                    epoch,
                    step,
                    steps,
                    total_steps: self.history.num_steps(),
                    updated: done.updated,
                    loss: done.loss,
                    learning_rate: done.learning_rate,
                    gradient_norm: done.gradient_norm,
                    gradients: done.gradients.as_ref(),
                    learner: self,
                };
                control = callbacks.ask(|callback| callback.on_step_end(&end))?;
                if control != Control::GoOn {
                    break;
                }
            }
            start = Instant::now();
        }
        let Learner { partial: Some(partial), history, .. } = self else { return Ok(control) };
        partial.skip(history, batches.skipped(), &mut reported);
        if control == Control::GoOn {
            partial.step = steps;
            self.last_update()?;
        }
        Ok(control)
    }

    /// Brings the weights into the model that are wanted there, if averages are followed.
    pub(super) fn exchange_averages(&mut self, wanted: Weights) -> Result<()> {
        let averaged = self.averaged();
        match &mut self.ema {
            Some(ema) if ema.is_swapped() != (wanted == Weights::ForUse) => ema.swap(&averaged),
            _ => Ok(()),
        }
    }

    /// What an average of the weights is made of: what the optimizer moves, and the statistics that belong to it.
    pub(super) fn averaged(&self) -> Vec<Parameter> {
        let mut all = self.net.parameters();
        all.extend(self.net.buffers());
        all
    }
}

/// Which weights the model has, where averages of them are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weights {
    /// Those that the optimizer moves.
    OfTraining,
    /// The averages.
    ForUse,
}
