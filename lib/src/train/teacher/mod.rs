//! A learner with a teacher: what a student takes over from a model that knows more, beside the labels.
//!
//! [`Teacher`] and [`Term`] say what is learnt; `lesson` matches it with the two models; `answers` has what the teacher says, kept
//! or worked out anew; `objective` puts it into a step of the learner.

mod answers;
mod lesson;
mod objective;
mod term;

use std::fmt;
use std::sync::{Arc, OnceLock};

use candle_core::Tensor;

use self::answers::Kept;
use self::lesson::Lesson;
pub(super) use self::objective::Objective;
pub use self::term::Term;
use super::net::Net;
use crate::Result;
use crate::nn::{Model, Parameter};

/// A trained model that a [`Learner`](super::Learner) learns from, beside the labels:
/// [`Learner::teacher`](super::Learner::teacher). The student goes downhill on the loss of the labels plus that of each [`Term`], each
/// times its weight.
///
/// ```
/// use sconce::prelude::*;
/// use sconce::train::{Teacher, Term};
/// # fn main() -> sconce::Result<()> {
/// let data = datasets::digits()?.split([0.1, 0.8, 0.1], Seed(42))?;
/// let model = |width: usize, seed: u64| {
///     let layers = |x: Value| {
///         let x = x.conv2d(width, 3).batch_norm().relu().named("low");
///         x.conv2d(width, 3).batch_norm().relu().named("high").global_avg_pool().linear(10)
///     };
///     Model::build([1, 8, 8], layers)?.init(Seed(seed), &Device::Cpu)
/// };
/// let mut big = Learner::new(model(16, 1)?, data.clone());
/// big.fit(2)?;
/// let teacher = Teacher::new(big.model()?.clone())
///     .term(Term::logits(4.0))
///     .term(Term::features("high", "high").weight(0.1))
///     .labels(0.5);
/// let mut small = Learner::new(model(4, 2)?, data).teacher(teacher);
/// let history = small.fit(2)?;
/// assert!(history.epochs()[1].train_metrics.iter().any(|(name, _)| name == "features high to high"));
/// # Ok(()) }
/// ```
///
/// The teacher is in [`Mode::Eval`](crate::nn::Mode::Eval), has no gradients and stays as it is. It sees the very images of the student,
/// those that were mixed too. What it says is worked out once for the whole training part, before the first step, and kept where
/// that is always the same: where none of the data's transforms [is random](crate::data::Transform::is_random), no
/// batches are changed as a whole, and it fits into [`Teacher::keep`] bytes. Otherwise it runs with each step.
///
/// For a student that learns from a model of its own kind (born-again networks, Furlanello et al. 2018), train the model, and give it as
/// the teacher of one that was built anew; [`Teacher::copy_of`] is for one that goes on from the same weights.
///
/// The history's training loss is that of the labels, which may be compared with that of the validation part; the mean of each term,
/// before its weight, is among its training metrics.
#[must_use]
pub struct Teacher {
    net: Arc<dyn Net>,
    terms: Vec<Term>,
    /// How much the loss of the labels counts.
    labels: f64,
    /// The most bytes that are kept.
    keep: usize,
    /// How the terms fit the two models, once somebody has asked.
    lesson: OnceLock<Lesson>,
    /// What it says about the training part.
    kept: Kept,
}

impl Teacher {
    /// A teacher from which nothing is learnt yet. A [`Model`] is a handle: the weights are those of `net`, which should not change
    /// any more.
    pub fn new(net: impl Net + 'static) -> Teacher {
        Teacher {
            net: Arc::new(net),
            terms: Vec::new(),
            labels: 1.0,
            keep: 256 << 20,
            lesson: OnceLock::new(),
            kept: Kept::default(),
        }
    }

    /// A teacher with the weights that a model has now, and keeps.
    ///
    /// # Errors
    /// Memory that cannot be had.
    pub fn copy_of(model: &Model) -> Result<Teacher> {
        Ok(Teacher::new(model.copied()?))
    }

    /// One more thing to learn from it.
    pub fn term(mut self, term: Term) -> Teacher {
        self.terms.push(term);
        self
    }

    /// How much the loss of the labels counts, at least 0; 1.
    pub fn labels(mut self, weight: f64) -> Teacher {
        self.labels = weight;
        self
    }

    /// The most memory, in bytes, in which its answers are kept from epoch to epoch; 256 MiB. 0 keeps none.
    pub fn keep(mut self, bytes: usize) -> Teacher {
        self.keep = bytes;
        self
    }

    /// What is learnt from it, in words.
    pub(super) fn words(&self) -> String {
        let terms: Vec<String> = self.terms.iter().map(Term::words).collect();
        format!("{} labels, {}", self.labels, terms.join(", "))
    }

    /// What it is and what is learnt from it, for the record of a run.
    pub(super) fn facts(&self) -> Vec<(String, String)> {
        let parameters = self.net.parameters();
        let numbers: usize = parameters.iter().map(|parameter| parameter.var.elem_count()).sum();
        let mut facts = vec![
            ("teacher_parameters".to_owned(), numbers.to_string()),
            ("teacher_labels".into(), format!("{:?}", self.labels)),
        ];
        let terms = self.terms.iter().enumerate();
        facts.extend(terms.map(|(at, term)| (format!("teacher_term_{}", at + 1), term.words())));
        facts
    }

    pub(super) fn net(&self) -> &dyn Net {
        &*self.net
    }

    /// What is trained with the student and is no part of it.
    pub(super) fn projections(&self) -> Vec<Parameter> {
        self.lesson.get().map_or_else(Vec::new, Lesson::projections)
    }

    /// Copies of the projections, to come back to.
    pub(super) fn state(&self) -> Result<Vec<Tensor>> {
        let copy = |parameter: Parameter| Ok(parameter.var.as_detached_tensor().copy()?);
        self.projections().into_iter().map(copy).collect()
    }

    /// Takes over what [`Teacher::state`] gave.
    pub(super) fn set_state(&self, state: &[Tensor]) -> Result<()> {
        let mut pairs = self.projections().into_iter().zip(state);
        pairs.try_for_each(|(parameter, value)| Ok(parameter.var.set(value)?))
    }
}

impl fmt::Debug for Teacher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Teacher({})", self.words())
    }
}
