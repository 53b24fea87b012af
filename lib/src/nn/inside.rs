//! What those need who look into a model that runs: values of nodes, a run that goes on from one, the weights of
//! attention, other weights in some layers.

use std::sync::Arc;

use candle_core::{Tensor, Var};

use super::graph::of_layer;
use super::mode::Mode;
use super::model::{Model, broken};
use super::operator::Operator;
use super::outputs::OutputUse;
use super::weights::Role;
use crate::{Result, Seed, ops};

impl Model {
    /// The graph's tensor number `place`.
    pub(crate) fn tensor(&self, place: usize) -> &Var {
        &self.vars[place]
    }

    /// The values of some nodes for a batch `x`, in [`Mode::Eval`] and in one run.
    pub(crate) fn values(&self, x: &Tensor, nodes: &[usize]) -> Result<Vec<Tensor>> {
        self.run(&[x], Mode::Eval, nodes)
    }

    /// What training goes downhill on, as [`forward_training`](crate::train::Net::forward_training) of a model gives it, and the values of
    /// some nodes, in one run and with one way back.
    pub(crate) fn forward_training_and(
        &self,
        x: &Tensor,
        mode: Mode,
        nodes: &[usize],
    ) -> Result<(Vec<Tensor>, Vec<Tensor>)> {
        let outputs = self.graph.outputs.iter().enumerate();
        let trained = outputs.filter(|(at, output)| *at == 0 || output.when == OutputUse::Training);
        let heads: Vec<usize> = trained.map(|(_, output)| output.node).collect();
        // Each node is one end of the run, however many ask for it.
        let mut ends = [heads.as_slice(), nodes].concat();
        ends.sort_unstable();
        ends.dedup();
        let values = self.run(&[x], mode, &ends)?;
        let of = |node: &usize| ends.binary_search(node).map(|at| values[at].clone()).map_err(|_| broken());
        let heads = heads.iter().map(of).collect::<Result<_>>()?;
        Ok((heads, nodes.iter().map(of).collect::<Result<_>>()?))
    }

