//! Runs a graph in f32 on the CPU, with the reverse pass of its own.
//!
//! Images lie with their channels beside each other from layer to layer, layers that follow each other are computed as
//! one [`Step`](plan::Step), and memory is used again. To candle the whole graph is one operation ([`tape`]): in
//! training, [`forward`] records with each step what its gradient needs and nothing else, and the reverse pass frees
//! it step by step.
//!
//! A layer without a step of its own is computed by the operator that candle sees ([`other`]).

mod activation;
mod context;
mod convolution;
mod fake_quantize;
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

use std::sync::Arc;

use candle_core::Tensor;

use self::activation::Activation;
use self::context::Context;
use self::plan::Plan;
use super::mode::Mode;
use super::model::Model;
use crate::Result;

/// The outputs of the nodes `wanted` for `inputs`, which fit the model.
pub(super) fn forward(
    model: &Model,
    inputs: &[&Tensor],
    mode: Mode,
    wanted: &[usize],
) -> Result<Vec<Tensor>> {
    model.pool.begin();
    let trained = Arc::new(model.trained(mode));
    let followed: Vec<bool> = inputs.iter().map(|x| x.track_op()).collect();
    let records = followed.contains(&true) || trained.contains(&true);
    let count = wanted.iter().max().map_or(1, |&last| last + 1);
    let gradients = Arc::new(reverse::wanted(&model.graph, &trained, count, &followed));
    let context = Context { model: model.clone(), mode, records, trained, wanted: gradients };
    let plan = Plan::new(&model.graph, wanted, mode);
    let mut uses = vec![0_usize; count];
    wanted.iter().for_each(|&wanted| uses[wanted] += 1);
    plan.steps.iter().flat_map(|step| &step.inputs).for_each(|&input| uses[input] += 1);
    let mut values: Vec<Option<Activation>> = vec![None; count];
    for (node, x) in inputs.iter().enumerate().take(count) {
        if uses[node] > 0 {
            values[node] = Some(Activation::of_tensor(x, &model.pool)?);
        }
    }
    let mut records = Vec::new();
    for step in plan.steps {
        let mut taken = Vec::with_capacity(step.inputs.len());
        for &input in &step.inputs {
            uses[input] -= 1;
            taken.extend(if uses[input] == 0 { values[input].take() } else { values[input].clone() });
        }
        let (value, reverse) = step.layer.forward(&context, taken)?;
        values[step.output] = Some(value);
        // Nothing goes back to where every weight is frozen.
        records.extend(reverse.filter(|_| context.wanted[step.output]).map(|reverse| tape::Record {
            output: step.output,
            inputs: step.inputs,
            reverse,
        }));
    }
    let output = |&node: &usize| match values[node].clone() {
        Some(value) => Ok((node, value)),
        None => Err(context::broken("a graph out of order")),
    };
    let outputs = wanted.iter().map(output).collect::<Result<Vec<_>>>()?;
    drop(values);
    tape::attach(context, inputs, outputs, records)
}

#[cfg(test)]
mod several_tests;
#[cfg(test)]
mod tests;
