use candle_core::backprop::GradStore;

use super::history::{Epoch, History};
use super::learner::Learner;
use super::step::Gradients;
use crate::Result;

/// What is to happen beside training: after each step, after each epoch, at the beginning and at the end of a fit. Everything has a
/// default that does nothing, so write what you need:
///
/// ```
/// use sconce::prelude::*;
/// use sconce::train::{Callback, Control, EpochEnd};
///
/// struct StopAt {
///     accuracy: f64,
/// }
///
/// impl Callback for StopAt {
///     fn on_epoch_end(&mut self, end: &EpochEnd) -> Result<Control> {
///         let reached = end.epoch.valid_metrics.iter().any(|(name, value)| name == "accuracy" && *value >= self.accuracy);
///         Ok(if reached { Control::Stop("good enough".into()) } else { Control::GoOn })
///     }
/// }
/// # fn main() -> sconce::Result<()> {
/// # let data = datasets::digits()?.split([0.7, 0.15, 0.15], Seed(42))?;
/// # let net = Model::build([1, 8, 8], |x| x.flatten().linear(32).relu().linear(10))?.init(Seed(42), &Device::Cpu)?;
/// let mut learner = Learner::new(net, data).metric(accuracy()).callback(StopAt { accuracy: 0.8 });
/// let history = learner.fit(50)?;
/// assert!(history.len() < 50);
/// # Ok(()) }
/// ```
///
/// Callbacks are called in the order they were given, all of them, also after one has asked for a stop. An error ends the fit, which
/// can be gone on with.
pub trait Callback: Send {
    /// Before the first step of a fit.
    ///
    /// # Errors
    /// Whatever is wrong; no step is made then.
    fn on_fit_begin(&mut self, _begin: &FitBegin) -> Result<()> {
        Ok(())
    }

    /// Whether [`StepEnd::gradients`] of the step with this number, [`StepEnd::total_steps`], is to be there. Gradients are
    /// freed before callbacks are called where none of them needs them.
    fn needs_gradients(&self, _total_steps: usize) -> bool {
        false
    }

    /// After the training step of a batch.
    ///
    /// # Errors
    /// Whatever is wrong; the fit ends after the step.
    fn on_step_end(&mut self, _end: &StepEnd) -> Result<Control> {
        Ok(Control::GoOn)
    }

    /// After an epoch and its validation.
    ///
    /// # Errors
    /// Whatever is wrong; the fit ends after the epoch.
    fn on_epoch_end(&mut self, _end: &EpochEnd) -> Result<Control> {
        Ok(Control::GoOn)
    }

    /// After the last step of a fit, however it came to its end.
    ///
    /// # Errors
    /// Whatever is wrong.
    fn on_fit_end(&mut self, _end: &FitEnd) -> Result<()> {
        Ok(())
    }
}

/// Whether a fit goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Control {
    /// It does.
    GoOn,
    /// It ends here, for this reason.
    Stop(String),
}

/// A fit is about to begin, or to go on.
#[derive(Debug)]
#[non_exhaustive]
pub struct FitBegin<'a> {
    /// Who trains.
    pub learner: &'a Learner,
    /// How many epochs were complete when the fit began; fewer than now if it goes on after an interrupt.
    pub from: usize,
    /// How many epochs there will be in all.
    pub until: usize,
}

/// A training step has been made.
#[derive(Debug)]
#[non_exhaustive]
pub struct StepEnd<'a> {
    /// Who trains.
    pub learner: &'a Learner,
    /// The epoch, from 1.
    pub epoch: usize,
    /// The batch in it, from 1.
    pub step: usize,
    /// Batches that make the epoch.
    pub steps: usize,
    /// Batches of all epochs so far.
    pub total_steps: usize,
    /// Whether the optimizer has moved: always, unless gradients of several batches are accumulated.
    pub updated: bool,
    /// The loss of the batch.
    pub loss: f64,
    /// The learning rate that the optimizer has moved with.
    pub learning_rate: f64,
    /// The norm of all gradients before clipping, where the learner clips by norm and the optimizer has moved.
    pub gradient_norm: Option<f64>,
    /// The gradients that the optimizer has moved with, after clipping; those of several batches together where they are
    /// accumulated. There where the optimizer has moved and a callback [needs them](Callback::needs_gradients).
    pub gradients: Option<&'a GradStore>,
}

/// An epoch is over.
#[derive(Debug)]
#[non_exhaustive]
pub struct EpochEnd<'a> {
    /// Who trains.
    pub learner: &'a Learner,
    /// What it brought.
    pub epoch: &'a Epoch,
    /// How many epochs there will be in all.
    pub until: usize,
}

/// A fit has come to its end.
#[derive(Debug)]
#[non_exhaustive]
pub struct FitEnd<'a> {
    /// Who has trained.
    pub learner: &'a Learner,
    /// Everything that happened so far.
    pub history: &'a History,
    /// Why it ended.
    pub ending: &'a Ending,
}

/// Why a fit ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// All of its epochs are over.
    Complete,
    /// A callback has asked for it, for this reason.
    Stopped(String),
    /// The user has asked for it.
    Interrupted,
    /// An error, in its words.
    Failed(String),
}

/// All callbacks of a learner, which is lent to them.
#[derive(Default)]
pub(super) struct Callbacks(pub(super) Vec<Box<dyn Callback>>);

impl Callbacks {
    /// Whether some callback needs the gradients of the step with this number.
    pub(super) fn gradients_of(&self, total_steps: usize) -> Gradients {
        match self.0.iter().any(|callback| callback.needs_gradients(total_steps)) {
            true => Gradients::Keep,
            false => Gradients::Free,
        }
    }

    /// Asks all of them; the first reason to stop counts, and the first error.
    pub(super) fn ask(
        &mut self,
        mut call: impl FnMut(&mut dyn Callback) -> Result<Control>,
    ) -> Result<Control> {
        let mut answer = Ok(Control::GoOn);
        for callback in &mut self.0 {
            let own = call(&mut **callback);
            match (&answer, &own) {
                (Ok(Control::GoOn), _) | (Ok(_), Err(_)) => answer = own,
                _ => {}
            }
        }
        answer
    }

    /// Tells all of them; the first error counts.
    pub(super) fn tell(&mut self, mut call: impl FnMut(&mut dyn Callback) -> Result<()>) -> Result<()> {
        self.ask(|callback| call(callback).map(|()| Control::GoOn)).map(|_| ())
    }
}
