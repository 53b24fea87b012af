//! A run of a graph as one operation of candle's.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use candle_core::{CpuStorage, CustomOp1, Layout, Shape, Tensor};

use super::activation::{Activation, to_candle, to_engine};
use super::context::Context;
use super::join::join;
use super::reverse::{Gradients, Reverse};
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
    /// The steps, until the reverse pass takes them, and the gradients of several outputs, as they come.
    Recorded { context: Context, records: Vec<Record>, seeds: Vec<Option<Tensor>> },
    /// The gradients of the graph's tensors and behind them those of the inputs, until candle takes them.
    Done(Vec<Option<Vec<f32>>>),
}

impl Tape {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The gradient of a leaf: the graph's tensor number `place`, or an input, whose places are those behind.
    pub(super) fn gradient(&self, place: usize, tensor: &Tensor) -> candle_core::Result<Option<Tensor>> {
        let State::Done(gradients) = &mut *self.state() else { return Ok(None) };
        let Some(values) = gradients.get_mut(place).and_then(Option::take) else { return Ok(None) };
        Tensor::from_vec(values, tensor.shape(), tensor.device()).map(Some)
    }
}

/// The outputs of a run, with their nodes, as tensors of candle's with their way back.
pub(super) fn attach(
    context: Context,
    inputs: &[&Tensor],
    outputs: Vec<(usize, Activation)>,
    records: Vec<Record>,
) -> Result<Vec<Tensor>> {
    if !context.records {
        return outputs.into_iter().map(|(_, output)| output.tensor()).collect();
    }
    let ends: Vec<(usize, Vec<usize>)> =
        outputs.iter().map(|(node, output)| (*node, output.shape.clone())).collect();
    let mut tensors = Vec::with_capacity(outputs.len());
    for (_, output) in outputs {
        let mut values = vec![0.0; output.values.len()];
        to_candle(&output.values, &mut values, &output.shape);
        tensors.push((values, output.dims()));
    }
    let leaves = leaves(&context, inputs);
    let seeds = vec![None; ends.len()];
    let inputs = inputs.iter().map(|x| x.dims()[1..].to_vec()).collect();
    let tape = Arc::new(Tape { state: Mutex::new(State::Recorded { context, records, seeds }) });
    let leaves = join(&tape, leaves)?;
    let run = |values: Vec<f32>, dims: Vec<usize>| {
        let (tape, values) = (Arc::clone(&tape), Mutex::new(values));
        leaves.apply_op1(Run { tape, values, dims, ends, inputs })
    };
    match <[_; 1]>::try_from(tensors) {
        Ok([(values, dims)]) => Ok(vec![run(values, dims)?]),
        // An operation of candle's has one output. Here it is a number on which all outputs hang.
        Err(tensors) => {
            let stem = run(vec![0.0], Vec::new())?;
            let part = |(place, (values, dims)): (usize, (Vec<f32>, Vec<usize>))| {
                let (tape, values) = (Arc::clone(&tape), Mutex::new(values));
                Ok(stem.apply_op1(Part { tape, place, values, dims })?)
            };
            tensors.into_iter().enumerate().map(part).collect()
        }
    }
}

/// The trained parameters of the nodes of this run, each once, and the inputs that have a tape.
fn leaves(context: &Context, inputs: &[&Tensor]) -> Vec<(usize, Tensor)> {
    let nodes = &context.model.graph.nodes[..context.wanted.len()];
    let mut places: Vec<usize> = nodes.iter().flat_map(|node| node.tensors.iter().copied()).collect();
    places.sort_unstable();
    places.dedup();
    places.retain(|&place| context.trained[place]);
    let parameters = places.into_iter().map(|place| (place, context.model.vars[place].as_tensor().clone()));
    let behind = context.model.vars.len();
    let inputs = inputs.iter().enumerate().filter(|(_, x)| x.track_op());
    parameters.chain(inputs.map(|(input, &x)| (behind + input, x.clone()))).collect()
}

