//! How what is to be learnt fits the student and the teacher.

use candle_core::{Device, Tensor, Var};

use super::Teacher;
use super::term::{Kind, Nodes, Term, weight};
use crate::losses::{attention_transfer, distillation, mse};
use crate::nn::{Graph, Model, Parameter};
use crate::ops::{self, Sliding};
use crate::train::net::Net;
use crate::{Error, Result, Seed};

/// What to look at in both models, and what to compare.
pub(super) struct Lesson {
    /// Nodes of each graph, by index, each once.
    pub(super) student: Vec<usize>,
    pub(super) teacher: Vec<usize>,
    /// Whether any term needs the teacher's logits.
    pub(super) logits: bool,
    /// One for each term, in their order.
    matches: Vec<Match>,
}

/// What a term compares.
enum Match {
    Logits,
    /// Places among the nodes of each, and what brings the student's channels to the teacher's.
    Nodes {
        student: usize,
        teacher: usize,
        projection: Option<Projection>,
    },
}

/// A linear map of the channels.
struct Projection {
    weight: Parameter,
    bias: Parameter,
}

/// What both models say to a batch. The teacher's come without a tape.
pub(super) struct Answers<'a> {
    pub(super) logits: &'a Tensor,
    pub(super) student: &'a [Tensor],
    pub(super) teacher: &'a [Tensor],
    /// `None` where no term needs them.
    pub(super) teacher_logits: Option<&'a Tensor>,
    /// Labels or shares.
    pub(super) targets: &'a Tensor,
}

impl Lesson {
    pub(super) fn new(teacher: &Teacher, student: &dyn Net, seed: Seed) -> Result<Lesson> {
        if teacher.terms.is_empty() {
            let hint = "Say what is to be learnt: Teacher::new(net).term(Term::logits(4.0)).";
            return Err(refused("at least one term", "none".into(), hint));
        }
        for (at, term) in teacher.terms.iter().enumerate() {
            term.check()?;
            if teacher.terms[..at].iter().any(|before| before.name() == term.name()) {
                let hint = "Give the term the weight that both should have.";
                return Err(refused("each term once", format!("{:?} twice", term.name()), hint));
            }
        }
        weight("of the labels", teacher.labels)?;
        let needs_logits = teacher.terms.iter().any(|term| term.nodes().is_none());
        check_nets(teacher.net(), student)?;
        if needs_logits {
            check_outputs(teacher.net(), student)?;
        }
        let mut lesson =
            Lesson { student: Vec::new(), teacher: Vec::new(), logits: needs_logits, matches: Vec::new() };
        for (at, term) in teacher.terms.iter().enumerate() {
            let made = match term.nodes() {
                None => Match::Logits,
                Some(nodes) => {
                    let seed = seed.derive(&format!("projection {}", at + 1));
                    lesson.of_nodes(term, nodes, [student, teacher.net()], seed)?
                }
            };
            lesson.matches.push(made);
        }
        Ok(lesson)
    }

    fn of_nodes(&mut self, term: &Term, nodes: &Nodes, nets: [&dyn Net; 2], seed: Seed) -> Result<Match> {
        let graph = |net: usize, role: &str| {
            let model = nets[net].as_model().map(Model::graph);
            model.ok_or_else(|| no_graph(&term.name(), role))
        };
        let (student_graph, teacher_graph) = (graph(0, "student")?, graph(1, "teacher")?);
        let student = index(student_graph, &nodes.student, "student")?;
        let teacher = index(teacher_graph, &nodes.teacher, "teacher")?;
        let shapes = [&student_graph.nodes()[student].shape, &teacher_graph.nodes()[teacher].shape];
        let [from, to] = shapes.map(Vec::as_slice);
        let (channels, fits) = match (from, to) {
            (&[from, _, _], &[to, _, _]) => ([from, to], true),
            (&[tokens, from], &[others, to]) => ([from, to], tokens == others),
            (&[from], &[to]) => ([from, to], matches!(term.kind, Kind::Features(_))),
            _ => ([0, 0], false),
        };
        if !fits {
            return Err(refused(
                &format!("for the term {:?} two nodes that can be compared", term.name()),
                format!("{from:?} in the student and {to:?} in the teacher, without the batch"),
                "Choose two images (C, H, W), two of equally many tokens (N, D), or for features two vectors (D).",
            ));
        }
        let projection = match &term.kind {
            Kind::Features(_) if channels[0] != channels[1] => {
                let number = 1 + self.matches.iter().filter(|made| made.projection().is_some()).count();
                let image = from.len() == 3;
                Some(Projection::new(number, channels, image, seed, &nets[0].device())?)
            }
            _ => None,
        };
        let (student, teacher) = (place(&mut self.student, student), place(&mut self.teacher, teacher));
        Ok(Match::Nodes { student, teacher, projection })
    }

