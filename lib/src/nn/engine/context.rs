use std::sync::Arc;

use candle_core::Tensor;

use super::activation::Activation;
use super::reverse::Reverse;
use crate::nn::graph::{Node, of_layer};
use crate::nn::{Mode, Model, WeightPrecision};
use crate::ops::Buffer;
use crate::{Error, Result, ops};

/// What the steps of one run share.
#[derive(Debug, Clone)]
pub(super) struct Context {
    pub(super) model: Model,
    pub(super) mode: Mode,
    /// Whether there may be a reverse pass.
    pub(super) records: bool,
    /// Of each of the graph's tensors, whether its gradient is wanted.
    pub(super) trained: Arc<Vec<bool>>,
    /// Of each node, whether its gradient is of use.
    pub(super) wanted: Arc<Vec<bool>>,
}

/// Some nodes that are computed together.
pub(super) trait Layer: Send + Sync {
    /// The output for the inputs of the step, and what takes its gradient back, if [`Context::records`]. An input that
    /// nothing else needs comes without another handle, so that its memory can be used again.
    fn forward(
        &self,
        context: &Context,
        inputs: Vec<Activation>,
    ) -> Result<(Activation, Option<Box<dyn Reverse>>)>;
}

impl Context {
    pub(super) fn node(&self, index: usize) -> &Node {
        &self.model.graph.nodes[index]
    }

    /// What is wrong with a node, under its name.
    pub(super) fn of_layer(&self, node: usize) -> impl Fn(Error) -> Error + '_ {
        move |error| of_layer(error, self.node(node).label())
    }

    /// Whether parameters of a node are trained, and the moments of a batch norm those of the batch.
    pub(super) fn trains(&self, node: usize) -> bool {
        self.node(node).tensors.iter().any(|&tensor| self.trained[tensor])
    }

    pub(super) fn buffer(&self, len: usize) -> Buffer {
        self.model.pool.take(len)
    }

    /// Hands the values of a node's parameters and buffers to `work`, in the operator's order, a weight rounded as the operator
    /// wants it: no gradient changes by that.
    pub(super) fn weights<R>(&self, node: usize, work: impl FnOnce(&[&[f32]]) -> R) -> Result<R> {
        let spec = self.node(node);
        let tensors: Vec<Tensor> =
            spec.tensors.iter().map(|&index| self.model.vars[index].as_detached_tensor()).collect();
        Ok(ops::with_values(&tensors, |values| match (spec.operator.weight_precision(), values) {
            (WeightPrecision::Int8, [weight, rest @ ..]) => {
                let rounded = ops::round_channels(weight, tensors[0].dims().first().copied().unwrap_or(1));
                work(&[&[rounded.as_slice()], rest].concat())
            }
            _ => work(values),
        })?)
    }
}

/// What the engine's own faults look like.
pub(super) fn broken(got: &str) -> Error {
    Error::Argument {
        op: "Model::forward".into(),
        expected: "a graph in the order of its computation".into(),
        got: got.into(),
        hint: "Please report this.".into(),
    }
}
