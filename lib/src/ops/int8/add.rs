use rayon::prelude::*;

use super::activations::{Activations, CHUNK, Quantization};
use super::round::{Clamp, check_bounds, round_within};
use crate::Result;
use crate::ops::concat_dims;
use crate::ops::operands::shape_error;
use crate::ops::simd::vectorized;

/// The sum of tensors of one shape, whatever their scales: `clamp(round((a - a0) · s_a/s + (b - b0) · s_b/s) +
/// zero_point, low, high)`, where s is the scale of the output.
///
/// # Errors
/// If the shapes differ, a scale is not above 0, or `low` is above `high`.
pub fn add(
    a: &Activations,
    b: &Activations,
    output: Quantization,
    [low, high]: [u8; 2],
) -> Result<Activations> {
    let op = "int8::add";
    a.check(op)?;
    b.check(op)?;
    output.check(op)?;
    check_bounds(op, low, high)?;
    if a.dims != b.dims {
        return Err(shape_error(op, "tensors of one shape", &b.dims, "Nothing is broadcast here."));
    }
    let clamp = Clamp::new(output.zero_point, low, high);
    let (of_a, of_b) = (Steps::of(a, output), Steps::of(b, output));
    let mut values = vec![0; a.values.len()];
    let chunks = a.values.par_chunks(CHUNK).zip(b.values.par_chunks(CHUNK));
    values.par_chunks_mut(CHUNK).zip(chunks).for_each(|(y, (a, b))| {
        vectorized(
            #[inline(always)]
            || {
                for (y, (&a, &b)) in y.iter_mut().zip(a.iter().zip(b)) {
                    *y = round_within(of_a.value(a) + of_b.value(b), clamp);
                }
            },
        );
    });
    Ok(Activations { values, dims: a.dims.clone(), quantization: output })
}

/// Tensors beside each other in their last dimension, the channels, each brought to the scale of the output:
/// `clamp(round((x - x0) · s_x/s) + zero_point, 0, 255)`. Those that have it already are taken as they are.
///
/// # Errors
/// If there is no tensor, their shapes differ in more than the channels, or a scale is not above 0.
pub fn concat(tensors: &[&Activations], output: Quantization) -> Result<Activations> {
    let op = "int8::concat";
    output.check(op)?;
    let Some((first, rank)) = tensors.first().map(|first| (first, first.dims.len())) else {
        return Err(shape_error(op, "at least one tensor", &[], ""));
    };
    if rank == 0 {
        return Err(shape_error(op, "tensors with a dimension of channels", &first.dims, ""));
    }
    for tensor in tensors {
        tensor.check(op)?;
    }
    let shapes: Vec<&[usize]> = tensors.iter().map(|tensor| &*tensor.dims).collect();
    let dims = concat_dims(op, &shapes, rank - 1)?;
    let channels = dims[rank - 1];
    let mut values = vec![0; dims.iter().product()];
    // Each step of each tensor, brought to the new scale.
    let tables: Vec<[u8; 256]> = tensors.iter().map(|tensor| table(tensor.quantization, output)).collect();
    values.par_chunks_mut(channels.max(1)).with_min_len(64).enumerate().for_each(|(row, mut y)| {
        for (tensor, table) in tensors.iter().zip(&tables) {
            let width = tensor.dims[rank - 1];
            let (to, rest) = y.split_at_mut(width);
            y = rest;
            let x = &tensor.values[row * width..][..width];
            if tensor.quantization == output {
                to.copy_from_slice(x);
            } else {
                to.iter_mut().zip(x).for_each(|(y, &x)| *y = table[usize::from(x)]);
            }
        }
    });
    Ok(Activations { values, dims, quantization: output })
}

/// The same values with other steps, as [`concat()`] does it.
///
/// # Errors
/// If a scale is not above 0.
pub fn requantize(x: &Activations, output: Quantization, [low, high]: [u8; 2]) -> Result<Activations> {
    let op = "int8::requantize";
    x.check(op)?;
    output.check(op)?;
    check_bounds(op, low, high)?;
    let mut table = table(x.quantization, output);
    table.iter_mut().for_each(|step| *step = (*step).clamp(low, high));
    let mut values = vec![0; x.values.len()];
    let chunks = values.par_chunks_mut(CHUNK).zip(x.values.par_chunks(CHUNK));
    chunks.for_each(|(y, x)| y.iter_mut().zip(x).for_each(|(y, &x)| *y = table[usize::from(x)]));
    Ok(Activations { values, dims: x.dims.clone(), quantization: output })
}

fn table(input: Quantization, output: Quantization) -> [u8; 256] {
    let clamp = Clamp::new(output.zero_point, 0, 255);
    let steps = Steps::between(input, output);
    let mut table = [0; 256];
    for (step, to) in (0..=u8::MAX).zip(&mut table) {
        *to = round_within(steps.value(step), clamp);
    }
    table
}

/// Steps of one scale in steps of another.
#[derive(Clone, Copy)]
struct Steps {
    zero_point: f32,
    multiplier: f32,
}

impl Steps {
    fn of(x: &Activations, output: Quantization) -> Steps {
        Steps::between(x.quantization, output)
    }

    fn between(input: Quantization, output: Quantization) -> Steps {
        Steps { zero_point: f32::from(input.zero_point), multiplier: input.scale / output.scale }
    }

    #[inline(always)]
    fn value(self, step: u8) -> f32 {
        (f32::from(step) - self.zero_point) * self.multiplier
    }
}
