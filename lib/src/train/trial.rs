use std::mem;

use super::learner::Learner;
use super::plan::Plan;
use super::teacher::Teacher;
use crate::Result;
use crate::optim::{Accumulation, Ema, Optimizer};

/// What a trial must leave as it was, beside the net.
struct Kept {
    optimizer: Option<Optimizer>,
    plan: Option<Plan>,
    accumulation: Option<Accumulation>,
    ema: Option<Ema>,
    ema_decay: Option<f64>,
    accumulate: usize,
    updates: usize,
}

impl Learner {
    /// Trains for a look at what comes of it, with a fresh optimizer and at a rate that stays as it is set, and puts everything back as it
    /// was, however it ends.
    pub(super) fn try_training<T>(&mut self, trial: impl FnOnce(&mut Learner) -> Result<T>) -> Result<T> {
        self.check_settings()?;
        let state = self.net.state()?;
        let projections = self.teacher.as_ref().map(Teacher::state).transpose()?;
        let fresh = self.config.build(&self.trained())?;
        let kept = Kept {
            optimizer: self.optimizer.replace(fresh),
            plan: self.plan.take(),
            accumulation: self.accumulation.take(),
            ema: self.ema.take(),
            ema_decay: self.ema_decay.take(),
            accumulate: mem::replace(&mut self.accumulate, 1),
            updates: self.updates,
        };
        let outcome = trial(self);
        let back = self.net.set_state(&state).and_then(|()| match (&self.teacher, &projections) {
            (Some(teacher), Some(projections)) => teacher.set_state(projections),
            _ => Ok(()),
        });
        Kept {
            optimizer: self.optimizer,
            plan: self.plan,
            accumulation: self.accumulation,
            ema: self.ema,
            ema_decay: self.ema_decay,
            accumulate: self.accumulate,
            updates: self.updates,
        } = kept;
        back.and(outcome)
    }
}
