use std::sync::{Arc, OnceLock};

use candle_core::Tensor;
use sconce_display::interrupt;

use super::callback::{Callbacks, Ending};
use super::epoch::Partial;
use super::evaluation::Evaluation;
use super::history::History;
use super::monitor::Monitor;
use super::net::Net;
use super::pass::Pass;
use super::plan::Plan;
use super::predictions::Predictions;
use super::settings::{Clipping, Scheduled};
use super::teacher::Teacher;
use crate::data::{BatchConfig, BatchTransform, Batches, DataSplit, Dataset, OnError, Sampler, Split};
use crate::losses::{Loss, cross_entropy};
use crate::metrics::Metric;
use crate::nn::{Mode, Model};
use crate::ops::{Precision, in_precision};
use crate::optim::{Accumulation, Ema, Optimizer, OptimizerConfig, ReduceOnPlateau, adamw};
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
    /// What is learnt beside the labels.
    pub(super) teacher: Option<Teacher>,
    /// How much the loss of an auxiliary head counts.
    pub(super) auxiliary_weight: f64,
    /// Of the products in the model.
    pub(super) precision: Precision,
    pub(super) config: OptimizerConfig,
    /// Built at the first step, so that setters can't fail.
    pub(super) optimizer: Option<Optimizer>,
    pub(super) metrics: Vec<Metric>,
    pub(super) batch_size: usize,
    /// Threads that load; `None` leaves it to the loader.
    pub(super) workers: Option<usize>,
    pub(super) on_error: OnError,
    /// What draws the images of the training part, where it is not each once.
    pub(super) sampler: Option<Sampler>,
    /// What changes batches of the training part.
    pub(super) batch_transforms: Vec<Arc<dyn BatchTransform>>,
    /// How the learning rate goes.
    pub(super) schedule: Option<Scheduled>,
    pub(super) plateau: Option<(ReduceOnPlateau, Monitor)>,
    pub(super) clipping: Option<Clipping>,
    /// Batches whose gradients make one step of the optimizer.
    pub(super) accumulate: usize,
    /// How slowly averages of the weights follow.
    pub(super) ema_decay: Option<f64>,
    pub(super) callbacks: Callbacks,
    pub(super) seed: Seed,
    pub(super) history: History,
    /// Steps of the optimizer so far.
    pub(super) updates: usize,
    /// The learning rate that was set by hand, in the place of the optimizer's own.
    pub(super) own_rate: Option<f64>,
    /// The fit that is running, or was begun and not ended.
    pub(super) plan: Option<Plan>,
    /// Why the last fit ended.
    pub(super) ending: Option<Ending>,
    /// The epoch that was begun and not ended.
    pub(super) partial: Option<Partial>,
    /// Of the training and the validation part, once somebody has asked.
    pub(super) fingerprints: OnceLock<[String; 2]>,
    /// Gradients that wait for others.
    pub(super) accumulation: Option<Accumulation>,
    /// The averages of the weights; between fits the model has them, and the weights that training goes on from lie here.
    pub(super) ema: Option<Ema>,
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
            teacher: None,
            auxiliary_weight: 0.3,
            precision: Precision::Full,
            config: adamw(1e-3).into(),
            optimizer: None,
            metrics: Vec::new(),
            batch_size: 64,
            workers: None,
            on_error: OnError::Fail,
            sampler: None,
            batch_transforms: Vec::new(),
            schedule: None,
            plateau: None,
            clipping: None,
            accumulate: 1,
            ema_decay: None,
            callbacks: Callbacks::default(),
            seed: Seed(42),
            history: History::default(),
            updates: 0,
            own_rate: None,
            plan: None,
            ending: None,
            partial: None,
            fingerprints: OnceLock::new(),
            accumulation: None,
            ema: None,
        }
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
        let batches = self.batches(&self.data.train);
        let batches = match &self.sampler {
            Some(sampler) => batches.sampler(sampler, self.seed),
            None => batches.shuffle(self.seed),
        };
        let batches = batches.epoch(epoch);
        self.batch_transforms.iter().cloned().fold(batches, Batches::transform_by)
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

    /// [`Learner::evaluate`] on the validation part.
    ///
    /// # Errors
    /// As there.
    pub fn validate(&self) -> Result<Evaluation> {
        self.evaluate(Split::Valid)
    }

    /// What the model says to a batch outside of training.
    pub(super) fn output(&self, images: &Tensor) -> Result<Tensor> {
        in_precision(self.precision, || self.net.forward(images, Mode::Eval))
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

    /// Whether an epoch was begun and not ended.
    #[must_use]
    pub fn is_within_an_epoch(&self) -> bool {
        self.partial.is_some()
    }

    /// What happened so far.
    #[must_use]
    pub fn history(&self) -> &History {
        &self.history
    }

    /// The learning rate of the last step, or the one that training begins with.
    #[must_use]
    pub fn learning_rate(&self) -> f64 {
        self.optimizer.as_ref().map_or(self.config.learning_rate(), Optimizer::learning_rate)
    }

    /// Sets the learning rate of the next steps, from which schedules take their course; the optimizer's momentum stays.
    ///
    /// # Errors
    /// A rate that is negative or not finite.
    pub fn set_learning_rate(&mut self, lr: f64) -> Result<()> {
        self.optimizer_mut()?.set_learning_rate(lr)?;
        self.own_rate = Some(lr);
        Ok(())
    }

    pub(super) fn optimizer_mut(&mut self) -> Result<&mut Optimizer> {
        let optimizer = match self.optimizer.take() {
            Some(optimizer) => optimizer,
            None => {
                let parameters = self.trained();
                self.config_under(self.plan.as_ref(), &parameters)?.build(&parameters)?
            }
        };
        Ok(self.optimizer.insert(optimizer))
    }
}

/// Stops here if somebody asked for it.
pub(super) fn check_interrupt(at: impl FnOnce() -> String) -> Result<()> {
    if interrupt::requested() { Err(Error::Interrupted { at: at() }) } else { Ok(()) }
}