/// What a second pass back through one forward pass finds.
fn gone() -> Error {
    Error::Argument {
        op: "backward".into(),
        expected: "one backward pass for a forward pass".into(),
        got: "a second one".into(),
        hint: "The first one has freed what it needed on its way: call `forward` again, or add the losses before \
               `backward`."
            .into(),
    }
}

struct Run {
    tape: Arc<Tape>,
    /// The output, until candle takes it.
    values: Mutex<Vec<f32>>,
    dims: Vec<usize>,
    /// The nodes whose outputs these are, and their shapes without the batch.
    ends: Vec<(usize, Vec<usize>)>,
    /// The shapes of the inputs without the batch.
    inputs: Vec<Vec<usize>>,
}

impl Run {
    /// Leaves the gradients on the tape.
    fn reverse(&self, dy: &Tensor) -> Result<()> {
        let mut state = self.tape.state();
        let State::Recorded { context, records, seeds } =
            std::mem::replace(&mut *state, State::Done(Vec::new()))
        else {
            return Err(gone());
        };
        let seeds = if self.ends.len() == 1 { vec![Some(dy.clone())] } else { seeds };
        let mut gradients = Gradients::new(context);
        for ((node, shape), dy) in self.ends.iter().zip(seeds) {
            let Some(dy) = dy.map(|dy| dy.contiguous()).transpose()? else { continue };
            let mut seed = gradients.context.buffer(dy.elem_count());
            ops::with_values(&[&dy], |from| to_engine(from[0], &mut seed, shape))?;
            gradients.give(*node, seed);
        }
        for Record { output, inputs, reverse } in records.into_iter().rev() {
            let Some(dy) = gradients.take(output) else { continue };
            reverse.reverse(&mut gradients, &inputs, dy)?;
        }
        // A run may end before it takes all inputs.
        let count = gradients.context.wanted.len();
        let mut of_inputs = Vec::with_capacity(self.inputs.len());
        for (node, shape) in self.inputs.iter().enumerate().take(count) {
            let dx = gradients.take(node).filter(|_| gradients.wants(node));
            of_inputs.push(dx.map(|dx| {
                let mut values = vec![0.0; dx.len()];
                to_candle(&dx, &mut values, shape);
                values
            }));
        }
        let mut done = gradients.into_parameters();
        done.append(&mut of_inputs);
        *state = State::Done(done);
        Ok(())
    }
}

/// One of several outputs. Its gradient waits on the tape for the others'.
struct Part {
    tape: Arc<Tape>,
    place: usize,
    /// The output, until candle takes it.
    values: Mutex<Vec<f32>>,
    dims: Vec<usize>,
}

impl CustomOp1 for Part {
    fn name(&self) -> &'static str {
        "output"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        Ok((CpuStorage::F32(taken(&self.values)), Shape::from(self.dims.as_slice())))
    }

    fn bwd(&self, stem: &Tensor, _: &Tensor, dy: &Tensor) -> candle_core::Result<Option<Tensor>> {
        let State::Recorded { seeds, .. } = &mut *self.tape.state() else {
            return Err(candle_core::Error::wrap(gone()));
        };
        seeds[self.place] = Some(dy.clone());
        // What makes candle go on to the run.
        Ok(Some(stem.zeros_like()?))
    }
}

fn taken(values: &Mutex<Vec<f32>>) -> Vec<f32> {
    std::mem::take(&mut *values.lock().unwrap_or_else(PoisonError::into_inner))
}

impl CustomOp1 for Run {
    fn name(&self) -> &'static str {
        "model"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        Ok((CpuStorage::F32(taken(&self.values)), Shape::from(self.dims.as_slice())))
    }

    fn bwd(&self, leaves: &Tensor, _: &Tensor, dy: &Tensor) -> candle_core::Result<Option<Tensor>> {
        self.reverse(dy).map_err(candle_core::Error::wrap)?;
        // What makes candle go on to the parameters and the inputs.
        Ok(Some(leaves.zeros_like()?))
    }
}
