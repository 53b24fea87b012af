use std::mem;

use super::callback::{Callbacks, Control, Ending, FitBegin, FitEnd};
use super::epoch::Weights;
use super::history::History;
use super::learner::Learner;
use super::live::Live;
use super::pass::Pass;
use super::plan::Cycle;
use crate::optim::OneCycleConfig;
use crate::{Error, Result};

impl Learner {
    /// Trains `epochs` more epochs over the training part, and measures on the validation part after each.
    /// While it runs, a bar and the curves move in the notebook, a line in a terminal; the history so far
    /// comes back.
    ///
    /// Before the very first step one batch is measured as after an epoch, so that what is wrong there is known at once.
    ///
    /// An interrupt stops it between two steps. `fit` then goes on in the middle of that epoch, which
    /// counts as the first of the new `epochs`, under the schedule that was begun; [`Learner::resume`] goes on to where the
    /// interrupted fit would have ended.
    ///
    /// # Errors
    /// [`Error::Interrupted`]; a loss that is NaN or infinite, with the epoch, the step, the layer and what to try; want of
    /// memory; an epoch of which every image was skipped; a class of the other parts that the training part has none of;
    /// whatever model, loss, data, schedule or callbacks refuse. The learner stays usable, with all steps that were finished.
    pub fn fit(&mut self, epochs: usize) -> Result<History> {
        let until = self.history.len().saturating_add(epochs);
        if self.plan.is_none() {
            self.check_settings()?;
            self.plan = Some(self.new_plan(epochs, None));
        }
        self.fit_until(until)
    }

    /// As [`Learner::fit`], with a learning rate that rises to `peak` and falls to almost nothing within these epochs while
    /// momentum falls and rises: the one-cycle policy (Smith and Topin 2018), with the shape of [`OneCycleConfig`]. It
    /// takes the place of the learner's schedule for this fit. [`Learner::lr_find`] looks for a good peak.
    ///
    /// # Errors
    /// As for [`Learner::fit`]; a rate that is not above 0.
    pub fn fit_one_cycle(&mut self, epochs: usize, peak: f64) -> Result<History> {
        let OneCycleConfig { rise, start_divisor, .. } = OneCycleConfig::default();
        if !(peak.is_finite() && peak > 0.0) {
            return Err(Error::Argument {
                op: "Learner::fit_one_cycle".into(),
                expected: "a highest learning rate above 0, and finite".into(),
                got: peak.to_string(),
                hint: "learner.lr_find() suggests one.".into(),
            });
        }
        self.check_settings()?;
        self.end_plan()?;
        self.plan = Some(self.new_plan(epochs, Some(Cycle { peak, rise, start_divisor })));
        self.fit_until(self.history.len().saturating_add(epochs))
    }

    /// Goes on with a fit that was interrupted, that an error has ended, or that a checkpoint was made of, to where it would have
    /// ended.
    ///
    /// # Errors
    /// As for [`Learner::fit`]; if there is no such fit.
    pub fn resume(&mut self) -> Result<History> {
        match &self.plan {
            Some(plan) => self.fit_until(plan.until),
            None => Err(Error::Argument {
                op: "Learner::resume".into(),
                expected: "a fit that was not brought to its end".into(),
                got: format!("a learner with {} complete epochs and nothing under way", self.history.len()),
                hint: "Call fit(epochs) to train more.".into(),
            }),
        }
    }

    /// Why the last fit ended; `None` before the first.
    #[must_use]
    pub fn ending(&self) -> Option<&Ending> {
        self.ending.as_ref()
    }

    pub(super) fn fit_until(&mut self, until: usize) -> Result<History> {
        let steps = self.history.num_steps();
        let outcome = self.fit_planned(until);
        let planned = self.plan.as_ref().is_some_and(|plan| {
            plan.updates_before == self.updates && self.history.num_steps() == steps && plan.from < plan.until
        });
        if planned && matches!(&outcome, Err(error) if !matches!(error, Error::Interrupted { .. })) {
            // Nothing has been begun that could be gone on with.
            self.end_plan()?;
        }
        outcome
    }

