use std::collections::HashSet;
use std::sync::Arc;

use super::callback::Callback;
use super::learner::Learner;
use super::monitor::Monitor;
use crate::data::{BatchTransform, OnError, Sampler, Split};
use crate::losses::Loss;
use crate::metrics::Metric;
use crate::ops::Precision;
use crate::optim::{OptimizerConfig, ReduceOnPlateau, Schedule};
use crate::{Error, Result, Seed};

/// A schedule and what it counts.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scheduled {
    pub(super) schedule: Schedule,
    pub(super) unit: Unit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// Steps of the optimizer.
    Step,
    Epoch,
}

/// How gradients are kept in bounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Clipping {
    Norm(f64),
    Value(f64),
}

/// What a learner is set up with.
impl Learner {
    /// What to go downhill on: [`cross_entropy`](crate::losses::cross_entropy) or a [`Loss`] of your own.
    #[must_use]
    pub fn loss(mut self, loss: impl Into<Loss>) -> Learner {
        self.loss = loss.into();
        self
    }

    /// How much the loss of each auxiliary head counts beside that of the main output: 0.3, as in GoogLeNet, unless told.
    /// They are the outputs of a model that are for training only, as Inception has one.
    #[must_use]
    pub fn auxiliary_weight(mut self, weight: f64) -> Learner {
        self.auxiliary_weight = weight;
        self
    }

    /// In what numbers the products in the model are made, in training, validation and prediction. [`Precision::BFloat16`] is
    /// mixed precision for NVIDIA GPUs: faster steps for numbers of fewer digits, where the weights stay f32.
    /// The CPU refuses it: it would win nothing.
    #[must_use]
    pub fn precision(mut self, precision: Precision) -> Learner {
        self.precision = precision;
        self
    }

    /// How to go: [`adamw`](crate::optim::adamw), [`sgd`](crate::optim::sgd), … A learner that was trained already starts the new
    /// optimizer without momentum.
    #[must_use]
    pub fn optimizer(mut self, config: impl Into<OptimizerConfig>) -> Learner {
        self.config = config.into();
        (self.optimizer, self.own_rate) = (None, None);
        self
    }

    /// How the learning rate goes from step to step of the optimizer, whose own rate is the highest: [`cosine`],
    /// [`linear`], `cosine().warmup(100)`. One that needs a length and has none takes that of the fit, and begins anew with
    /// each; any other counts from the learner's first step.
    ///
    /// ```
    /// use sconce::prelude::*;
    /// use sconce::optim::cosine;
    /// # fn main() -> sconce::Result<()> {
    /// # let data = datasets::digits()?.split([0.7, 0.15, 0.15], Seed(42))?;
    /// # let net = Model::build([1, 8, 8], |x| x.flatten().linear(10))?.init(Seed(42), &Device::Cpu)?;
    /// let mut learner = Learner::new(net, data).optimizer(adamw(3e-3)).schedule(cosine().warmup(10));
    /// let rates = learner.fit(2)?.step_learning_rates();
    /// assert!(rates[0] < 1e-4 && rates[10] == 3e-3 && *rates.last().unwrap() < 1e-5);
    /// # Ok(()) }
    /// ```
    ///
    /// [`cosine`]: crate::optim::cosine
    /// [`linear`]: crate::optim::linear
    #[must_use]
    pub fn schedule(mut self, schedule: Schedule) -> Learner {
        self.schedule = Some(Scheduled { schedule, unit: Unit::Step });
        self.without_plan()
    }

    /// As [`Learner::schedule`], from epoch to epoch: `step_decay(30, 0.1)` is a tenth of the rate after every 30 epochs.
    #[must_use]
    pub fn schedule_by_epoch(mut self, schedule: Schedule) -> Learner {
        self.schedule = Some(Scheduled { schedule, unit: Unit::Epoch });
        self.without_plan()
    }

    /// Lowers the learning rate when what `monitor` says of the epochs gets no better any more; whether lower or higher is better, the
    /// monitor says. A schedule goes on beside it.
    #[must_use]
    pub fn reduce_on_plateau(mut self, plateau: ReduceOnPlateau, monitor: Monitor) -> Learner {
        self.plateau = Some((plateau, monitor));
        self
    }

