//! Runs a graph in f32 on the CPU, with the reverse pass of its own.
//!
//! Images lie with their channels beside each other from layer to layer, layers that follow each other are computed as
//! one [`Step`](plan::Step), and memory is used again. To candle the whole graph is one operation ([`tape`]): in
//! training, [`forward`] records with each step what its gradient needs and nothing else, and the reverse pass frees
//! it step by step.
//!
//! A layer without a step of its own is computed by the operator that candle sees ([`other`]).

mod activation;
mod backward;
mod context;
mod convolution;
mod join;
mod linear;
mod norm;
mod other;
mod plan;
mod pointwise;
mod pool;
mod reverse;
mod shape;
mod tape;
mod tokens;

use candle_core::Tensor;

pub use self::backward::backward;

use self::activation::Activation;
use self::context::Context;
use self::plan::Plan;
use super::mode::Mode;
use super::model::Model;
use crate::Result;

/// The output of node `wanted` for images `x`, which fit the model.
pub(super) fn forward(model: &Model, x: &Tensor, mode: Mode, wanted: usize) -> Result<Tensor> {
    model.pool.begin();
    let training = matches!(mode, Mode::Train(_));
    let context = Context { model: model.clone(), mode, records: training || x.track_op() };
    let plan = Plan::new(&model.graph, wanted, mode);
    let mut uses = vec![0_usize; wanted + 1];
    uses[wanted] = 1;
    plan.steps.iter().flat_map(|step| &step.inputs).for_each(|&input| uses[input] += 1);
    let mut values: Vec<Option<Activation>> = vec![None; wanted + 1];
    values[0] = Some(Activation::of_tensor(x, &model.pool)?);
    let mut records = Vec::new();
    for step in plan.steps {
        let mut inputs = Vec::with_capacity(step.inputs.len());
        for &input in &step.inputs {
            uses[input] -= 1;
            inputs.extend(if uses[input] == 0 { values[input].take() } else { values[input].clone() });
        }
        let (value, reverse) = step.layer.forward(&context, inputs)?;
        values[step.output] = Some(value);
        records.extend(reverse.map(|reverse| tape::Record {
            output: step.output,
            inputs: step.inputs,
            reverse,
        }));
    }
    let Some(output) = values[wanted].take() else { return Err(context::broken("a graph out of order")) };
    drop(values);
    tape::attach(context, x, output, wanted, records)
}

#[cfg(test)]
mod tests;
