use candle_core::D;

use super::Loss;
use super::decoupled::above_zero;
use super::refused::{same_shape, shape};
use crate::ops;

/// How far a student's raw logits (B, C) are from a teacher's, both softened by a temperature (Hinton et al. 2015): the
/// Kullback-Leibler divergence from the teacher's probabilities to the student's, the mean over the batch, times the
/// temperature squared, so that its gradients keep their size. The teacher's logits are the targets; `detach` them where
/// the teacher must not learn.
///
/// The loss refuses a temperature that is not above 0; 2 to 4 are usual.
#[must_use]
pub fn distillation(temperature: f64) -> Loss {
    let op = "distillation";
    Loss::new("distillation", move |student, teacher| {
        same_shape(op, student, teacher)?;
        if student.rank() != 2 {
            let got = format!("{:?}", student.dims());
            return Err(shape(
                op,
                "logits (B, C)",
                got,
                "Flatten what there is beside classes into the batch.",
            ));
        }
        above_zero(op, temperature)?;
        let logs = |logits| ops::log_softmax(&(logits / temperature)?, D::Minus1);
        let (student_logs, teacher_logs) = (logs(student)?, logs(teacher)?);
        let divergence = (teacher_logs.exp()? * (teacher_logs - student_logs)?)?.sum_all()?;
        Ok((divergence * (temperature * temperature / student.dims()[0] as f64))?)
    })
    .with_settings(format!("Distillation {{ temperature: {temperature:?} }}"))
}