    /// Scales the gradients of a step down where their norm, over all parameters, is above `max`; 1 is common. See
    /// [`clip_grad_norm`](crate::optim::clip_grad_norm).
    #[must_use]
    pub fn clip_norm(mut self, max: f64) -> Learner {
        self.clipping = Some(Clipping::Norm(max));
        self
    }

    /// Brings each number of the gradients between `-max` and `max`. See [`clip_grad_value`](crate::optim::clip_grad_value).
    #[must_use]
    pub fn clip_value(mut self, max: f64) -> Learner {
        self.clipping = Some(Clipping::Value(max));
        self
    }

    /// How many batches make one step of the optimizer, 1 unless told: their gradients are those of one large batch that would not fit
    /// into memory, but for batch norms, which see each batch alone.
    #[must_use]
    pub fn accumulate(mut self, batches: usize) -> Learner {
        self.accumulate = batches;
        self.accumulation = None;
        self.restarting_the_epoch().without_plan()
    }

    /// Follows the weights with an exponential moving average, which mostly does better than the weights: `decay` is how slowly,
    /// 0.99 to 0.9999, faster in the first steps. Validation, evaluation, checkpoints and the model after a fit have the averages; the next
    /// fit goes on from the weights. See [`Ema`](crate::optim::Ema).
    #[must_use]
    pub fn ema(mut self, decay: f64) -> Learner {
        self.ema_decay = Some(decay);
        // The averages that are in the model stay there, and are what training goes on from.
        self.ema = None;
        self
    }

    /// What is to happen beside training: [`EarlyStopping`](super::EarlyStopping), [`Checkpoints`](super::Checkpoints), or a
    /// [`Callback`] of your own.
    #[must_use]
    pub fn callback(mut self, callback: impl Callback + 'static) -> Learner {
        self.callbacks.0.push(Box::new(callback));
        self
    }

    /// One more metric to follow, e.g. [`crate::metrics::accuracy`]. One of the same name is replaced.
    #[must_use]
    pub fn metric(mut self, metric: Metric) -> Learner {
        self.metrics.retain(|known| known.name() != metric.name());
        self.metrics.push(metric);
        self.restarting_the_epoch()
    }

    /// How many images make a training step; the last batch of an epoch may be smaller.
    #[must_use]
    pub fn batch_size(mut self, images: usize) -> Learner {
        self.batch_size = images;
        self.restarting_the_epoch().without_plan()
    }

    /// How many threads read, decode and transform images beside the training step, as many as there are cores
    /// unless told. The results do not depend on it.
    #[must_use]
    pub fn workers(mut self, threads: usize) -> Learner {
        self.workers = Some(threads);
        self
    }

    /// What happens when an image cannot be read or transformed: an error, unless told. With [`OnError::Skip`]
    /// it is left out, and [`History::skipped`](super::History::skipped) and
    /// [`Evaluation::skipped`](super::Evaluation::skipped) say which ones were.
    #[must_use]
    pub fn on_error(mut self, policy: OnError) -> Learner {
        self.on_error = policy;
        self
    }

