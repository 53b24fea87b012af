use std::sync::Arc;

use candle_core::Tensor;
use sconce_display::interrupt;

use super::epoch::{Partial, Pass};
use super::evaluation::Evaluation;
use super::history::History;
use super::live::Live;
use super::net::Net;
use super::predictions::Predictions;
use crate::data::{BatchConfig, BatchTransform, Batches, DataSplit, Dataset, OnError, Split};
use crate::losses::{Loss, cross_entropy};
use crate::metrics::Metric;
use crate::nn::Model;
use crate::optim::{Optimizer, OptimizerConfig, adamw};
use crate::{Error, Result, Seed};

/// A model with all that is needed to train it.
///
/// Everything random follows from one seed: the same seed gives the same losses, bit for bit on CPU,
/// whether or not training was interrupted on the way.
///
/// ```no_run
/// use sconce::prelude::*;
/// # fn main() -> sconce::Result<()> {
/// let data = datasets::digits()?.split([0.7, 0.15, 0.15], Seed(42))?;
/// let net = Model::build([1, 8, 8], |x| x.conv2d(16, 3).batch_norm().relu().global_avg_pool().linear(10))?
///     .init(Seed(42), &Device::Cpu)?;
/// let mut learner = Learner::new(net, data).optimizer(adamw(3e-3)).metric(accuracy());
/// learner.fit(10)?;
/// let accuracy = learner.evaluate(Split::Test)?.metric("accuracy")?;
/// # Ok(()) }
/// ```
pub struct Learner {
    pub(super) net: Box<dyn Net>,
    pub(super) data: DataSplit,
    pub(super) loss: Loss,
    /// How much the loss of an auxiliary head counts.
    pub(super) auxiliary_weight: f64,
    pub(super) config: OptimizerConfig,
    /// Built at the first step, so that setters can't fail.
    pub(super) optimizer: Option<Optimizer>,
    pub(super) metrics: Vec<Metric>,
    pub(super) batch_size: usize,
    /// Threads that load; `None` leaves it to the loader.
    pub(super) workers: Option<usize>,
    pub(super) on_error: OnError,
    /// What changes batches of the training part.
    pub(super) batch_transforms: Vec<Arc<dyn BatchTransform>>,
    pub(super) seed: Seed,
    pub(super) history: History,
    /// The epoch that was begun and not ended.
    pub(super) partial: Option<Partial>,
}

impl Learner {
    /// A learner with cross-entropy, AdamW at a learning rate of 0.001, no metrics, batches of 64 and seed
    /// 42.
    #[must_use]
    pub fn new(net: impl Net + 'static, data: DataSplit) -> Learner {
        Learner {
            net: Box::new(net),
            data,
            loss: cross_entropy().into(),
            auxiliary_weight: 0.3,
            config: adamw(1e-3).into(),
            optimizer: None,
            metrics: Vec::new(),
            batch_size: 64,
            workers: None,
            on_error: OnError::Fail,
            batch_transforms: Vec::new(),
            seed: Seed(42),
            history: History::default(),
            partial: None,
        }
    }

    /// What to go downhill on: [`cross_entropy`] or a [`Loss`] of your own.
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

    /// How to go: [`adamw`], [`crate::optim::sgd`], … A learner that was trained already starts the new
    /// optimizer without momentum.
    #[must_use]
    pub fn optimizer(mut self, config: impl Into<OptimizerConfig>) -> Learner {
        self.config = config.into();
        self.optimizer = None;
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
        self.restarting_the_epoch()
    }

    /// How many threads read, decode and transform images beside the training step, as many as there are cores
    /// unless told. The results do not depend on it.
    #[must_use]
    pub fn workers(mut self, threads: usize) -> Learner {
        self.workers = Some(threads);
        self
    }

    /// What happens when an image cannot be read or transformed: an error, unless told. With [`OnError::Skip`]
    /// it is left out, and [`History::skipped`] and [`Evaluation::skipped`] say which ones were.
    #[must_use]
    pub fn on_error(mut self, policy: OnError) -> Learner {
        self.on_error = policy;
        self
    }

    /// Changes the batches of the training part as a whole, after those that do so already:
    /// [`MixUp`](crate::transforms::MixUp), [`CutMix`](crate::transforms::CutMix), one of both by
    /// [`RandomMix`](crate::transforms::RandomMix). The loss is then given the share of each class, f32 `(B, K)`,
    /// in the place of labels wherever images were mixed; [`cross_entropy`] takes both. As a mixed image has no
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

    /// A part of the data in batches, where the model is.
    pub(super) fn batches(&self, part: &Dataset) -> Batches {
        let config = BatchConfig {
            batch_size: self.batch_size,
            workers: self.workers,
            on_error: self.on_error,
            ..BatchConfig::default()
        };
        part.batches(config).device(&self.net.device())
    }

    /// The batches of an epoch of training, from 1.
    pub(super) fn train_batches(&self, epoch: usize) -> Batches {
        let batches = self.batches(&self.data.train).shuffle(self.seed).epoch(epoch);
        self.batch_transforms.iter().cloned().fold(batches, Batches::transform_by)
    }

    /// Where shuffling, transforms and dropout start.
    #[must_use]
    pub fn seed(mut self, seed: Seed) -> Learner {
        self.seed = seed;
        self.restarting_the_epoch()
    }

