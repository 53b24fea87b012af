//! What a model says and what is right, read from tensors and checked.

use candle_core::{DType, Tensor};

use super::counted::Form;
use super::refused::{argument, described, shape};
use crate::{Error, Result};

/// Whether infinite logits may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Infinite {
    /// They can be compared.
    Compared,
    /// There is no probability of them.
    Refused,
}

/// Raw logits (B, C), row by row.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Logits {
    values: Vec<f32>,
    classes: usize,
}

impl Logits {
    /// The logits (B, C) of a batch. `op` is who asks, for the errors: another shape, NaN.
    pub(super) fn read(op: &str, logits: &Tensor, infinite: Infinite) -> Result<Logits> {
        let &[_, classes @ (1..)] = logits.dims() else {
            return Err(shape(
                op,
                "logits (B, C), one score for each of C classes",
                format!("{:?}", logits.dims()),
                "End the model with linear(num_classes).",
            ));
        };
        let values = logits.detach().to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
        let refused = |value: &f32| match infinite {
            Infinite::Compared => value.is_nan(),
            Infinite::Refused => !value.is_finite(),
        };
        match values.iter().position(refused) {
            None => Ok(Logits { values, classes }),
            Some(at) => Err(not_a_number(
                op,
                values[at],
                &format!("class {} of sample {}", at % classes, at / classes),
            )),
        }
    }

    /// Scores that were read before; `None` if they are none.
    pub(super) fn of(values: Vec<f32>, classes: usize) -> Option<Logits> {
        let fits = classes > 0 && values.len().is_multiple_of(classes);
        (fits && values.iter().all(|value| value.is_finite())).then_some(Logits { values, classes })
    }

    /// All scores, row by row.
    pub(super) fn values(&self) -> &[f32] {
        &self.values
    }

    pub(super) fn classes(&self) -> usize {
        self.classes
    }

    /// How many samples there are.
    pub(super) fn len(&self) -> usize {
        self.values.len() / self.classes
    }

    /// The scores of each sample.
    pub(super) fn rows(&self) -> std::slice::ChunksExact<'_, f32> {
        self.values.chunks_exact(self.classes)
    }

    /// Takes in more samples of the same classes.
    pub(super) fn extend(&mut self, more: Logits) {
        self.values.extend(more.values);
    }
}

/// The class of the largest score; of equal ones the first.
pub(super) fn largest(row: &[f32]) -> u32 {
    let mut best = 0;
    for (class, score) in row.iter().enumerate() {
        if *score > row[best] {
            best = class;
        }
    }
    best as u32
}

/// The class of the largest logit, for each row of logits (B, C). `op` is who asks, for the errors: another
/// shape, or NaN.
pub(crate) fn predicted_classes(op: &str, logits: &Tensor) -> Result<Vec<u32>> {
    Ok(Logits::read(op, logits, Infinite::Compared)?.rows().map(largest).collect())
}

/// The labels (B,) that go with logits of these dimensions, (B, C, …).
pub(super) fn target_classes(op: &str, targets: &Tensor, logits: [usize; 2]) -> Result<Vec<u32>> {
    let [samples, classes] = logits;
    if targets.dtype() != DType::U32 || targets.dims() != [samples] {
        return Err(shape(
            op,
            format!("targets U32 [{samples}] beside logits {logits:?}"),
            described(targets),
            "A target is the number of the right class, one for each sample.",
        ));
    }
    let targets = targets.to_vec1::<u32>()?;
    match targets.iter().position(|&target| target as usize >= classes) {
        None => Ok(targets),
        Some(at) => Err(argument(
            op,
            format!("targets below {classes}, the number of classes in the logits"),
            format!("{} for sample {at}", targets[at]),
            "Let the last layer have as many outputs as the dataset has classes.",
        )),
    }
}

/// What is right.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Answers {
    /// One class for each sample.
    Classes(Vec<u32>),
    /// For each sample, row by row, whether each class is there: any number of them may be.
    Tags(Vec<bool>),
}

impl Answers {
    /// What samples of so many classes are.
    pub(super) fn form(&self, classes: usize) -> Form {
        match self {
            Answers::Classes(_) => Form::Classes(classes),
            Answers::Tags(_) => Form::Tags(classes),
        }
    }

    /// Whether a class, of so many, is there in a sample.
    pub(super) fn holds(&self, classes: usize, sample: usize, class: usize) -> bool {
        match self {
            Answers::Classes(labels) => labels.get(sample).is_some_and(|&label| label as usize == class),
            Answers::Tags(tags) => tags.get(sample * classes + class).copied().unwrap_or(false),
        }
    }

    /// Takes in more of the same kind.
    pub(super) fn extend(&mut self, more: Answers) {
        match (self, more) {
            (Answers::Classes(all), Answers::Classes(more)) => all.extend(more),
            (Answers::Tags(all), Answers::Tags(more)) => all.extend(more),
            _ => {}
        }
    }

    /// Targets beside logits (B, C): u32 labels (B,), or f32 tags (B, C) of 0 and 1.
    pub(super) fn read(op: &str, targets: &Tensor, logits: [usize; 2]) -> Result<Answers> {
        if targets.dtype().is_float() && targets.dims() == logits {
            return Ok(Answers::Tags(target_tags(op, targets, logits)?));
        }
        if targets.dtype() == DType::U32 && targets.rank() == 1 {
            return Ok(Answers::Classes(target_classes(op, targets, logits)?));
        }
        let [samples, classes] = logits;
        Err(shape(
            op,
            format!(
                "targets U32 [{samples}], the class of each sample, or F32 [{samples}, {classes}] of 0 and 1, \
                 whether each class is there"
            ),
            described(targets),
            "Bring targets to one of these with to_dtype and reshape.",
        ))
    }
}

/// Tags (B, K): whether each of K classes is there, 1 or 0.
pub(super) fn target_tags(op: &str, targets: &Tensor, logits: [usize; 2]) -> Result<Vec<bool>> {
    let [samples, classes] = logits;
    if !targets.dtype().is_float() || targets.dims() != logits {
        return Err(shape(
            op,
            format!("targets F32 [{samples}, {classes}] of 0 and 1, like the logits"),
            described(targets),
            "A target says of each class whether it is there.",
        ));
    }
    let values = targets.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
    match values.iter().position(|&value| value != 0.0 && value != 1.0) {
        None => Ok(values.into_iter().map(|value| value == 1.0).collect()),
        Some(at) => Err(argument(
            op,
            "targets of 0 and 1",
            format!("{} for class {} of sample {}", values[at], at % classes, at / classes),
            "Shares of classes, as MixUp and label smoothing make them, have no right answer to count.",
        )),
    }
}

/// A value that no metric can take, and where it is.
pub(super) fn not_a_number(op: &str, value: f32, place: &str) -> Error {
    let got = if value.is_nan() { "NaN" } else { "infinity" };
    argument(
        op,
        "logits that can be compared",
        format!("{got} for {place}"),
        "The model has diverged or its input holds NaN: train anew with a lower learning rate, and look at \
         the images.",
    )
}