    fn fit_planned(&mut self, until: usize) -> Result<History> {
        self.check_settings()?;
        self.pace()?;
        self.optimizer_mut()?;
        self.check_parameters()?;
        if self.history.num_steps() == 0 && until > 0 {
            Pass::try_out(self)?;
        }
        self.keep_answers()?;
        let mut callbacks = mem::take(&mut self.callbacks);
        let mut live = Live::start(&self.history, self.partial.as_ref(), until);
        let from = self.plan.as_ref().map_or(self.history.len(), |plan| plan.from);
        let begun =
            callbacks.tell(|callback| callback.on_fit_begin(&FitBegin { learner: self, from, until }));
        let outcome = begun.and_then(|()| self.run(until, &mut live, &mut callbacks));
        let outcome = self.exchange_averages(Weights::ForUse).and(outcome);
        let ending = match &outcome {
            Ok(Control::GoOn) => Ending::Complete,
            Ok(Control::Stop(reason)) => Ending::Stopped(reason.clone()),
            Err(Error::Interrupted { .. }) => Ending::Interrupted,
            Err(error) => Ending::Failed(error.to_string()),
        };
        live.finish(&self.history, self.partial.as_ref(), &outcome);
        let end = FitEnd { learner: self, history: &self.history, ending: &ending };
        let told = callbacks.tell(|callback| callback.on_fit_end(&end));
        let stopped = matches!(ending, Ending::Stopped(_));
        (self.callbacks, self.ending) = (callbacks, Some(ending));
        let settled = if stopped || self.is_plan_done() { self.end_plan() } else { Ok(()) };
        outcome?;
        settled.and(told)?;
        Ok(self.history.clone())
    }

    fn run(&mut self, until: usize, live: &mut Live, callbacks: &mut Callbacks) -> Result<Control> {
        self.exchange_averages(Weights::OfTraining)?;
        while self.history.len() < until {
            if self.is_plan_done() {
                // What goes on behind the end of a fit that had been interrupted is a fit of its own.
                self.exchange_averages(Weights::ForUse)?;
                self.end_plan()?;
                self.exchange_averages(Weights::OfTraining)?;
                self.plan = Some(self.new_plan(until - self.history.len(), None));
            }
            if let stop @ Control::Stop(_) = self.train_epoch(until, live, callbacks)? {
                return Ok(stop);
            }
        }
        Ok(Control::GoOn)
    }

    pub(super) fn is_plan_done(&self) -> bool {
        self.plan.as_ref().is_some_and(|plan| plan.until <= self.history.len())
    }

    /// An error if the optimizer or the averages are of other parameters than those that are to be trained.
    fn check_parameters(&self) -> Result<()> {
        let names = |parameters: Vec<crate::nn::Parameter>| -> Vec<String> {
            parameters.into_iter().map(|parameter| parameter.name).collect()
        };
        let (trained, followed) = (names(self.trained()), names(self.averaged()));
        let known = self.optimizer.as_ref().map(|optimizer| names(optimizer.parameters()));
        let averaged = self
            .ema
            .as_ref()
            .map(|ema| ema.kept().0.into_iter().map(|(name, _)| name.to_owned()).collect::<Vec<String>>());
        for (what, known, wanted, setter) in [
            ("an optimizer", known, &trained, ".optimizer(..)"),
            ("an average", averaged, &followed, ".ema(decay)"),
        ] {
            let Some(known) = known.filter(|known| known != wanted) else { continue };
            return Err(Error::Argument {
                op: "Learner::fit".into(),
                expected: format!("{what} of the {} parameters that are trained", wanted.len()),
                got: format!("that of {} other ones", known.len()),
                hint: format!(
                    "Layers were frozen or unfrozen meanwhile: give the learner a new one, {setter}."
                ),
            });
        }
        Ok(())
    }
}
