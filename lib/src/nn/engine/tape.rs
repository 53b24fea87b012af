//! A run of a graph as one operation of candle's.

use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{CpuStorage, CustomOp2, Device, Layout, Shape, Tensor};

use super::activation::{Activation, to_candle, to_engine};
use super::context::Context;
use super::join::join;
use super::reverse::{Gradients, Reverse};
use crate::nn::weights::Role;
use crate::{Error, Result, ops};

/// A step that was done and can be gone back.
pub(super) struct Record {
    pub(super) output: usize,
    pub(super) inputs: Vec<usize>,
    pub(super) reverse: Box<dyn Reverse>,
}

/// What candle's backward pass takes the gradients from.
pub(super) struct Tape {
    state: Mutex<State>,
}

enum State {
    /// The steps, until the reverse pass takes them.
    Recorded { context: Context, records: Vec<Record> },
    /// The gradients of the graph's tensors, until candle takes them.
    Done(Vec<Option<Vec<f32>>>),
}

impl Tape {
    /// The gradient of the graph's tensor number `place`.
    pub(super) fn gradient(&self, place: usize, tensor: &Tensor) -> candle_core::Result<Option<Tensor>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State::Done(gradients) = &mut *state else { return Ok(None) };
        let Some(values) = gradients.get_mut(place).and_then(Option::take) else { return Ok(None) };
        Tensor::from_vec(values, tensor.shape(), tensor.device()).map(Some)
    }
}

/// The output of a run as a tensor of candle's, with its way back.
pub(super) fn attach(
    context: Context,
    x: &Tensor,
    output: Activation,
    wanted: usize,
    records: Vec<Record>,
) -> Result<Tensor> {
    let dims = output.dims();
    if !context.records {
        return output.tensor();
    }
    let mut values = vec![0.0; output.values.len()];
    to_candle(&output.values, &mut values, &output.shape);
    let shape = output.shape.clone();
    drop(output);
    let leaves = if context.trains() { leaves(&context, wanted) } else { Vec::new() };
    let tape = Arc::new(Tape { state: Mutex::new(State::Recorded { context, records }) });
    let parameters = join(&tape, leaves)?;
    Ok(x.apply_op2(&parameters, Run { tape, values: Mutex::new(values), dims, shape, wanted })?)
}

/// The parameters that the nodes up to `wanted` take, each once.
fn leaves(context: &Context, wanted: usize) -> Vec<(usize, Tensor)> {
    let graph = &context.model.graph;
    let mut places: Vec<usize> =
        graph.nodes[..=wanted].iter().flat_map(|node| node.tensors.iter().copied()).collect();
    places.sort_unstable();
    places.dedup();
    places.retain(|&place| graph.tensors[place].role == Role::Parameter);
    places.into_iter().map(|place| (place, context.model.vars[place].as_tensor().clone())).collect()
}

struct Run {
    tape: Arc<Tape>,
    /// The output, until candle takes it.
    values: Mutex<Vec<f32>>,
    dims: Vec<usize>,
    /// The same without the batch.
    shape: Vec<usize>,
    wanted: usize,
}

impl Run {
    /// The gradient of the images, if it is wanted.
    fn reverse(&self, dy: &Tensor, wants_input: Option<&Tensor>) -> Result<Option<Tensor>> {
        let mut state = self.tape.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State::Recorded { context, records } = std::mem::replace(&mut *state, State::Done(Vec::new()))
        else {
            return Err(Error::Argument {
                op: "backward".into(),
                expected: "one backward pass for a forward pass".into(),
                got: "a second one".into(),
                hint: "The first one has freed what it needed on its way: call `forward` again, or add the losses \
                       before `backward`."
                    .into(),
            });
        };
        let dy = dy.contiguous()?;
        let mut seed = context.buffer(dy.elem_count());
        ops::with_values(&[&dy], |from| to_engine(from[0], &mut seed, &self.shape))?;
        let mut gradients = Gradients::new(context, self.wanted, wants_input.is_some());
        gradients.give(self.wanted, seed);
        for Record { output, inputs, reverse } in records.into_iter().rev() {
            let Some(dy) = gradients.take(output) else { continue };
            reverse.reverse(&mut gradients, &inputs, dy)?;
        }
        let dx = match (wants_input, gradients.take(0)) {
            (Some(x), Some(dx)) => {
                let mut values = vec![0.0; dx.len()];
                to_candle(&dx, &mut values, &x.dims()[1..]);
                Some(Tensor::from_vec(values, x.shape(), &Device::Cpu)?)
            }
            _ => None,
        };
        *state = State::Done(gradients.into_parameters());
        Ok(dx)
    }
}

impl CustomOp2 for Run {
    fn name(&self) -> &'static str {
        "model"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let values = std::mem::take(&mut *self.values.lock().unwrap_or_else(PoisonError::into_inner));
        Ok((CpuStorage::F32(values), Shape::from(self.dims.as_slice())))
    }

    fn bwd(
        &self,
        x: &Tensor,
        parameters: &Tensor,
        _: &Tensor,
        dy: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        let dx = self.reverse(dy, x.track_op().then_some(x)).map_err(candle_core::Error::wrap)?;
        // What makes candle go on to the parameters.
        Ok((dx, Some(parameters.zeros_like()?)))
    }
}