    pub(super) fn projections(&self) -> Vec<Parameter> {
        let projections = self.matches.iter().filter_map(Match::projection);
        projections.flat_map(|projection| [projection.weight.clone(), projection.bias.clone()]).collect()
    }

    /// The loss of each term, before its weight.
    pub(super) fn losses(&self, terms: &[Term], answers: &Answers) -> Result<Vec<Tensor>> {
        let pairs = terms.iter().zip(&self.matches);
        pairs.map(|(term, made)| made.loss(term, answers)).collect()
    }
}

impl Match {
    fn projection(&self) -> Option<&Projection> {
        match self {
            Match::Logits => None,
            Match::Nodes { projection, .. } => projection.as_ref(),
        }
    }

    fn loss(&self, term: &Term, answers: &Answers) -> Result<Tensor> {
        let (&Match::Nodes { student, teacher, ref projection }, Kind::Features(_) | Kind::Attention(_)) =
            (self, &term.kind)
        else {
            let teacher = answers.teacher_logits.ok_or_else(no_logits)?;
            check_classes(answers.logits, teacher)?;
            return match &term.kind {
                Kind::Decoupled(config) => config.of(answers.logits, teacher, answers.targets),
                Kind::Logits { temperature } => distillation(*temperature).of(answers.logits, teacher),
                Kind::Features(_) | Kind::Attention(_) => Err(no_logits()),
            };
        };
        let (student, teacher) = (&answers.student[student], &answers.teacher[teacher]);
        if let Kind::Attention(_) = term.kind {
            return attention_transfer().of(student, teacher);
        }
        let [student, teacher] = of_one_size(student, teacher)?;
        let student = match projection {
            Some(projection) => projection.apply(&student)?,
            None => student,
        };
        mse().of(&student, &teacher)
    }
}

/// Images pooled to the smaller of their sides; all else as it is.
fn of_one_size(student: &Tensor, teacher: &Tensor) -> Result<[Tensor; 2]> {
    let (&[_, _, h, w], &[_, _, other_h, other_w]) = (student.dims(), teacher.dims()) else {
        return Ok([student.clone(), teacher.clone()]);
    };
    let size = [h.min(other_h), w.min(other_w)];
    let pooled = |x: &Tensor| match x.dims()[2..] == size {
        true => Ok(x.clone()),
        false => ops::adaptive_avg_pool2d(x, size),
    };
    Ok([pooled(student)?, pooled(teacher)?])
}

impl Projection {
    /// Small random weights, as PyTorch draws those of its linear layers.
    fn new(
        number: usize,
        channels: [usize; 2],
        image: bool,
        seed: Seed,
        device: &Device,
    ) -> Result<Projection> {
        let [from, to] = channels;
        let mut rng = seed.rng();
        let bound = 1.0 / (from as f64).sqrt();
        let mut parameter = |what: &str, dims: &[usize]| -> Result<Parameter> {
            let count = dims.iter().product();
            let values: Vec<f32> = (0..count).map(|_| ((2.0 * rng.uniform() - 1.0) * bound) as f32).collect();
            let var = Var::from_tensor(&Tensor::from_vec(values, dims, device)?)?;
            Ok(Parameter::new(format!("teacher.projection_{number}.{what}"), var))
        };
        let dims: &[usize] = if image { &[to, from, 1, 1] } else { &[to, from] };
        Ok(Projection { weight: parameter("weight", dims)?, bias: parameter("bias", &[to])? })
    }

