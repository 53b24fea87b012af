//! What those need who look into a model that runs: values of nodes, a run that goes on from one, the weights of
//! attention, other weights in some layers.

use std::collections::BTreeSet;
use std::sync::Arc;

use candle_core::{Tensor, Var};

use super::graph::of_layer;
use super::mode::Mode;
use super::model::{Model, broken};
use super::operator::Operator;
use super::weights::Role;
use crate::{Result, Seed, ops};

impl Model {
    /// The values of some nodes for a batch `x`, in [`Mode::Eval`] and in one run.
    pub(crate) fn values(&self, x: &Tensor, nodes: &[usize]) -> Result<Vec<Tensor>> {
        self.run(x, Mode::Eval, nodes)
    }

    /// The main output for a batch `x` in [`Mode::Eval`], where `node` has the value `value` whatever goes into it. What
    /// does not pass through that node is computed from `x`. If `value` is a variable, gradients reach it.
    pub(crate) fn forward_from(&self, x: &Tensor, node: usize, value: &Tensor) -> Result<Tensor> {
        self.check_input(x)?;
        let outputs =
            self.run_nodes_given(x, Mode::Eval, &[self.graph.outputs[0].node], Some((node, value)))?;
        outputs.into_iter().next().ok_or_else(broken)
    }

    /// Of each node, whether the main output is computed from it.
    pub(crate) fn leads_to_output(&self) -> Vec<bool> {
        self.leads_to(self.graph.outputs[0].node)
    }

    /// Of each node, whether `node` is computed from it; true for `node` itself.
    pub(crate) fn leads_to(&self, node: usize) -> Vec<bool> {
        let mut leads = vec![false; self.graph.nodes.len()];
        leads[node] = true;
        for index in (0..=node).rev() {
            if leads[index] {
                self.graph.nodes[index].inputs.iter().for_each(|&input| leads[input] = true);
            }
        }
        leads
    }

    /// The weights (B, heads, queries, keys) with which `node` takes its mean of values for a batch `x`; each row sums to
    /// 1. `None` for a node that is no attention over two lists of tokens.
    pub(crate) fn attention_weights(&self, x: &Tensor, node: usize) -> Result<Option<Tensor>> {
        let spec = &self.graph.nodes[node];
        let heads = match spec.operator {
            Operator::MultiHeadAttention { num_heads, .. }
            | Operator::ScaledDotProductAttention { num_heads } => num_heads,
            _ => return Ok(None),
        };
        let &[query, key, _] = spec.inputs.as_slice() else { return Err(broken()) };
        let [mut q, mut k] = <[Tensor; 2]>::try_from(self.values(x, &[query, key])?).map_err(|_| broken())?;
        if let (Operator::MultiHeadAttention { embed_dim, .. }, [weight, bias, ..]) =
            (&spec.operator, spec.tensors.as_slice())
        {
            let [weight, bias] = [*weight, *bias].map(|tensor| self.vars[tensor].as_detached_tensor());
            let part = |x: &Tensor, part: usize| -> Result<Tensor> {
                let (from, len) = (part * embed_dim, *embed_dim);
                let weight = weight.narrow(0, from, len)?.contiguous()?; // (D, D)
                ops::linear(x, &weight, Some(&bias.narrow(0, from, len)?.contiguous()?))
            };
            (q, k) = (part(&q, 0)?, part(&k, 1)?);
        }
        let cut = |x: &Tensor| -> Result<Tensor> {
            let (batch, tokens, features) = x.dims3()?;
            let x = x.reshape((batch, tokens, heads, features / heads))?;
            Ok(x.transpose(1, 2)?.contiguous()?) // (B, heads, N, D / heads)
        };
        let weights = || -> Result<Tensor> {
            let (q, k) = (cut(&q)?, cut(&k)?);
            let scale = 1.0 / (q.dims().last().copied().unwrap_or(1) as f64).sqrt();
            ops::softmax(&(q.matmul(&k.t()?.contiguous()?)? * scale)?, 3)
        };
        weights().map(Some).map_err(|error| of_layer(error, spec.label()))
    }

    /// The parameters and buffers of `node`, in the operator's order.
    pub(crate) fn weights_of(&self, node: usize) -> Vec<Tensor> {
        self.graph.nodes[node].tensors.iter().map(|&tensor| self.vars[tensor].as_detached_tensor()).collect()
    }

    /// A model with weights of its own, of the same values but for the parameters of `nodes`: these are drawn at random
    /// with the mean and the spread that they have here. Running statistics stay.
    pub(crate) fn with_random(&self, nodes: &[usize], seed: Seed) -> Result<Model> {
        let tensors: BTreeSet<usize> =
            nodes.iter().flat_map(|&node| self.graph.nodes[node].tensors.iter().copied()).collect();
        let mut vars = Vec::with_capacity(self.vars.len());
        for (index, (spec, var)) in self.graph.tensors.iter().zip(&self.vars).enumerate() {
            let value = var.as_tensor().copy()?.detach();
            let value = match tensors.contains(&index) && spec.role == Role::Parameter {
                true => redrawn(&value, seed.derive(&spec.name))?,
                false => value,
            };
            vars.push(Var::from_tensor(&value)?);
        }
        Ok(Model::new(Arc::clone(&self.graph), vars, self.device.clone()))
    }
}

/// Normal values with the mean and the standard deviation of these.
fn redrawn(tensor: &Tensor, seed: Seed) -> Result<Tensor> {
    let values = tensor.flatten_all()?.to_vec1::<f32>()?;
    let count = values.len().max(1) as f64;
    let mean = values.iter().map(|&value| f64::from(value)).sum::<f64>() / count;
    let spread = (values.iter().map(|&value| (f64::from(value) - mean).powi(2)).sum::<f64>() / count).sqrt();
    let mut rng = seed.rng();
    let drawn: Vec<f32> = values.iter().map(|_| (mean + spread * rng.normal()) as f32).collect();
    Ok(Tensor::from_vec(drawn, tensor.dims(), tensor.device())?)
}
