use std::ops::Range;

use super::{Pattern, SparsityConfig, hold, refused, select};
use crate::Result;
use crate::compress::prune::Scope;
use crate::nn::Model;
use crate::train::{Callback, Control, FitBegin, History, StepEnd};

/// Prunes weights while a model is trained, so that what is left can take over bit by bit: "To prune, or not to prune" (Zhu and Gupta 2017). From its
/// beginning to its end the sparsity goes from the initial to the final one as
/// `s(t) = s_f + (s_i - s_f) · (1 - (t - t_0) / (t_1 - t_0))³`, fast at first and slowly at last; every few steps the smallest weights that
/// are left go, to stay 0.
///
/// It follows from the count of steps alone, which goes on from fit to fit: a training that goes on from a checkpoint, which has the
/// masks, goes on as it would have. A learner that has trained for 10 epochs prunes in the next three with
/// `Span::Epochs(10.0..13.0)`; where the span is over and the sparsity is not reached, the fit is an error.
///
/// ```
/// use sconce::compress::{GradualPruning, Span, SparsityConfig, SparsityReport};
/// use sconce::prelude::*;
/// # fn main() -> sconce::Result<()> {
/// let data = datasets::digits()?.split([0.7, 0.15, 0.15], Seed(42))?;
/// let net = Model::build([1, 8, 8], |x| x.flatten().linear(64).relu().linear(10))?.init(Seed(42), &Device::Cpu)?;
/// let pruning = GradualPruning::new(SparsityConfig::unstructured(0.9)).over(Span::Epochs(0.5..2.0)).every(5);
/// Learner::new(net.clone(), data).optimizer(adamw(3e-3)).callback(pruning).fit(3)?;
/// assert!((SparsityReport::of(&net)?.sparsity() - 0.9).abs() < 1e-3);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct GradualPruning {
    config: SparsityConfig,
    initial: f64,
    span: Span,
    every: usize,
}

/// From when to when.
#[derive(Debug, Clone, PartialEq)]
pub enum Span {
    /// Training steps: batches of all epochs so far.
    Steps(Range<usize>),
    /// Epochs, of which parts count: `0.5..3.0` begins in the middle of the first one.
    Epochs(Range<f64>),
}

impl GradualPruning {
    /// Up to the sparsity of `config`, which must be [`Pattern::Unstructured`], from 0, over the first three epochs, every 20 steps.
    pub fn new(config: SparsityConfig) -> GradualPruning {
        GradualPruning { config, initial: 0.0, span: Span::Epochs(0.0..3.0), every: 20 }
    }

    /// The sparsity that it begins with, at most the final one.
    pub fn from(mut self, sparsity: f64) -> GradualPruning {
        self.initial = sparsity;
        self
    }

    /// From when to when the sparsity grows.
    pub fn over(mut self, span: Span) -> GradualPruning {
        self.span = span;
        self
    }

    /// After how many steps each time, at least 1.
    pub fn every(mut self, steps: usize) -> GradualPruning {
        self.every = steps;
        self
    }

    /// The sparsity after so many steps of training; none before it begins. `steps_per_epoch` is what [`Span::Epochs`] is counted with.
    #[must_use]
    pub fn sparsity_at(&self, step: usize, steps_per_epoch: usize) -> Option<f64> {
        let Range { start, end } = self.steps(steps_per_epoch);
        let Pattern::Unstructured { sparsity } = self.config.pattern else { return None };
        if step < start {
            return None;
        }
        let left = match step < end {
            true => 1.0 - (step - start) as f64 / (end - start) as f64,
            false => 0.0,
        };
        Some(sparsity + (self.initial - sparsity) * left.powi(3))
    }

    /// From which step to which.
    fn steps(&self, per_epoch: usize) -> Range<usize> {
        let at = |epochs: f64| (epochs * per_epoch as f64).round() as usize;
        match &self.span {
            Span::Steps(range) => range.clone(),
            Span::Epochs(range) => at(range.start)..at(range.end),
        }
    }

