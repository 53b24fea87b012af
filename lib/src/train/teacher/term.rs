use crate::losses::{DecoupledDistillation, above_zero};
use crate::{Error, Result};

/// One thing that a student learns from a [`Teacher`](super::Teacher), and how much it counts in the loss.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Term {
    pub(super) kind: Kind,
    pub(super) weight: f64,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Logits { temperature: f64 },
    Decoupled(DecoupledDistillation),
    Features(Nodes),
    Attention(Nodes),
}

/// A node of the student and one of the teacher, by their names.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Nodes {
    pub(super) student: String,
    pub(super) teacher: String,
}

impl Term {
    /// The teacher's probabilities, softened by a temperature above 0, 2 to 4 mostly (Hinton et al. 2015): the loss
    /// [`distillation`](crate::losses::distillation). It counts 1-fold.
    pub fn logits(temperature: f64) -> Term {
        Term { kind: Kind::Logits { temperature }, weight: 1.0 }
    }

    /// The same taken apart into the target class and the others (Zhao et al. 2022): the loss [`DecoupledDistillation`]. It counts
    /// 1-fold, beside the weights of its parts.
    pub fn decoupled(config: DecoupledDistillation) -> Term {
        Term { kind: Kind::Decoupled(config), weight: 1.0 }
    }

    /// What a node of the teacher gives, for a node of the student (FitNets, Romero et al. 2015): their mean squared difference. Both
    /// are images (C, H, W), tokens (N, D) or features (D). Where their channels differ, the student's go through a linear
    /// projection first, for images a 1x1 convolution, which is trained with it and is no part of it. Of images of different sizes,
    /// each side of both is pooled to the smaller; tokens must be equally many. It counts 1-fold; see what it is beside the
    /// others in the history, for features may be large.
    pub fn features(student: &str, teacher: &str) -> Term {
        Term { kind: Kind::Features(Nodes::new(student, teacher)), weight: 1.0 }
    }

    /// Where a node of the teacher looks, for a node of the student (Zagoruyko and Komodakis 2017): the loss
    /// [`attention_transfer`](crate::losses::attention_transfer). Both are images (C, H, W) or tokens (N, D). It counts 1000-fold, as
    /// its values are small.
    pub fn attention(student: &str, teacher: &str) -> Term {
        Term { kind: Kind::Attention(Nodes::new(student, teacher)), weight: 1000.0 }
    }

    /// How much it counts, at least 0.
    pub fn weight(mut self, weight: f64) -> Term {
        self.weight = weight;
        self
    }

    /// What the history calls it: `logits`, `decoupled`, `features low to stem`, `attention low to stem`.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.kind {
            Kind::Logits { .. } => "logits".into(),
            Kind::Decoupled(_) => "decoupled".into(),
            Kind::Features(Nodes { student, teacher }) => format!("features {student} to {teacher}"),
            Kind::Attention(Nodes { student, teacher }) => format!("attention {student} to {teacher}"),
        }
    }

    /// Its name, weight and settings, e.g. `0.9 logits at temperature 4`.
    pub(super) fn words(&self) -> String {
        let settings = match &self.kind {
            Kind::Logits { temperature } => format!(" at temperature {temperature}"),
            Kind::Decoupled(DecoupledDistillation { temperature, target, others }) => {
                format!(" at temperature {temperature}, target {target}, others {others}")
            }
            Kind::Features(_) | Kind::Attention(_) => String::new(),
        };
        format!("{} {}{settings}", self.weight, self.name())
    }

    pub(super) fn nodes(&self) -> Option<&Nodes> {
        match &self.kind {
            Kind::Logits { .. } | Kind::Decoupled(_) => None,
            Kind::Features(nodes) | Kind::Attention(nodes) => Some(nodes),
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        match &self.kind {
            Kind::Logits { temperature } => above_zero("Term::logits", *temperature)?,
            Kind::Decoupled(config) => config.check()?,
            Kind::Features(_) | Kind::Attention(_) => {}
        }
        weight(&format!("of the term {:?}", self.name()), self.weight)
    }
}

/// Refuses a weight that is not finite and at least 0.
pub(super) fn weight(what: &str, value: f64) -> Result<()> {
    if value.is_finite() && value >= 0.0 {
        return Ok(());
    }
    Err(Error::Argument {
        op: "Teacher".into(),
        expected: format!("a weight {what} of at least 0"),
        got: value.to_string(),
        hint: "1 is as much as the loss of the labels counts.".into(),
    })
}

impl Nodes {
    fn new(student: &str, teacher: &str) -> Nodes {
        Nodes { student: student.to_owned(), teacher: teacher.to_owned() }
    }
}
