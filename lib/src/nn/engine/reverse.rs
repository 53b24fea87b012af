use super::context::Context;
use crate::Result;
use crate::nn::graph::Graph;
use crate::ops::{self, Buffer, Update};

/// Takes the gradient of a step's output back to its inputs and parameters.
pub(super) trait Reverse: Send {
    /// `dy` is the gradient of the output, `inputs` the nodes that the step took.
    fn reverse(self: Box<Self>, gradients: &mut Gradients, inputs: &[usize], dy: Buffer) -> Result<()>;
}

/// Of the first `count` nodes, which ones lead to something that gets a gradient: a tensor that is `trained`, or one of
/// the `inputs` that gets one.
pub(super) fn wanted(graph: &Graph, trained: &[bool], count: usize, inputs: &[bool]) -> Vec<bool> {
    let mut wanted = vec![false; count];
    for (index, node) in graph.nodes[..count].iter().enumerate() {
        wanted[index] = match inputs.get(index) {
            Some(&input) => input,
            None => {
                let trained = node.tensors.iter().any(|&tensor| trained[tensor]);
                trained || node.inputs.iter().any(|&input| wanted[input])
            }
        };
    }
    wanted
}

/// The gradients that are there so far in a reverse pass.
pub(super) struct Gradients {
    pub(super) context: Context,
    /// Of the nodes.
    values: Vec<Option<Buffer>>,
    /// Of the graph's tensors.
    parameters: Vec<Option<Vec<f32>>>,
}

impl Gradients {
    pub(super) fn new(context: Context) -> Gradients {
        let parameters = vec![None; context.model.graph.tensors.len()];
        let values = context.wanted.iter().map(|_| None).collect();
        Gradients { context, values, parameters }
    }

    pub(super) fn wants(&self, node: usize) -> bool {
        self.context.wanted[node]
    }

    /// Whether there is a part of the node's gradient already.
    pub(super) fn has(&self, node: usize) -> bool {
        self.values[node].is_some()
    }

    /// Adds a part of a node's gradient of `len` values, which `part` writes or adds to what is there.
    pub(super) fn add(&mut self, node: usize, len: usize, part: impl FnOnce(&mut [f32], Update)) {
        if let Some(gradient) = &mut self.values[node] {
            return part(gradient, Update::Add);
        }
        let mut gradient = self.context.buffer(len);
        part(&mut gradient, Update::Replace);
        self.values[node] = Some(gradient);
    }

    /// Adds a part that is still needed itself.
    pub(super) fn add_copy(&mut self, node: usize, part: &[f32]) {
        self.add(node, part.len(), |to, update| match update {
            Update::Replace => ops::copy_assign(to, part),
            Update::Add => ops::add_assign(to, part),
        });
    }

    /// Adds a part of a node's gradient whose memory is not needed any more.
    pub(super) fn give(&mut self, node: usize, part: Buffer) {
        match &mut self.values[node] {
            Some(gradient) => ops::add_assign(gradient, &part),
            empty => *empty = Some(part),
        }
    }

    /// The node's gradient, which is complete.
    pub(super) fn take(&mut self, node: usize) -> Option<Buffer> {
        self.values[node].take()
    }

    /// Adds the gradient of one of the graph's tensors, unless that is frozen.
    pub(super) fn parameter(&mut self, tensor: usize, part: Vec<f32>) {
        if !self.context.trained[tensor] {
            return;
        }
        match &mut self.parameters[tensor] {
            Some(gradient) => ops::add_assign(gradient, &part),
            empty => *empty = Some(part),
        }
    }

    pub(super) fn into_parameters(self) -> Vec<Option<Vec<f32>>> {
        self.parameters
    }
}
