//! A training as a file, from which it goes on as if it had never stopped.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use safetensors::tensor::TensorView;
use serde::{Deserialize, Serialize};

use super::epoch::Partial;
use super::history::History;
use super::learner::Learner;
use super::named_tensors::{Named, bytes, in_order, tensors, with_prefix};
use super::pass::Mean;
use super::plan::Plan;
use super::teacher::Teacher;
use crate::checkpoint::{TRAINED_MODEL as MODEL, TRAINING as KEY};
use crate::metrics::Metric;
use crate::optim::{Accumulation, Ema, Optimizer};
use crate::tensor_file::{self, Entry};
use crate::{Error, Result};

/// In front of the names of tensors: with averages, what training goes on from.
const RAW: &str = "raw.";
const OPTIMIZER: &str = "optimizer.";
const GRADIENT: &str = "gradient.";
/// The projections of a teacher are called so themselves.
const TEACHER: &str = "teacher.";

/// What is saved beside the tensors, as JSON.
#[derive(Serialize, Deserialize)]
struct Head {
    version: u32,
    settings: Settings,
    updates: usize,
    own_rate: Option<f64>,
    plan: Option<Plan>,
    partial: Option<PartialHead>,
    /// As [`History::to_json`] writes it.
    history: String,
    /// As the optimizer writes it.
    optimizer: Option<String>,
    /// How many updates the averages have seen, if there are any.
    averaged: Option<u64>,
    accumulated: Option<[usize; 2]>,
}

/// What must be the same for a training to go on as it would have.
#[derive(Serialize, Deserialize, PartialEq, Eq)]
struct Settings {
    seed: u64,
    batch_size: usize,
    accumulate: usize,
    /// What the training and the validation part are, by [`Dataset::fingerprint`](crate::data::Dataset::fingerprint).
    data: [String; 2],
    /// What draws images, in words.
    sampler: String,
    /// What changes batches, in words.
    batch_transforms: Vec<String>,
}

impl Settings {
    fn of(learner: &Learner) -> Result<Settings> {
        let data = match learner.fingerprints.get() {
            Some(known) => known.clone(),
            None => {
                let parts = [learner.data.train.fingerprint()?, learner.data.valid.fingerprint()?];
                learner.fingerprints.get_or_init(|| parts).clone()
            }
        };
        Ok(Settings {
            seed: learner.seed.0,
            batch_size: learner.batch_size,
            accumulate: learner.accumulate,
            data,
            sampler: learner.sampler.as_ref().map_or_else(|| "no sampler".into(), ToString::to_string),
            batch_transforms: learner.batch_transforms.iter().map(|by| format!("{by:?}")).collect(),
        })
    }

    fn words(&self) -> String {
        let mut words = format!(
            "seed {}, batches of {} images, {} a step, {}, data {} and {}",
            self.seed,
            self.batch_size,
            self.accumulate,
            self.sampler,
            short(&self.data[0]),
            short(&self.data[1])
        );
        for by in &self.batch_transforms {
            words += &format!(", batches by {by}");
        }
        words
    }
}

/// So much of a fingerprint tells two apart.
fn short(fingerprint: &str) -> String {
    fingerprint.chars().take(12).collect()
}

#[derive(Serialize, Deserialize)]
struct PartialHead {
    epoch: usize,
    step: usize,
    steps: usize,
    loss: f64,
    images: usize,
    metrics: Vec<(String, String)>,
    /// Without a teacher there are none.
    #[serde(default)]
    terms: Vec<(String, f64)>,
    skipped: usize,
    seconds: f64,
}

