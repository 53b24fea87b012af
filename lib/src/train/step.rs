use candle_core::Tensor;
use candle_core::backprop::GradStore;

use super::diagnosis::{finite, memory_in_words};
use super::learner::Learner;
use super::plan::Pace;
use super::settings::Clipping;
use super::teacher::Objective;
use crate::data::Batch;
use crate::losses::Loss;
use crate::nn::{Mode, backward};
use crate::optim::{Accumulation, Ema, clip_grad_norm, clip_grad_value};
use crate::{Error, Result};

/// What a batch has brought.
pub(super) struct Done {
    /// Of the labels.
    pub(super) loss: f64,
    /// Of each term of a teacher, by its name.
    pub(super) terms: Vec<(String, f64)>,
    /// The main output.
    pub(super) output: Tensor,
    pub(super) learning_rate: f64,
    /// Whether the optimizer has moved.
    pub(super) updated: bool,
    pub(super) gradient_norm: Option<f64>,
    /// Those that the optimizer has moved with, if they were to be kept.
    pub(super) gradients: Option<GradStore>,
}

/// Whether the gradients of a step are needed after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gradients {
    Keep,
    Free,
}

impl Learner {
    /// Forward, loss, backward, step: what a loop by hand does. `last` is whether no batch comes behind it in the epoch.
    pub(super) fn step(
        &mut self,
        batch: &Batch,
        mode: Mode,
        last: bool,
        gradients: Gradients,
        place: &dyn Fn() -> String,
    ) -> Result<Done> {
        let size = batch.len();
        let accumulate = self.accumulate;
        let outcome = self.step_of(batch, mode, last, place).map(|mut done| {
            done.gradients = done.gradients.filter(|_| gradients == Gradients::Keep);
            done
        });
        outcome.map_err(|error| memory_in_words(error, size, accumulate, place))
    }

    fn step_of(&mut self, batch: &Batch, mode: Mode, last: bool, place: &dyn Fn() -> String) -> Result<Done> {
        let Objective { total, labels, terms, output } = self.objective(batch, mode)?;
        let value = finite(self, &labels, batch, place)?;
        let gradients = backward(&total)?;
        let mut gradients = if self.accumulate > 1 {
            let parameters = if self.accumulation.is_none() { self.trained() } else { Vec::new() };
            let sum = self.accumulation.get_or_insert_with(|| Accumulation::new(&parameters));
            sum.add(gradients, batch.len())?;
            if sum.passes() < self.accumulate && !last {
                // What the next step is going to be made with.
                let learning_rate = self.pace()?.learning_rate.unwrap_or(self.learning_rate());
                let gradients = None;
                return Ok(Done {
                    loss: value,
                    terms,
                    output,
                    learning_rate,
                    updated: false,
                    gradient_norm: None,
                    gradients,
                });
            }
            sum.take()?
        } else {
            gradients
        };
        let gradient_norm = self.update(&mut gradients).map_err(|error| placed(error, place))?;
        let (learning_rate, gradients) = (self.learning_rate(), Some(gradients));
        Ok(Done { loss: value, terms, output, learning_rate, updated: true, gradient_norm, gradients })
    }

    /// Makes a step with gradients that still wait for others, where the last batches of an epoch could not be read.
    pub(super) fn last_update(&mut self) -> Result<()> {
        if let Some(sum) = self.accumulation.as_mut().filter(|sum| sum.passes() > 0) {
            let mut gradients = sum.take()?;
            self.update(&mut gradients)?;
        }
        Ok(())
    }

    /// Moves the parameters; gives the norm of the gradients if it was asked for.
    pub(super) fn update(&mut self, gradients: &mut GradStore) -> Result<Option<f64>> {
        let Pace { learning_rate, momentum } = self.pace()?;
        let (clipping, decay) = (self.clipping, self.ema_decay);
        let parameters = if clipping.is_some() { self.trained() } else { Vec::new() };
        let mut norm = None;
        match clipping {
            None => {}
            Some(Clipping::Norm(max)) => norm = Some(clip_grad_norm(gradients, &parameters, max)?),
            Some(Clipping::Value(max)) => clip_grad_value(gradients, &parameters, max)?,
        }
        if let (Some(decay), None) = (decay, &self.ema) {
            self.ema = Some(Ema::new(&self.averaged(), decay)?.warmup());
        }
        let optimizer = self.optimizer_mut()?;
        if let Some(rate) = learning_rate {
            optimizer.set_learning_rate(rate)?;
        }
        // Not every optimizer has a momentum that could go through a cycle.
        if let Some(momentum) = momentum.filter(|_| optimizer.momentum().is_some()) {
            optimizer.set_momentum(momentum)?;
        }
        optimizer.step(gradients)?;
        self.updates += 1;
        let averaged = if self.ema.is_some() { self.averaged() } else { Vec::new() };
        if let Some(ema) = &mut self.ema {
            ema.update(&averaged)?;
        }
        Ok(norm)
    }
}

/// An error of a step with the place where it was made.
fn placed(error: Error, place: &dyn Fn() -> String) -> Error {
    match error {
        Error::Argument { op, expected, got, hint } => {
            Error::Argument { op, expected, got: format!("{got}, {}", place()), hint }
        }
        other => other,
    }
}

/// What a step goes downhill on.
pub(super) struct Goal<'a> {
    pub(super) loss: &'a Loss,
    /// How much the loss of an auxiliary head counts.
    pub(super) auxiliary_weight: f64,
}

impl Goal<'_> {
    /// The loss of the main output, to which those of auxiliary heads are added.
    pub(super) fn of(&self, outputs: &[Tensor], targets: &Tensor) -> Result<Tensor> {
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

pub(super) fn no_output() -> Error {
    Error::Argument {
        op: "Net::forward_training".into(),
        expected: "the model's output, and auxiliary ones behind it".into(),
        got: "no output".into(),
        hint: "Leave the method out of your Net if there are no auxiliary heads.".into(),
    }
}
