//! What a learner goes downhill on.

use candle_core::{DType, Tensor};

use super::Teacher;
use super::lesson::{Answers, Lesson};
use crate::data::Batch;
use crate::nn::{Mode, Parameter};
use crate::ops::in_precision;
use crate::train::learner::Learner;
use crate::train::step::{Goal, no_output};
use crate::{Error, Result};

/// The loss of a batch, of which the parameters' gradients are, and what it is made of.
pub(in crate::train) struct Objective {
    pub(in crate::train) total: Tensor,
    /// The loss of the labels, before its weight.
    pub(in crate::train) labels: Tensor,
    /// That of each term of a teacher, before its weight, by its name.
    pub(in crate::train) terms: Vec<(String, f64)>,
    /// The main output.
    pub(in crate::train) output: Tensor,
}

impl Learner {
    /// Learns from a teacher beside the labels: see [`Teacher`]. It takes the place of one that was there before; a learner that was
    /// trained already starts its optimizer without momentum, as it moves other parameters where there are projections.
    #[must_use]
    pub fn teacher(mut self, teacher: Teacher) -> Learner {
        self.teacher = Some(teacher);
        (self.optimizer, self.own_rate) = (None, None);
        self.restarting_the_epoch()
    }

    /// How a teacher's terms fit the two models.
    pub(super) fn lesson_of<'a>(&self, teacher: &'a Teacher) -> Result<&'a Lesson> {
        if let Some(known) = teacher.lesson.get() {
            return Ok(known);
        }
        let lesson = Lesson::new(teacher, &*self.net, self.seed.derive("teacher"))?;
        Ok(teacher.lesson.get_or_init(|| lesson))
    }

    /// Looks whether a teacher fits, and makes its projections if that was not done before.
    pub(in crate::train) fn check_teacher(&self) -> Result<()> {
        self.teacher.as_ref().map_or(Ok(()), |teacher| self.lesson_of(teacher).map(|_| ()))
    }

    /// What the optimizer moves: the net's parameters, and the projections of a teacher that was [checked](Learner::check_teacher).
    pub(in crate::train) fn trained(&self) -> Vec<Parameter> {
        let mut all = self.net.parameters();
        all.extend(self.teacher.iter().flat_map(Teacher::projections));
        all
    }

    /// The loss of a batch, from which `backward` goes.
    pub(in crate::train) fn objective(&self, batch: &Batch, mode: Mode) -> Result<Objective> {
        let goal = Goal { loss: &self.loss, auxiliary_weight: self.auxiliary_weight };
        let targets = batch.classes();
        let Some(teacher) = &self.teacher else {
            let outputs = in_precision(self.precision, || self.net.forward_training(&batch.images, mode))?;
            let total = goal.of(&outputs, targets)?;
            let output = outputs.first().ok_or_else(no_output)?.detach();
            return Ok(Objective { labels: total.clone(), total, terms: Vec::new(), output });
        };
        let lesson = self.lesson_of(teacher)?;
        let answers = self.answers(teacher, lesson, batch)?;
        let (teacher_logits, of_nodes) = answers.split_at(usize::from(lesson.logits));
        let (outputs, nodes) = in_precision(self.precision, || match self.net.as_model() {
            Some(model) if !lesson.student.is_empty() => {
                model.forward_training_and(&batch.images, mode, &lesson.student)
            }
            _ => Ok((self.net.forward_training(&batch.images, mode)?, Vec::new())),
        })?;
        let logits = outputs.first().ok_or_else(no_output)?;
        let labels = goal.of(&outputs, targets)?;
        let mut total = times(&labels, teacher.labels)?;
        let answers = Answers {
            logits,
            student: &nodes,
            teacher: of_nodes,
            teacher_logits: teacher_logits.first(),
            targets,
        };
        let losses = lesson.losses(&teacher.terms, &answers)?;
        let mut terms = Vec::with_capacity(losses.len());
        for (term, loss) in teacher.terms.iter().zip(losses) {
            let value: f64 = loss.to_dtype(DType::F64)?.to_scalar()?;
            if !value.is_finite() {
                return Err(not_finite(&term.name(), value));
            }
            terms.push((term.name(), value));
            total = (total + times(&loss, term.weight)?)?;
        }
        Ok(Objective { total, labels, terms, output: logits.detach() })
    }
}

/// A loss times its weight.
fn times(loss: &Tensor, weight: f64) -> Result<Tensor> {
    // A tensor: by a number of 0 candle would not go back at all, and leave parameters without gradients.
    let weight = (loss.ones_like()? * weight)?.detach();
    Ok((loss * weight)?)
}

fn not_finite(term: &str, value: f64) -> Error {
    Error::Argument {
        op: "Teacher".into(),
        expected: format!("a finite loss of the term {term:?}"),
        got: value.to_string(),
        hint: "Look whether the teacher's weights are finite, and give the term a lower weight or the optimizer a lower \
               learning rate."
            .into(),
    }
}