    /// The main output for a batch `x` in [`Mode::Eval`], where `node` has the value `value` whatever goes into it. What
    /// does not pass through that node is computed from `x`. If `value` is a variable, gradients reach it.
    pub(crate) fn forward_from(&self, x: &Tensor, node: usize, value: &Tensor) -> Result<Tensor> {
        self.check_inputs(&[x])?;
        let outputs =
            self.run_nodes_given(&[x], Mode::Eval, &[self.graph.outputs[0].node], Some((node, value)))?;
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

    /// Gives `each` the weights (B, heads, queries, keys) with which each of the `attentions` takes its mean of values for
    /// a batch `x`, in the order of their list; each row sums to 1. Returns the values of the nodes `beside`. The model
    /// runs once, and the weights are there one after the other.
    pub(crate) fn attention_weights(
        &self,
        x: &Tensor,
        attentions: &[usize],
        beside: &[usize],
        mut each: impl FnMut(usize, Tensor) -> Result<()>,
    ) -> Result<Vec<Tensor>> {
        let read: Vec<&[usize]> = attentions.iter().map(|&node| self.read_by(node)).collect::<Result<_>>()?;
        let mut values = self.values(x, &[&read.concat(), beside].concat())?.into_iter();
        for (&node, read) in attentions.iter().zip(&read) {
            let inputs: Vec<Tensor> = values.by_ref().take(read.len()).collect();
            let spec = &self.graph.nodes[node];
            let weights = self.weights_for(node, &inputs);
            each(node, weights.map_err(|error| of_layer(error, spec.label()))?)?;
        }
        Ok(values.collect())
    }

    /// What the weights of an attention are computed from: queries and keys, or both in one.
    fn read_by(&self, node: usize) -> Result<&[usize]> {
        let spec = &self.graph.nodes[node];
        let count = match spec.operator {
            Operator::MultiHeadAttention { .. } | Operator::ScaledDotProductAttention { .. } => 2,
            Operator::RelativeAttention { .. } => 1,
            _ => return Err(broken()),
        };
        spec.inputs.get(..count).ok_or_else(broken)
    }

    fn weights_for(&self, node: usize, inputs: &[Tensor]) -> Result<Tensor> {
        let spec = &self.graph.nodes[node];
        let tensors: Vec<Tensor> =
            spec.tensors.iter().map(|&tensor| self.vars[tensor].as_detached_tensor()).collect();
        let (heads, q, k) = match (&spec.operator, inputs, tensors.as_slice()) {
            (Operator::RelativeAttention { grid, .. }, [qkv], [table]) => {
                return ops::relative_attention_weights(qkv, table, *grid);
            }
            (Operator::ScaledDotProductAttention { num_heads }, [q, k], _) => {
                (*num_heads, q.clone(), k.clone())
            }
            (Operator::MultiHeadAttention { num_heads, embed_dim }, [q, k], [weight, bias, ..]) => {
                let part = |x: &Tensor, part: usize| -> Result<Tensor> {
                    let (from, len) = (part * embed_dim, *embed_dim);
                    let weight = weight.narrow(0, from, len)?.contiguous()?; // (D, D)
                    ops::linear(x, &weight, Some(&bias.narrow(0, from, len)?.contiguous()?))
                };
                (*num_heads, part(q, 0)?, part(k, 1)?)
            }
            _ => return Err(broken()),
        };
        let cut = |x: &Tensor| -> Result<Tensor> {
            let (batch, tokens, features) = x.dims3()?;
            let x = x.reshape((batch, tokens, heads, features / heads))?;
            Ok(x.transpose(1, 2)?.contiguous()?) // (B, heads, N, D / heads)
        };
        let (q, k) = (cut(&q)?, cut(&k)?);
        let scale = 1.0 / (q.dims().last().copied().unwrap_or(1) as f64).sqrt();
        ops::softmax(&(q.matmul(&k.t()?.contiguous()?)? * scale)?, 3)
    }

    /// The parameters and buffers of `node`, in the operator's order.
    pub(crate) fn weights_of(&self, node: usize) -> Vec<Tensor> {
        self.graph.nodes[node].tensors.iter().map(|&tensor| self.vars[tensor].as_detached_tensor()).collect()
    }

    /// A model with weights of its own, of the same values.
    pub(crate) fn copied(&self) -> Result<Model> {
        let copy = |var: &Var| -> Result<Var> { Ok(Var::from_tensor(&var.as_tensor().copy()?.detach())?) };
        let vars = self.vars.iter().map(copy).collect::<Result<_>>()?;
        let copied = Model::new(Arc::clone(&self.graph), vars, self.device.clone());
        copied.hold_all(self.mask_tensors())?;
        Ok(copied)
    }

    /// Draws some of the graph's tensors at random, with the mean and the spread that they have here, if they are
    /// parameters: running statistics stay.
    pub(crate) fn redraw(&self, tensors: &[usize], seed: Seed) -> Result<()> {
        for &tensor in tensors {
            let spec = &self.graph.tensors[tensor];
            if spec.role == Role::Parameter {
                let value = self.vars[tensor].as_detached_tensor();
                self.vars[tensor].set(&redrawn(&value, seed.derive(&spec.name))?)?;
            }
        }
        Ok(())
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use candle_core::Device;

    use super::*;
    use crate::nn::Value;

    fn layers(x: Value) -> Value {
        let x = x.conv2d(4, 3).batch_norm().relu().named("stem");
        let y = x.conv2d(4, 3).dropout(0.5).relu().named("branch");
        let tokens = (x + y).named("join").image_to_tokens().self_attention(2).named("attention");
        tokens.mean([0]).linear(3).named("fc")
    }

    /// Going on from what a node gives anyway is the same as the whole run, with a shortcut beside the node too; going on
    /// from another value is not.
    #[test]
    fn a_run_goes_on_from_any_node() -> Result<()> {
        let net = Model::build([2, 6, 5], layers)?.init(Seed(4), &Device::Cpu)?;
        let x = Tensor::randn(0_f32, 1.0, (3, 2, 6, 5), &Device::Cpu)?;
        let wanted = net.forward(&x, Mode::Eval)?.to_vec2::<f32>()?;
        let far = |got: &Tensor| -> Result<f32> {
            let pairs = got.to_vec2::<f32>()?.concat().into_iter().zip(wanted.concat());
            Ok(pairs.fold(0.0, |far, (a, b)| f32::max(far, (a - b).abs())))
        };
        for (index, node) in net.graph().nodes().iter().enumerate() {
            let value = net.values(&x, &[index])?.remove(0);
            let got = net.forward_from(&x, index, &value)?;
            assert!(far(&got)? < 1e-5, "{}", node.name);
            let other = net.forward_from(&x, index, &(value * 3.0)?)?;
            assert!(far(&other)? > 1e-4, "{} makes no difference", node.name);
        }
        Ok(())
    }

    /// The gradient at a node is the difference quotient of the scores.
    #[test]
    fn gradients_reach_a_node() -> Result<()> {
        let net = Model::build([2, 6, 5], layers)?.init(Seed(4), &Device::Cpu)?;
        let x = Tensor::randn(0_f32, 1.0, (1, 2, 6, 5), &Device::Cpu)?;
        let node = net.graph().index("stem")?;
        let value = Var::from_tensor(&net.values(&x, &[node])?[0])?;
        let score = |value: &Tensor| -> Result<Tensor> {
            Ok(net.forward_from(&x, node, value)?.narrow(1, 1, 1)?.sum_all()?)
        };
        let gradients = ops::backward(&score(value.as_tensor())?)?;
        let gradient = gradients.get(value.as_tensor()).unwrap().clone();
        let direction = Tensor::randn(0_f32, 1.0, value.dims(), &Device::Cpu)?;
        let at = |step: f64| -> Result<f64> {
            let moved = (value.as_detached_tensor() + (&direction * step)?)?;
            Ok(f64::from(score(&moved)?.to_scalar::<f32>()?))
        };
        let quotient = (at(1e-2)? - at(-1e-2)?) / 2e-2;
        let wanted = f64::from((gradient * &direction)?.sum_all()?.to_scalar::<f32>()?);
        assert!((quotient - wanted).abs() < 1e-2 * wanted.abs().max(0.1), "{quotient}, not {wanted}");
        Ok(())
    }

    #[test]
    fn random_weights_are_the_copys_own() -> Result<()> {
        let net = Model::build([2, 6, 5], layers)?.init(Seed(4), &Device::Cpu)?;
        let before: Vec<Vec<f32>> =
            net.vars.iter().map(|var| var.flatten_all()?.to_vec1()).collect::<candle_core::Result<_>>()?;
        let node = net.graph().index("fc")?;
        let random = net.copied()?;
        random.redraw(&net.graph().nodes()[node].tensors, Seed(1))?;
        for ((spec, var), before) in random.tensors().zip(&before) {
            let same = var.flatten_all()?.to_vec1::<f32>()? == *before;
            assert_eq!(same, !spec.name.starts_with("fc."), "{}", spec.name);
            var.set(&var.zeros_like()?)?;
        }
        for (var, before) in net.vars.iter().zip(&before) {
            assert_eq!(var.flatten_all()?.to_vec1::<f32>()?, *before);
        }
        Ok(())
    }
}