    fn apply(&self, x: &Tensor) -> Result<Tensor> {
        let (weight, bias) = (self.weight.var.as_tensor(), self.bias.var.as_tensor());
        match weight.rank() {
            4 => ops::conv2d(x, weight, Some(bias), Sliding::default(), 1),
            _ => ops::linear(x, weight, Some(bias)),
        }
    }
}

/// The place of a node in a list, at whose end it is put if it is not there.
fn place(nodes: &mut Vec<usize>, node: usize) -> usize {
    nodes.iter().position(|&known| known == node).unwrap_or_else(|| {
        nodes.push(node);
        nodes.len() - 1
    })
}

fn index(graph: &Graph, name: &str, role: &str) -> Result<usize> {
    graph.index(name).map_err(|error| match error {
        Error::Argument { expected, got, hint, .. } => {
            Error::Argument { op: format!("Teacher, a node of the {role}"), expected, got, hint }
        }
        error => error,
    })
}

/// An error where the two nets cannot be teacher and student.
fn check_nets(teacher: &dyn Net, student: &dyn Net) -> Result<()> {
    let (of_teacher, of_student) = (teacher.device(), student.device());
    if !of_teacher.same_device(&of_student) {
        return Err(refused(
            &format!("a teacher on the student's device, {:?}", of_student.location()),
            format!("{:?}", of_teacher.location()),
            "Build or load both on one device.",
        ));
    }
    let known: Vec<_> = teacher.parameters().iter().map(|parameter| parameter.var.id()).collect();
    if let Some(shared) = student.parameters().iter().find(|parameter| known.contains(&parameter.var.id())) {
        return Err(refused(
            "a teacher with weights of its own",
            format!("the student's {:?}: clones of a model are handles to the same weights", shared.name),
            "Teacher::copy_of(&net)? keeps the weights that a model has now.",
        ));
    }
    Ok(())
}

/// An error where their logits are of other classes, as far as that can be seen before they say anything.
fn check_outputs(teacher: &dyn Net, student: &dyn Net) -> Result<()> {
    let classes = |net: &dyn Net| {
        let graph = net.as_model()?.graph();
        graph.nodes().get(graph.outputs().first()?.node).map(|node| node.shape.clone())
    };
    match (classes(teacher), classes(student)) {
        (Some(teacher), Some(student)) if teacher.len() == 1 && student.len() == 1 && teacher != student => {
            Err(other_classes(teacher[0], student[0]))
        }
        _ => Ok(()),
    }
}

/// The same for what they say.
pub(super) fn check_classes(student: &Tensor, teacher: &Tensor) -> Result<()> {
    match (student.dims(), teacher.dims()) {
        (&[_, student], &[_, teacher]) if student != teacher => Err(other_classes(teacher, student)),
        _ => Ok(()),
    }
}

fn other_classes(teacher: usize, student: usize) -> Error {
    refused(
        &format!("a teacher of {student} classes, as the student has"),
        format!("one of {teacher}"),
        "Train it on the same classes, give it a new head by net.replace_head(num_classes, seed), or learn from its nodes \
         alone, as Term::features and Term::attention do.",
    )
}

fn no_graph(term: &str, role: &str) -> Error {
    refused(
        &format!("for the term {term:?} a {role} that is a model graph"),
        "a Net of your own, which has no nodes".into(),
        "Build it with Model::build, or learn from its logits alone.",
    )
}

/// A fault of ours.
fn no_logits() -> Error {
    refused("answers for each term", "none".into(), "Please report this.")
}

pub(super) fn refused(expected: &str, got: String, hint: &str) -> Error {
    Error::Argument { op: "Teacher".into(), expected: expected.into(), got, hint: hint.into() }
}