impl Learner {
    /// Writes all that training goes on from to a safetensors file: the model (as `model.…`, which
    /// [`Model::load`](crate::nn::Model::load) takes, too), the optimizer's state, averages, the history, the
    /// epoch and the step. The file is complete or not there. Data, loss, settings and callbacks are not in it.
    ///
    /// # Errors
    /// If the file cannot be written. One that was there before is then still there.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        crate::atomic_file::write(path, &self.checkpoint(path)?)
    }

    /// Takes over what [`Learner::save`] wrote for a learner that was set up alike: model, data, kind of optimizer, batches and seed.
    /// Loss, schedule, and the settings of the optimizer are those of this learner. Where they are the same, too, training goes on, by [`Learner::resume`] or a fit, with the very numbers that it would have had without a
    /// stop: bit for bit on CPU. A metric of your own that cannot say what it has taken in
    /// ([`Accumulate::state`](crate::metrics::Accumulate::state)) has no value for an epoch that is taken up in its middle.
    ///
    /// ```
    /// use sconce::prelude::*;
    /// # fn main() -> sconce::Result<()> {
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let path = folder.path().join("digits.safetensors");
    /// let learner = || -> Result<Learner> {
    ///     let data = datasets::digits()?.split([0.7, 0.15, 0.15], Seed(42))?;
    ///     let net = Model::build([1, 8, 8], |x| x.flatten().linear(10))?.init(Seed(42), &Device::Cpu)?;
    ///     Ok(Learner::new(net, data).optimizer(adamw(3e-3)))
    /// };
    /// let mut first = learner()?;
    /// first.fit(1)?;
    /// first.save(&path)?;
    /// first.fit(1)?;
    ///
    /// let mut second = learner()?; // tomorrow, in another process
    /// second.load(&path)?;
    /// second.fit(1)?;
    /// assert_eq!(second.history().step_losses(), first.history().step_losses());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// A file that cannot be read, is damaged, or belongs to another model, optimizer or data, or to other settings: the error
    /// says which. The learner is then as it was.
    pub fn load(&mut self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let bytes = tensor_file::read(path)?;
        let file = tensor_file::parse(path, &bytes)?;
        let head = self.head(path, tensor_file::metadata(path, &bytes, KEY)?)?;
        let history = History::from_json(&head.history)
            .map_err(|error| wrong(path, format!("a history that cannot be read: {error}"), DAMAGED))?;
        let plan = head.plan.as_ref();
        let frozen = plan.map_or_else(Vec::new, |plan| plan.frozen.clone());
        self.check_teacher()?;
        let mut parameters = self.trained();
        parameters.retain(|parameter| !frozen.contains(&parameter.name));
        let fits = plan.is_none_or(|plan| plan.fits(history.len(), head.updates))
            && head.partial.as_ref().is_none_or(|partial| partial.fits(history.len()));
        if !fits {
            return Err(wrong(path, "a place in the training that there is not".into(), DAMAGED));
        }
        // All that may be wrong is looked at before anything changes.
        let projections = match &self.teacher {
            Some(teacher) => {
                in_order(path, &teacher.projections(), &prefixed(TEACHER, tensors(path, &file, TEACHER)?))?
            }
            None => Vec::new(),
        };
        let mut state = tensors(path, &file, MODEL)?;
        // A file has them in any order, a net in its own.
        let places: HashMap<String, usize> =
            self.net.state()?.into_iter().enumerate().map(|(at, (name, _))| (name, at)).collect();
        state.sort_by_key(|(name, _)| places.get(name).copied().unwrap_or(usize::MAX));
        let mut optimizer = self.config_under(plan, &parameters)?.build(&parameters)?;
        if let Some(text) = &head.optimizer {
            let found: BTreeMap<String, TensorView> = with_prefix(&file, OPTIMIZER).collect();
            optimizer.take_over(path, Some(text.clone()), &found)?;
        }
        let accumulation = match head.accumulated {
            None => None,
            Some([images, passes]) => {
                let sums = in_order(path, &parameters, &tensors(path, &file, GRADIENT)?)?;
                Some(Accumulation::go_on(&parameters, sums, images, passes))
            }
        };
        let raw = match (head.averaged, self.ema_decay) {
            (None, _) => None,
            (Some(updates), Some(decay)) => {
                let mut averaged = self.net.parameters();
                averaged.retain(|parameter| !frozen.contains(&parameter.name));
                averaged.extend(self.net.buffers());
                Some((in_order(path, &averaged, &tensors(path, &file, RAW)?)?, updates, decay, averaged))
            }
            (Some(_), None) => {
                let hint = "Give the learner .ema(decay) as before.";
                return Err(wrong(path, "a training that averages its weights".into(), hint));
            }
        };
        let partial = head.partial.as_ref().map(|partial| self.partial_of(partial));
        self.net.set_state(&state)?;
        if let Some(teacher) = &self.teacher {
            teacher.set_state(&projections)?;
        }
        self.end_plan()?;
        match self.net.as_model() {
            Some(model) => frozen.iter().try_for_each(|name| model.freeze(name))?,
            None if frozen.is_empty() => {}
            None => return Err(wrong(path, "a training of a model graph's head".into(), DAMAGED)),
        }
        // From here on nothing can fail but for want of memory.
        self.ema = match raw {
            None => None,
            Some((raw, updates, decay, averaged)) => {
                let mut ema = Ema::new(&averaged, decay)?.warmup();
                ema.go_on(&raw, updates)?;
                Some(ema)
            }
        };
        self.optimizer = head.optimizer.is_some().then_some(optimizer);
        (self.history, self.partial, self.accumulation) = (history, partial, accumulation);
        (self.updates, self.own_rate) = (head.updates, head.own_rate);
        self.plan = head.plan;
        self.ending = None;
        // A file that was written at the end of a fit has one that is done.
        if self.is_plan_done() { self.end_plan() } else { Ok(()) }
    }

    /// Whether the steps of the training in this file are the first ones of this one.
    pub(super) fn goes_on_from(&self, path: &Path) -> Result<bool> {
        let bytes = tensor_file::read(path)?;
        let Some(head) = tensor_file::metadata(path, &bytes, KEY)? else { return Ok(false) };
        let history = serde_json::from_str::<Head>(&head).ok();
        let Some(history) = history.and_then(|head| History::from_json(&head.history).ok()) else {
            return Ok(false);
        };
        Ok(self.history.num_steps() > 0 && self.history.step_losses().starts_with(&history.step_losses()))
    }

    /// What a file holds from which this training goes on.
    pub(super) fn checkpoint(&self, path: &Path) -> Result<Vec<u8>> {
        let (used, raw) = self.weights()?;
        let mut named: Named = Vec::new();
        let mut add = |prefix: &str, tensors: Named| {
            named.extend(tensors.into_iter().map(|(name, tensor)| (format!("{prefix}{name}"), tensor)));
        };
        add(MODEL, used);
        add(RAW, raw);
        let projections = self.teacher.iter().flat_map(Teacher::projections);
        add("", projections.map(|parameter| (parameter.name, parameter.var.as_detached_tensor())).collect());
        let accumulated = match self.accumulation.as_ref().map(Accumulation::kept) {
            None | Some((_, _, 0)) => None,
            Some((sums, images, passes)) => {
                let names = self.trained().into_iter().map(|parameter| parameter.name);
                add(GRADIENT, names.zip(sums.iter().cloned()).collect());
                Some([images, passes])
            }
        };
        let (kept, optimizer) = match self.optimizer.as_ref().map(Optimizer::contents).transpose()? {
            None => (Vec::new(), None),
            Some((entries, head)) => (entries, Some(head)),
        };
        let mut entries = named
            .iter()
            .map(|(name, tensor)| {
                let (dtype, bytes) = bytes(name, tensor)?;
                Ok(Entry { name: name.clone(), dtype, shape: tensor.dims(), bytes })
            })
            .collect::<Result<Vec<_>>>()?;
        entries.extend(
            kept.into_iter().map(|entry| Entry { name: format!("{OPTIMIZER}{}", entry.name), ..entry }),
        );
        let head = Head {
            version: 1,
            settings: Settings::of(self)?,
            updates: self.updates,
            own_rate: self.own_rate,
            plan: self.plan.clone(),
            partial: self.partial.as_ref().map(PartialHead::of),
            history: self.history.to_json(),
            optimizer,
            averaged: self.ema.as_ref().map(|ema| ema.kept().1),
            accumulated,
        };
        let head = serde_json::to_string(&head)
            .map_err(|error| wrong(path, format!("a state that JSON cannot hold: {error}"), ""))?;
        tensor_file::bytes(path, &entries, &[(KEY, head)])
    }

    /// The net's state as it is to be used and, where averages are followed, the parameters that training goes on from.
    fn weights(&self) -> Result<(Named, Named)> {
        let mut state = self.net.state()?;
        let Some(ema) = &self.ema else { return Ok((state, Vec::new())) };
        let kept = ema.kept().0.into_iter().map(|(name, tensor)| (name.to_owned(), tensor.clone()));
        let mut kept: Named = kept.collect();
        if !ema.is_swapped() {
            for (name, average) in &mut kept {
                if let Some((_, raw)) = state.iter_mut().find(|(known, _)| known == name) {
                    std::mem::swap(average, raw);
                }
            }
        }
        Ok((state, kept))
    }

    /// What a file says beside its tensors, if it is of a training like this one.
    fn head(&self, path: &Path, head: Option<String>) -> Result<Head> {
        let head = head.ok_or_else(|| {
            let hint = "Give the file that Learner::save or Checkpoints wrote; weights alone are loaded by Model::load.";
            wrong(path, "a safetensors file without one".into(), hint)
        })?;
        let head: Head = serde_json::from_str(&head)
            .map_err(|error| wrong(path, format!("one that cannot be read: {error}"), DAMAGED))?;
        if head.version != 1 {
            let hint = "Read it with the release that wrote it, or a later one.";
            return Err(wrong(path, format!("a training of format {}, not 1", head.version), hint));
        }
        let here = Settings::of(self)?;
        if head.settings != here {
            return Err(Error::Format {
                path: path.to_owned(),
                expected: format!("a training with {}", here.words()),
                got: format!("one with {}", head.settings.words()),
                hint: "Set the learner up as it was to go on as it would have; to start anew from its weights, load the file \
                       into the model instead: net.load(path, Loading::Strict)."
                    .into(),
            });
        }
        Ok(head)
    }

    fn partial_of(&self, head: &PartialHead) -> Partial {
        let metrics = self.metrics.iter().filter_map(|metric| {
            let (_, state) = head.metrics.iter().find(|(name, _)| name == metric.name())?;
            let mut metric: Metric = metric.fresh();
            metric.restore(state).then_some(metric)
        });
        Partial {
            epoch: head.epoch,
            step: head.step,
            steps: head.steps,
            mean: Mean { sum: head.loss, images: head.images },
            metrics: metrics.collect(),
            terms: head.terms.clone(),
            skipped: head.skipped,
            seconds: head.seconds,
            plateau_scale: None,
        }
    }
}

impl PartialHead {
    /// Whether it may stand behind so many complete epochs.
    fn fits(&self, epochs: usize) -> bool {
        self.epoch == epochs + 1 && self.step <= self.steps && self.steps > 0
    }

    fn of(partial: &Partial) -> PartialHead {
        let metrics = partial.metrics.iter();
        PartialHead {
            epoch: partial.epoch,
            step: partial.step,
            steps: partial.steps,
            loss: partial.mean.sum,
            images: partial.mean.images,
            metrics: metrics.filter_map(|metric| Some((metric.name().to_owned(), metric.state()?))).collect(),
            terms: partial.terms.clone(),
            skipped: partial.skipped,
            seconds: partial.seconds,
        }
    }
}

/// With what [`tensors`] took from the names.
fn prefixed(prefix: &str, tensors: Named) -> Named {
    tensors.into_iter().map(|(name, tensor)| (format!("{prefix}{name}"), tensor)).collect()
}

pub(super) const DAMAGED: &str = "The file is damaged; take another checkpoint.";

pub(super) fn wrong(path: &Path, got: String, hint: &str) -> Error {
    Error::Format {
        path: path.to_owned(),
        expected: "a training of this learner".into(),
        got,
        hint: hint.into(),
    }
}