    /// An epoch that was begun under other settings can't be gone on with: its batches are others now.
    fn restarting_the_epoch(mut self) -> Learner {
        self.partial = None;
        self.history.drop_partial_epoch();
        self
    }

    /// Trains `epochs` more epochs over the training part, and measures on the validation part after each.
    /// While it runs, a bar and the curves move in the notebook, a line in a terminal; the history so far
    /// comes back.
    ///
    /// An interrupt stops it between two steps. `fit` then goes on in the middle of that epoch, which
    /// counts as the first of the new `epochs`.
    ///
    /// # Errors
    /// [`Error::Interrupted`]; a loss that is NaN or infinite, with the epoch and step; an epoch of which every
    /// image was skipped; whatever model, loss or data refuse. The learner stays usable, with all steps that were finished.
    pub fn fit(&mut self, epochs: usize) -> Result<History> {
        self.check_settings()?;
        let until = self.history.len() + epochs;
        let mut live = Live::start(&self.history, self.partial.as_ref(), until);
        let outcome = self.run(until, &mut live);
        live.finish(&self.history, self.partial.as_ref(), &outcome);
        outcome.map(|()| self.history.clone())
    }

    fn run(&mut self, until: usize, live: &mut Live) -> Result<()> {
        while self.history.len() < until {
            self.train_epoch(live)?;
        }
        Ok(())
    }

    fn check_settings(&self) -> Result<()> {
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
        if !(self.auxiliary_weight.is_finite() && self.auxiliary_weight >= 0.0) {
            let got = self.auxiliary_weight.to_string();
            return argument("an auxiliary weight of at least 0", &got, "0.3 is the default.");
        }
        if self.data.train.is_empty() {
            return argument("images in the training part", "none", "Give it a fraction above 0 in split().");
        }
        // Loss and metrics get one class an image.
        self.data.train.label_values()?;
        self.data.valid.label_values()?;
        if self.net.parameters().is_empty() {
            return argument(
                "a model with parameters",
                "one without any",
                "Let Net::parameters list what is to be trained.",
            );
        }
        Ok(())
    }

    /// Loss, metrics and confusion matrix on one part of the data, the model in [`crate::nn::Mode::Eval`].
    ///
    /// # Errors
    /// An empty part, or one of which every image was skipped; [`Error::Interrupted`]; an output that isn't one logit for each class of the data; a
    /// loss that is NaN or infinite.
    pub fn evaluate(&self, split: Split) -> Result<Evaluation> {
        let part = self.data.part(split);
        if part.is_empty() {
            return Err(Error::Argument {
                op: "Learner::evaluate".into(),
                expected: format!("images in the {split} part"),
                got: "none".into(),
                hint: "Give it a fraction above 0 in split().".into(),
            });
        }
        let place = format!("while evaluating on the {split} part");
        Evaluation::of(split, part, &self.metrics, |seen| Pass::over(self, split, &place, seen))
    }

    /// What the model says to images (B, C, H, W), as the dataset has them: classes and probabilities.
    ///
    /// # Errors
    /// A shape that the model can't take; [`Error::Interrupted`].
    pub fn predict(&self, images: &Tensor) -> Result<Predictions> {
        if images.rank() != 4 {
            return Err(Error::Shape {
                op: "Learner::predict".into(),
                expected: "images (B, C, H, W)".into(),
                got: format!("{:?}", images.dims()),
                hint: "For one image (C, H, W), write predict(&image.unsqueeze(0)?).".into(),
            });
        }
        Predictions::of(self, images)
    }

    /// The model graph that is trained.
    ///
    /// # Errors
    /// When the learner trains a struct of yours; it is at [`Learner::net`].
    pub fn model(&self) -> Result<&Model> {
        self.net.as_model().ok_or_else(|| Error::Argument {
            op: "Learner::model".into(),
            expected: "a model graph".into(),
            got: "a Net of your own".into(),
            hint: "Use learner.net(); summaries, feature maps and export need a model made by Model::build."
                .into(),
        })
    }

    /// What is trained, whatever it is.
    #[must_use]
    pub fn net(&self) -> &dyn Net {
        &*self.net
    }

    /// The data, in its parts.
    #[must_use]
    pub fn data(&self) -> &DataSplit {
        &self.data
    }

    /// What happened so far.
    #[must_use]
    pub fn history(&self) -> &History {
        &self.history
    }

    /// The learning rate of the next step.
    #[must_use]
    pub fn learning_rate(&self) -> f64 {
        self.optimizer.as_ref().map_or(self.config.learning_rate(), Optimizer::learning_rate)
    }

    /// Sets the learning rate of the next steps; the optimizer's momentum stays.
    ///
    /// # Errors
    /// A rate that is negative or not finite.
    pub fn set_learning_rate(&mut self, lr: f64) -> Result<()> {
        self.optimizer_mut()?.set_learning_rate(lr)
    }

    pub(super) fn optimizer_mut(&mut self) -> Result<&mut Optimizer> {
        let optimizer = match self.optimizer.take() {
            Some(optimizer) => optimizer,
            None => self.config.build(&self.net.parameters())?,
        };
        Ok(self.optimizer.insert(optimizer))
    }
}

/// Stops here if somebody asked for it.
pub(super) fn check_interrupt(at: impl FnOnce() -> String) -> Result<()> {
    if interrupt::requested() { Err(Error::Interrupted { at: at() }) } else { Ok(()) }
}
