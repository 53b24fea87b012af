use candle_core::{D, DType, Tensor};

use super::refused::{argument, at_least_zero, described, same_shape, shape};
use crate::{Result, ops};

const OP: &str = "DecoupledDistillation";
/// Added to a logit, it leaves nothing of its probability in f32 and f64, and stays finite.
const OUT: f64 = -1e9;

/// Decoupled knowledge distillation (Zhao et al. 2022): the divergence of [`distillation`](super::distillation) taken apart into
/// how sure the teacher is of the target class, and what it thinks of the others among themselves. In the undivided loss the second
/// part counts the less the surer the teacher is; here each has a weight of its own.
///
/// ```
/// use sconce::losses::DecoupledDistillation;
/// use sconce::prelude::*;
///
/// let teacher = Tensor::new(&[[6.0f32, 2.0, 1.0]], &Device::Cpu)?;
/// let student = Tensor::new(&[[3.0f32, 0.0, 2.0]], &Device::Cpu)?;
/// let label = Tensor::new(&[0u32], &Device::Cpu)?;
/// let loss = DecoupledDistillation { temperature: 2.0, ..Default::default() };
/// assert!(loss.of(&student, &teacher, &label)?.to_scalar::<f32>()? > 0.0);
/// assert!(loss.of(&teacher, &teacher, &label)?.to_scalar::<f32>()?.abs() < 1e-6);
/// # Ok::<(), sconce::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DecoupledDistillation {
    /// What both logits are divided by, above 0; 4.
    pub temperature: f64,
    /// How much the part of the target class counts, at least 0; 1. The paper's alpha.
    pub target: f64,
    /// How much the part of the other classes counts, at least 0; 8. The paper's beta: the surer the teacher, the higher.
    pub others: f64,
}

impl Default for DecoupledDistillation {
    fn default() -> DecoupledDistillation {
        DecoupledDistillation { temperature: 4.0, target: 1.0, others: 8.0 }
    }
}

impl DecoupledDistillation {
    /// The loss of a student's raw logits (B, C) beside a teacher's, in nats times the temperature squared: a scalar, the mean over
    /// the batch. The targets are u32 labels (B,); or f32 shares (B, C), as mixed images have them, of which the class with the
    /// largest share is the target, the first of equal ones. The gradient goes to the student only.
    ///
    /// # Errors
    /// Logits that are not (B, C) of at least 2 classes, or not alike; targets that do not fit them; settings out of their range.
    pub fn of(&self, student: &Tensor, teacher: &Tensor, targets: &Tensor) -> Result<Tensor> {
        self.check()?;
        same_shape(OP, student, teacher)?;
        let &[batch, classes] = student.dims() else {
            let got = format!("{:?}", student.dims());
            return Err(shape(
                OP,
                "logits (B, C)",
                got,
                "Flatten what there is beside classes into the batch.",
            ));
        };
        if classes < 2 {
            let hint = "Of a single class there are no others; take the distillation of features.";
            return Err(shape(OP, "logits of at least 2 classes", format!("{classes}"), hint));
        }
        let target = one_hot(student, targets)?;
        let shield = (&target * OUT)?;
        let parts = |logits: &Tensor| -> Result<[Tensor; 3]> {
            let logs = ops::log_softmax(&(logits / self.temperature)?, D::Minus1)?;
            let others = (&logs + &shield)?;
            let highest = others.max_keepdim(1)?.detach();
            let sum = (others.broadcast_sub(&highest)?.exp()?.sum_keepdim(1)?.log()? + highest)?; // (B, 1)
            let target = (&logs * &target)?.sum_keepdim(1)?; // (B, 1)
            Ok([target, sum, ops::log_softmax(&others, D::Minus1)?])
        };
        let (student, teacher) = (parts(student)?, parts(&teacher.detach())?);
        let divergence = |part: usize| -> Result<Tensor> {
            Ok((teacher[part].exp()? * (&teacher[part] - &student[part])?)?.sum_all()?)
        };
        let sure = ((divergence(0)? + divergence(1)?)? * self.target)?;
        let sum = (sure + (divergence(2)? * self.others)?)?;
        Ok((sum * (self.temperature * self.temperature / batch as f64))?)
    }

    /// An error for settings out of their range.
    pub(crate) fn check(&self) -> Result<()> {
        above_zero(OP, self.temperature)?;
        let hint = "The paper has 1 for the target and 2 to 8 for the others.";
        at_least_zero(OP, "a weight of the target", self.target, hint)?;
        at_least_zero(OP, "a weight of the others", self.others, hint)
    }
}

/// Refuses a temperature that nothing can be divided by.
pub(crate) fn above_zero(op: &str, temperature: f64) -> Result<()> {
    if temperature.is_finite() && temperature > 0.0 {
        return Ok(());
    }
    let hint = "1 leaves the probabilities as they are, 4 is usual.";
    Err(argument(op, "a temperature above 0", format!("{temperature}"), hint))
}

/// 1 at the target of each row, 0 elsewhere, like the logits (B, C).
fn one_hot(logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
    let &[batch, classes] = logits.dims() else { return Err(unfit(logits, targets)) };
    let targets = match targets.dims() {
        dims if dims == [batch] && targets.dtype() == DType::U32 => targets.clone(),
        dims if dims == [batch, classes] && targets.dtype().is_float() => targets.argmax(D::Minus1)?,
        _ => return Err(unfit(logits, targets)),
    };
    let labels = targets.to_vec1::<u32>()?;
    let mut values = vec![0.0_f32; batch * classes];
    for (index, &label) in labels.iter().enumerate() {
        if label as usize >= classes {
            let got = format!("label {label} at index {index}");
            return Err(argument(OP, format!("labels below {classes}, the number of classes"), got, ""));
        }
        values[index * classes + label as usize] = 1.0;
    }
    Ok(Tensor::from_vec(values, (batch, classes), logits.device())?.to_dtype(logits.dtype())?)
}

fn unfit(logits: &Tensor, targets: &Tensor) -> crate::Error {
    shape(
        OP,
        "u32 labels (B,) or shares (B, C) beside logits (B, C)",
        format!("{} beside {}", described(targets), described(logits)),
        "Give it `batch.classes()`.",
    )
}
