//! Steps on NVIDIA GPUs, one kernel for each parameter.

use candle_core::{Result, Tensor};

use crate::ops::cuda::{Arguments, Grid, Kernel, Written, computes, run};

/// A rule's kernel in `kernels.cu` and its numbers.
pub(super) struct Launch {
    pub(super) name: &'static str,
    pub(super) numbers: Vec<f64>,
}

/// The new weight; changes `state`. Nothing where the kernels do not take these tensors.
pub(super) fn moved(
    launch: &Launch,
    weight: &Tensor,
    gradient: &Tensor,
    state: &mut [Tensor],
) -> Result<Option<Tensor>> {
    if !computes(&[weight, gradient]) {
        return Ok(None);
    }
    let kernel = Kernel { name: launch.name, source: ("optim", include_str!("kernels.cu")) };
    let gradient = gradient.contiguous()?;
    let inputs: Vec<&Tensor> = [weight, &gradient].into_iter().chain(state.iter()).collect();
    let outputs = vec![(weight.dims(), Written::Values); 1 + state.len()];
    let count = weight.elem_count();
    let arguments = Arguments {
        inputs: &inputs,
        outputs: &outputs,
        ints: &[count as i32],
        numbers: &launch.numbers,
        ..Arguments::default()
    };
    let mut written = run(kernel, weight.dtype(), Grid::Rows(1, count), &arguments)?.into_iter();
    let moved = written.next();
    state.iter_mut().zip(written).for_each(|(old, new)| *old = new);
    Ok(moved)
}