    /// How images of the training part are drawn, each once in an epoch unless told: where classes are rare,
    /// [`Sampler::balanced`] shows all of them equally often. An epoch has as many images as the sampler draws. Class weights,
    /// [`cross_entropy().class_weights(…)`](crate::losses::CrossEntropy::class_weights), are the other way; both at once would count
    /// rare classes twice.
    ///
    /// ```
    /// use sconce::prelude::*;
    /// # fn main() -> sconce::Result<()> {
    /// let data = datasets::digits()?.split([0.7, 0.15, 0.15], Seed(42))?;
    /// let net = Model::build([1, 8, 8], |x| x.flatten().linear(10))?.init(Seed(42), &Device::Cpu)?;
    /// let sampler = Sampler::balanced(&data.train)?;
    /// let mut learner = Learner::new(net, data).sampler(sampler);
    /// learner.fit(1)?;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn sampler(mut self, sampler: Sampler) -> Learner {
        self.sampler = Some(sampler);
        self.restarting_the_epoch().without_plan()
    }

    /// Changes the batches of the training part as a whole, after those that do so already:
    /// [`MixUp`](crate::transforms::MixUp), [`CutMix`](crate::transforms::CutMix), one of both by
    /// [`RandomMix`](crate::transforms::RandomMix). The loss is then given the share of each class, f32 `(B, K)`,
    /// in the place of labels wherever images were mixed; [`cross_entropy`](crate::losses::cross_entropy) takes both. As a mixed image has no
    /// class that could be right, there are no metrics of the training part (as in timm), and its loss is not to
    /// be compared with that of the validation part, whose images and labels stay as they are.
    ///
    /// ```
    /// use sconce::prelude::*;
    /// use sconce::transforms::MixUp;
    /// # fn main() -> sconce::Result<()> {
    /// let data = datasets::digits()?.split([0.7, 0.15, 0.15], Seed(42))?;
    /// let net = Model::build([1, 8, 8], |x| x.flatten().linear(10))?.init(Seed(42), &Device::Cpu)?;
    /// let mix = MixUp::new(data.train.num_classes()).alpha(0.2);
    /// let mut learner = Learner::new(net, data).batch_transform(mix).metric(accuracy());
    /// learner.fit(1)?;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn batch_transform(mut self, transform: impl BatchTransform + 'static) -> Learner {
        self.batch_transforms.push(Arc::new(transform));
        self.restarting_the_epoch()
    }

    /// Where shuffling, transforms and dropout start.
    #[must_use]
    pub fn seed(mut self, seed: Seed) -> Learner {
        self.seed = seed;
        self.restarting_the_epoch()
    }

    /// What a fit had set out to do counts no more: it had other steps before it, or other rates.
    fn without_plan(mut self) -> Learner {
        // Fails for names that are no parameters, and those of a plan are.
        let _ = self.end_plan();
        self
    }

    /// An epoch that was begun under other settings can't be gone on with: its batches are others now.
    pub(super) fn restarting_the_epoch(mut self) -> Learner {
        (self.partial, self.accumulation) = (None, None);
        self.history.drop_partial_epoch();
        self
    }

    pub(super) fn check_settings(&self) -> Result<()> {
        let argument = |expected: &str, got: &str, hint: &str| {
            Err(Error::Argument {
                op: "Learner::fit".into(),
                expected: expected.into(),
                got: got.into(),
                hint: hint.into(),
            })
        };
        if self.batch_size == 0 {
            return argument("a batch size of at least 1", "0", "64 is the default.");
        }
        if self.accumulate == 0 {
            return argument("at least 1 batch for a step of the optimizer", "0", "1 is the default.");
        }
        if !(self.auxiliary_weight.is_finite() && self.auxiliary_weight >= 0.0) {
            let got = self.auxiliary_weight.to_string();
            return argument("an auxiliary weight of at least 0", &got, "0.3 is the default.");
        }
        if self.data.train.is_empty() {
            return argument("images in the training part", "none", "Give it a fraction above 0 in split().");
        }
        self.check_teacher()?;
        // Loss and metrics get one class an image.
        let learnt = self.data.train.label_values()?;
        self.check_classes(learnt, Split::Valid)?;
        self.check_classes(learnt, Split::Test)?;
        if let Some((plateau, monitor)) = &self.plateau {
            plateau.check()?;
            monitor.check(self)?;
        }
        if self.net.parameters().is_empty() {
            return argument(
                "a model with parameters",
                "one without any",
                "Let Net::parameters list what is to be trained.",
            );
        }
        Ok(())
    }

    /// An error if a part has images of a class that the training part, of these labels, has none of.
    fn check_classes(&self, learnt: &[u32], split: Split) -> Result<()> {
        let part = self.data.part(split);
        let known: HashSet<u32> = learnt.iter().copied().collect();
        let Some(&missing) = part.label_values()?.iter().find(|label| !known.contains(label)) else {
            return Ok(());
        };
        let count = part.label_values()?.iter().filter(|&&label| label == missing).count();
        let name = part.class_names().get(missing as usize).cloned().unwrap_or_default();
        Err(Error::Argument {
            op: "Learner::fit".into(),
            expected: format!("images of every class of the {split} part in the training part"),
            got: format!("none of class {missing} ({name}), of which the {split} part has {count}"),
            hint: "No model learns a class that it is never shown: split the data by class, which split() does, or leave \
                   the class out."
                .into(),
        })
    }
}
