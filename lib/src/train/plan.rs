use serde::{Deserialize, Serialize};

use super::learner::Learner;
use super::settings::{Scheduled, Unit};
use crate::Result;
use crate::optim::{OneCycleConfig, ReduceOnPlateau};

/// What a fit has set out to do. It stays until that is done, so that a fit that was interrupted goes on as if it had not been.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Plan {
    /// Epochs that will be complete at its end, and were at its beginning.
    pub(super) until: usize,
    pub(super) from: usize,
    /// Steps of the optimizer that it takes, and that were made before.
    pub(super) updates: usize,
    pub(super) updates_before: usize,
    /// A cycle of its own, in the place of the learner's schedule.
    pub(super) cycle: Option<Cycle>,
    /// Parameters that are frozen for its time.
    pub(super) frozen: Vec<String>,
    /// How many times slower than the last the first layers are trained for its time.
    pub(super) ratio: Option<f64>,
}

impl Plan {
    /// Whether it may be of a training that has come to `epochs` complete epochs and `updates` steps of the optimizer.
    pub(super) fn fits(&self, epochs: usize, updates: usize) -> bool {
        self.from <= epochs && self.from <= self.until && self.updates_before <= updates
    }
}

/// One cycle for one fit alone; see [`OneCycleConfig`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Cycle {
    /// The highest learning rate.
    pub(super) peak: f64,
    pub(super) rise: f64,
    pub(super) start_divisor: f64,
}

/// Learning rate and momentum of a step; `None` leaves the optimizer's alone.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Pace {
    pub(super) learning_rate: Option<f64>,
    pub(super) momentum: Option<f64>,
}

impl Learner {
    /// A plan of so many more epochs.
    pub(super) fn new_plan(&self, epochs: usize, cycle: Option<Cycle>) -> Plan {
        let from = self.history.len();
        let batches = self.train_batches(from + 1).len();
        let steps = |batches: usize| batches.div_ceil(self.accumulate.max(1));
        // Of an epoch that was begun the rest is left.
        let made = self.partial.as_ref().map_or(0, |partial| partial.step / self.accumulate.max(1));
        let updates = steps(batches).saturating_mul(epochs).saturating_sub(made);
        let until = from.saturating_add(epochs);
        Plan { until, from, updates, updates_before: self.updates, cycle, frozen: Vec::new(), ratio: None }
    }

    /// Ends the plan, and with it whatever holds for its time only.
    pub(super) fn end_plan(&mut self) -> Result<()> {
        if let Some(optimizer) = &mut self.optimizer {
            optimizer.unset_momentum();
        }
        let Some(plan) = self.plan.take() else { return Ok(()) };
        if let Some(model) = self.net.as_model() {
            plan.frozen.iter().try_for_each(|name| model.unfreeze(name))?;
        }
        if !plan.frozen.is_empty() || plan.ratio.is_some() {
            // It knows other parameters, or moves them at other rates.
            (self.optimizer, self.ema, self.accumulation) = (None, None, None);
        } else if plan.cycle.is_some() {
            let rate = self.own_rate.unwrap_or(self.config.learning_rate());
            self.optimizer_mut()?.set_learning_rate(rate)?;
        }
        Ok(())
    }

    /// The learning rate and momentum of the optimizer's next step.
    pub(super) fn pace(&self) -> Result<Pace> {
        let Some(plan) = &self.plan else { return Ok(Pace::default()) };
        let base = self.own_rate.unwrap_or(self.config.learning_rate());
        let cycle = plan.cycle.as_ref().map(|cycle| {
            let Cycle { rise, start_divisor, .. } = *cycle;
            let schedule = OneCycleConfig { rise, start_divisor, ..OneCycleConfig::default() }.into();
            (Scheduled { schedule, unit: Unit::Step }, cycle.peak)
        });
        let known = self.partial.as_ref().and_then(|partial| partial.plateau_scale);
        let scale = known.map_or_else(|| self.plateau_scale(), |scale| Ok(Some(scale)))?;
        let Some((Scheduled { schedule, unit }, base)) =
            cycle.or_else(|| self.schedule.clone().map(|scheduled| (scheduled, base)))
        else {
            let learning_rate = scale.map(|scale| base * scale);
            return Ok(Pace { learning_rate, momentum: None });
        };
        let (now, begin, total) = match unit {
            Unit::Step => (self.updates, plan.updates_before, plan.updates),
            Unit::Epoch => (self.history.len(), plan.from, plan.until - plan.from),
        };
        let fitted = schedule.fitted(total.max(1));
        let at = match (schedule.length(), fitted.length()) {
            // Its length is that of the plan, behind whose end it stays as it was.
            (None, Some(length)) => (now - begin).min(length - 1),
            _ => now,
        };
        let rate = fitted.rate(base, at)?;
        Ok(Pace { learning_rate: Some(rate * scale.unwrap_or(1.0)), momentum: fitted.momentum(at)? })
    }

    /// What the learning rate is multiplied with because it got no better; it follows from the epochs alone.
    pub(super) fn plateau_scale(&self) -> Result<Option<f64>> {
        let Some((plateau, monitor)) = &self.plateau else { return Ok(None) };
        let mut plateau: ReduceOnPlateau = plateau.clone().better(monitor.better());
        for epoch in self.history.epochs() {
            plateau.observe(monitor.value(epoch)?)?;
        }
        Ok(Some(plateau.scale()))
    }
}
