//! Keeping gradients from growing too large.

use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, DType, Storage, Tensor};
use rayon::prelude::*;

use super::gradient::gradient_of;
use crate::ops::Parameter;
use crate::{Error, Result};

/// Elements that are summed up together: the same whatever the number of threads, so that the sum is, too.
const CHUNK: usize = 16 * 1024;

/// Scales the gradients of these parameters down together so that their Euclidean norm, taken over all of them as one vector,
/// is at most `max_norm` (above 0; infinity only measures). Gives the norm before. `torch.nn.utils.clip_grad_norm_`, with
/// its divisor `norm + 1e-6` (Pascanu et al. 2013).
///
/// ```
/// # use sconce::{nn::{Parameter, backward}, optim::{clip_grad_norm, sgd}};
/// # use candle_core::{Device, Var};
/// # fn main() -> sconce::Result<()> {
/// let weights = [Parameter::new("weight", Var::new(&[30.0f32, 40.0], &Device::Cpu)?)];
/// let mut gradients = backward(&weights[0].var.sqr()?.sum_all()?)?;
/// assert_eq!(clip_grad_norm(&mut gradients, &weights, 1.0)?, 100.0);
/// sgd(1.0).build(&weights)?.step(&gradients)?; // moves by 1
/// # Ok(()) }
/// ```
///
/// # Errors
/// A norm that is not above 0; a parameter without a gradient, or whose gradient is of another shape or not finite: the first
/// one is named. Nothing has changed then.
pub fn clip_grad_norm(gradients: &mut GradStore, parameters: &[Parameter], max_norm: f64) -> Result<f64> {
    let op = "clip_grad_norm";
    above_0(op, "max_norm", max_norm)?;
    let norm = squares(op, gradients, parameters)?.iter().sum::<f64>().sqrt();
    let factor = max_norm / (norm + 1e-6);
    if factor < 1.0 {
        replace(op, gradients, parameters, |gradient| gradient.affine(factor, 0.0))?;
    }
    Ok(norm)
}

/// Moves every element of the gradients of these parameters that lies outside of `[-max_value, max_value]` to its border;
/// `torch.nn.utils.clip_grad_value_`.
///
/// # Errors
/// As for [`clip_grad_norm`].
pub fn clip_grad_value(gradients: &mut GradStore, parameters: &[Parameter], max_value: f64) -> Result<()> {
    let op = "clip_grad_value";
    above_0(op, "max_value", max_value)?;
    squares(op, gradients, parameters)?;
    replace(op, gradients, parameters, |gradient| gradient.clamp(-max_value, max_value))
}

fn above_0(op: &str, setting: &str, value: f64) -> Result<()> {
    if value > 0.0 {
        return Ok(());
    }
    Err(Error::Argument {
        op: op.into(),
        expected: format!("{setting} above 0"),
        got: value.to_string(),
        hint: "1 is common; leave out the clipping to have none.".into(),
    })
}

/// The sum of the squares of each gradient, without those of values that are held at 0, which move nothing.
fn squares(op: &str, gradients: &GradStore, parameters: &[Parameter]) -> Result<Vec<f64>> {
    let gradients = parameters.iter().map(|parameter| {
        let gradient = gradient_of(op, parameter, gradients)?.detach();
        Ok(parameter.mask.masked(&gradient)?)
    });
    let gradients = gradients.collect::<Result<Vec<_>>>()?;
    let squares = sums_of_squares(&gradients)?;
    // f32 values have squares that are finite in f64; an f64 gradient beyond 1e154 is as good as infinite.
    match squares.iter().zip(parameters).find(|(square, _)| !square.is_finite()) {
        None => Ok(squares),
        Some((_, Parameter { name, .. })) => Err(Error::Argument {
            op: op.into(),
            expected: "finite gradients".into(),
            got: format!("NaN or infinity in that of {name:?}"),
            hint: "Look for a division by 0, a root or a logarithm of 0 on the way from there to the loss; or lower the \
                   learning rate."
                .into(),
        }),
    }
}

/// In f64, in a fixed order. Where the gradients are on a device, all sums come from there at once.
fn sums_of_squares(gradients: &[Tensor]) -> Result<Vec<f64>> {
    let Some(first) = gradients.first() else { return Ok(Vec::new()) };
    if !first.device().is_cpu() {
        let sums = gradients.iter().map(|gradient| gradient.to_dtype(DType::F64)?.sqr()?.sum_all());
        return Ok(Tensor::stack(&sums.collect::<candle_core::Result<Vec<_>>>()?, 0)?.to_vec1()?);
    }
    gradients.iter().map(on_cpu).collect()
}

fn on_cpu(gradient: &Tensor) -> Result<f64> {
    let gradient = gradient.contiguous()?;
    let (storage, layout) = gradient.storage_and_layout();
    let range = layout.contiguous_offsets().map(|(start, end)| start..end).unwrap_or_default();
    Ok(match &*storage {
        Storage::Cpu(CpuStorage::F32(values)) => sum(&values[range], f64::from),
        Storage::Cpu(CpuStorage::F64(values)) => sum(&values[range], |value| value),
        _ => gradient.to_dtype(DType::F64)?.sqr()?.sum_all()?.to_scalar()?,
    })
}

fn sum<T: Copy + Sync>(values: &[T], wide: impl Fn(T) -> f64 + Sync) -> f64 {
    const LANES: usize = 8;
    let chunk = |values: &[T]| {
        // Several sums side by side, as one alone would wait for itself at every element.
        let mut sums = [0.0; LANES];
        let (wholes, rest) = values.as_chunks::<LANES>();
        for whole in wholes {
            for (sum, &value) in sums.iter_mut().zip(whole) {
                *sum += wide(value) * wide(value);
            }
        }
        let rest: f64 = rest.iter().map(|&value| wide(value) * wide(value)).sum();
        sums.iter().sum::<f64>() + rest
    };
    if values.len() <= CHUNK {
        return chunk(values);
    }
    let sums: Vec<f64> = values.par_chunks(CHUNK).map(chunk).collect();
    sums.iter().sum()
}

/// Puts what `change` makes of each gradient in its place, all of them or none.
fn replace(
    op: &str,
    gradients: &mut GradStore,
    parameters: &[Parameter],
    change: impl Fn(&Tensor) -> candle_core::Result<Tensor>,
) -> Result<()> {
    let changed = parameters
        .iter()
        .map(|parameter| Ok((parameter, change(&gradient_of(op, parameter, gradients)?.detach())?)));
    for (parameter, gradient) in changed.collect::<Result<Vec<_>>>()? {
        gradients.insert(&parameter.var, gradient);
    }
    Ok(())
}