    /// Whether the last weights went before what comes now.
    fn is_over(&self, history: &History) -> bool {
        match &self.span {
            Span::Steps(range) => history.num_steps() >= range.end,
            Span::Epochs(range) => history.len() as f64 >= range.end,
        }
    }

    fn too_late(&self, history: &History, more: usize) -> crate::Error {
        let (epochs, steps) = (history.len(), history.num_steps());
        refused(
            "a span that ends after the steps that were made, or a model that has the sparsity already",
            format!(
                "{:?} after {epochs} epochs of {steps} steps, with {more} weights still to go",
                self.span
            ),
            "The span counts all steps of the learner: let it begin where training is now.",
        )
    }

    /// Whether weights go after this step.
    fn is_due(&self, step: usize, per_epoch: usize) -> bool {
        let Range { start, end } = self.steps(per_epoch);
        step == end || (start..end).contains(&step) && (step - start).is_multiple_of(self.every)
    }

    fn check(&self) -> Result<()> {
        let Pattern::Unstructured { sparsity } = self.config.pattern else {
            let got = format!("{:?}", self.config.pattern);
            let hint = "Of so many of every few there is no less: prune once by prune_weights, and train on.";
            return Err(refused("Pattern::Unstructured for a sparsity that grows", got, hint));
        };
        self.config.check()?;
        if !(0.0..=sparsity).contains(&self.initial) {
            let got = format!("{} up to {sparsity}", self.initial);
            return Err(refused("a sparsity to begin with from 0 to the final one", got, ""));
        }
        let good = match &self.span {
            Span::Steps(range) => range.start < range.end,
            Span::Epochs(range) => range.start >= 0.0 && range.start < range.end && range.end.is_finite(),
        };
        if !good {
            let got = format!("{:?}", self.span);
            return Err(refused("a span that begins before it ends", got, "Span::Epochs(0.0..3.0)"));
        }
        if self.every == 0 {
            return Err(refused("pruning every 1 or more steps", "0".into(), ""));
        }
        Ok(())
    }
}

impl Callback for GradualPruning {
    fn on_fit_begin(&mut self, begin: &FitBegin) -> Result<()> {
        self.check()?;
        // What is wrong is told before the first step. Which weights are the smallest of all at last is not known yet.
        let sparsity = match (self.config.scope, self.config.pattern) {
            (Scope::Uniform, Pattern::Unstructured { sparsity }) => sparsity,
            _ => 0.0,
        };
        let tried = SparsityConfig { pattern: Pattern::Unstructured { sparsity }, ..self.config.clone() };
        let model = begin.learner.model()?;
        let chosen = select::chosen(model, &tried)?;
        if !self.is_over(begin.learner.history()) {
            return Ok(());
        }
        let chosen = match self.config.scope {
            Scope::Uniform => chosen,
            Scope::Global => select::chosen(model, &self.config)?,
        };
        match more(model, &chosen)? {
            0 => Ok(()),
            more => Err(self.too_late(begin.learner.history(), more)),
        }
    }

    fn on_step_end(&mut self, end: &StepEnd) -> Result<Control> {
        if self.is_due(end.total_steps, end.steps)
            && let Some(sparsity) = self.sparsity_at(end.total_steps, end.steps)
        {
            let pattern = Pattern::Unstructured { sparsity };
            hold(end.learner.model()?, &SparsityConfig { pattern, ..self.config.clone() })?;
        }
        Ok(Control::GoOn)
    }
}

/// How many weights a choice holds that the model does not hold yet.
fn more(model: &Model, chosen: &select::Chosen) -> Result<usize> {
    let held = model.mask_tensors();
    let mut more = 0;
    for (tensor, mask) in &chosen.masks {
        let zeros = mask.iter().filter(|&&kept| kept == 0).count();
        let known = match &held[*tensor] {
            Some(held) => held.flatten_all()?.to_vec1::<u8>()?.iter().filter(|&&kept| kept == 0).count(),
            None => 0,
        };
        more += zeros.saturating_sub(known);
    }
    Ok(more)
}
