//! What the teacher says: worked out, or kept from before.

use candle_core::{DType, Tensor};

use super::Teacher;
use super::lesson::{Lesson, check_classes};
use crate::data::Batch;
use crate::nn::Mode;
use crate::ops::{Precision, in_precision};
use crate::progress::{Progress, Unit};
use crate::train::learner::{Learner, check_interrupt};
use crate::{Error, Result};

/// What a teacher has said about the training part.
#[derive(Default)]
pub(super) enum Kept {
    /// It was not asked yet.
    #[default]
    Nothing,
    /// It would be too much, or images differ in size.
    Never,
    All(Table),
}

/// Answers by the index of the image.
pub(super) struct Table {
    /// Where the answers about each image lie, if there are any.
    places: Vec<Option<usize>>,
    /// How many there are answers about.
    images: usize,
    /// The logits, if they are needed, then each node's.
    parts: Vec<Part>,
}

/// Values of one shape for each image.
struct Part {
    /// Without the batch.
    dims: Vec<usize>,
    values: Vec<f32>,
}

impl Teacher {
    /// What it says to images: its logits where they are needed, then what its nodes give.
    pub(super) fn ask(&self, lesson: &Lesson, images: &Tensor, precision: Precision) -> Result<Vec<Tensor>> {
        let answers = in_precision(precision, || match self.net.as_model() {
            Some(model) => {
                let main = model.graph().outputs().first().map(|output| output.node);
                let wanted: Vec<usize> = main
                    .filter(|_| lesson.logits)
                    .into_iter()
                    .chain(lesson.teacher.iter().copied())
                    .collect();
                model.values(images, &wanted)
            }
            None => Ok(vec![self.net.forward(images, Mode::Eval)?]),
        });
        let answers = answers.map_err(of_teacher)?;
        Ok(answers.into_iter().map(|answer| answer.detach()).collect())
    }
}

impl Learner {
    /// Whether a teacher says the same to the training images in each epoch.
    fn may_keep_answers(&self) -> bool {
        self.batch_transforms.is_empty() && !self.data.train.is_random()
    }

    /// Asks the teacher about the whole training part, once, if the answers may be kept. That is done in the order of the data
    /// and not in that of the first epoch, so that a training that was interrupted has the very same ones.
    pub(in crate::train) fn keep_answers(&mut self) -> Result<()> {
        let may = self.may_keep_answers();
        let Some(teacher) = &self.teacher else { return Ok(()) };
        if !may || !matches!(teacher.kept, Kept::Nothing) {
            return Ok(());
        }
        let kept = self.all_answers(teacher)?;
        if let Some(teacher) = &mut self.teacher {
            teacher.kept = kept;
        }
        Ok(())
    }

    fn all_answers(&self, teacher: &Teacher) -> Result<Kept> {
        let lesson = self.lesson_of(teacher)?;
        let data = &self.data.train;
        let mut table = Table { places: vec![None; data.len()], images: 0, parts: Vec::new() };
        let mut progress = Progress::start("teacher", Unit::Images, Some(data.len() as u64));
        let mut seen = 0;
        for batch in self.batches(data) {
            check_interrupt(|| {
                format!("while the teacher was asked, after {seen} of {} images", data.len())
            })?;
            let batch = batch?;
            let answers = teacher.ask(lesson, &batch.images, self.precision)?;
            let numbers: usize = answers.iter().map(Tensor::elem_count).sum();
            let too_much = numbers / batch.len().max(1) * data.len() > teacher.keep / size_of::<f32>();
            if too_much || batch.pixel_mask.is_some() || !table.add(&batch.indices, &answers)? {
                return Ok(Kept::Never);
            }
            seen += batch.len();
            progress.at(seen as u64)?;
        }
        Ok(Kept::All(table))
    }

    /// What the teacher says to a batch of the training part.
    pub(super) fn answers(&self, teacher: &Teacher, lesson: &Lesson, batch: &Batch) -> Result<Vec<Tensor>> {
        if let (Kept::All(table), true) = (&teacher.kept, self.may_keep_answers())
            && let Some(answers) = table.of(batch)?
        {
            return Ok(answers);
        }
        teacher.ask(lesson, &batch.images, self.precision)
    }

    /// An error if a teacher says nothing to images that the student says `output` to, or something that cannot be compared.
    pub(in crate::train) fn try_teacher(&self, images: &Tensor, output: &Tensor) -> Result<()> {
        let Some(teacher) = &self.teacher else { return Ok(()) };
        let lesson = self.lesson_of(teacher)?;
        let answers = teacher.ask(lesson, images, self.precision)?;
        match answers.first().filter(|_| lesson.logits) {
            Some(logits) => check_classes(output, logits),
            None => Ok(()),
        }
    }
}

impl Table {
    /// Takes the answers about some images; false if they are of another shape than those before.
    fn add(&mut self, indices: &[usize], answers: &[Tensor]) -> Result<bool> {
        if self.parts.is_empty() {
            let part = |answer: &Tensor| Part { dims: answer.dims()[1..].to_vec(), values: Vec::new() };
            self.parts = answers.iter().map(part).collect();
        }
        let alike = |(part, answer): (&Part, &Tensor)| part.dims == answer.dims()[1..];
        if !self.parts.iter().zip(answers).all(alike) {
            return Ok(false);
        }
        let before = self.images;
        self.images += indices.len();
        for (at, &index) in indices.iter().enumerate() {
            if let Some(place) = self.places.get_mut(index) {
                *place = Some(before + at);
            }
        }
        for (part, answer) in self.parts.iter_mut().zip(answers) {
            part.values.extend(answer.flatten_all()?.to_dtype(DType::F32)?.to_vec1::<f32>()?);
        }
        Ok(true)
    }

    /// The answers about a batch, if they are all there.
    fn of(&self, batch: &Batch) -> Result<Option<Vec<Tensor>>> {
        let places = batch.indices.iter().map(|&index| self.places.get(index).copied().flatten());
        let Some(places) = places.collect::<Option<Vec<usize>>>() else { return Ok(None) };
        let picked = |part: &Part| -> Result<Tensor> {
            let size: usize = part.dims.iter().product();
            let mut values = Vec::with_capacity(size * places.len());
            for &place in &places {
                values.extend_from_slice(&part.values[place * size..(place + 1) * size]);
            }
            let dims = [&[places.len()], part.dims.as_slice()].concat();
            Ok(Tensor::from_vec(values, dims, batch.images.device())?)
        };
        Ok(Some(self.parts.iter().map(picked).collect::<Result<_>>()?))
    }
}

/// An error of the teacher's, told from one of the student's.
fn of_teacher(error: Error) -> Error {
    let named = |op: String| format!("Teacher, {op}");
    match error {
        Error::Shape { op, expected, got, hint } => Error::Shape { op: named(op), expected, got, hint },
        Error::Argument { op, expected, got, hint } => Error::Argument { op: named(op), expected, got, hint },
        error => error,
    }
}
