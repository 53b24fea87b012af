//! A simulation read as steps on integers.

use super::check_inputs;
use super::place::takes_bounds;
use super::rewrite::uses;
use crate::Result;
use crate::nn::{Activation, Graph, Operator, Rounds, WeightPrecision, bytes_of};
use crate::ops::int8::Quantization;
use candle_core::Tensor;

/// Something that is computed at once.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    /// The node that says what is computed.
    pub(crate) node: usize,
    /// The node whose value comes out.
    pub(crate) output: usize,
    /// The nodes whose values go in.
    pub(crate) inputs: Vec<usize>,
    pub(crate) work: Work,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Work {
    /// The node's operator in f32.
    Float,
    /// What comes in is what goes out.
    Same,
    /// f32 to bytes, or bytes to others.
    Quantize(Quantization),
    /// A convolution or a linear layer; to f32 where there are no bytes to go to.
    Layer {
        input: Quantization,
        output: Option<Output>,
    },
    /// A linear layer of what is f32, rounded in the range that the batch has.
    Dynamic,
    Add(Output),
    Concat(Output),
    Mean(Output),
    /// Bytes whose order or number changes, or that become the byte of 0.
    Kept,
}

/// What bytes come out as, and their bounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Output {
    pub(crate) quantization: Quantization,
    pub(crate) low: u8,
    pub(crate) high: u8,
}

/// The steps that make the graph's outputs, in order. `tensor` gives the graph's tensors.
pub(super) fn steps(graph: &Graph, tensor: impl Fn(usize) -> Result<Tensor>) -> Result<Vec<Step>> {
    check_inputs(graph)?;
    let uses = uses(graph);
    let mut taken_by = vec![None; graph.nodes.len()];
    for (index, node) in graph.nodes.iter().enumerate() {
        node.inputs.iter().for_each(|&input| taken_by[input] = Some(index));
    }
    let mut ranges = vec![None; graph.nodes.len()];
    for (index, node) in graph.nodes.iter().enumerate() {
        if let (Operator::FakeQuantize { rounds: Rounds::Values, .. }, [range, _]) =
            (&node.operator, node.tensors.as_slice())
        {
            ranges[index] = bytes_of(&tensor(*range)?)?;
        }
    }
    let planner = Planner { graph, uses, taken_by, ranges };
    let mut bytes: Vec<Option<Quantization>> = vec![None; graph.nodes.len()];
    let mut done = vec![false; graph.nodes.len()];
    let mut steps = Vec::new();
    for index in 1..graph.nodes.len() {
        if done[index] {
            continue;
        }
        let (work, output) = planner.work(index, &bytes);
        let inputs = graph.nodes[index].inputs.clone();
        bytes[output] = match work {
            Work::Float | Work::Dynamic | Work::Layer { output: None, .. } => None,
            Work::Same | Work::Kept => bytes[inputs[0]],
            Work::Quantize(to) => Some(to),
            Work::Layer { output: Some(to), .. } | Work::Add(to) | Work::Concat(to) | Work::Mean(to) => {
                Some(to.quantization)
            }
        };
        // What lies between is part of the step.
        let mut at = index;
        while at != output {
            at = planner.taken_by[at].unwrap_or(output);
            done[at] = true;
        }
        steps.push(Step { node: index, output, inputs, work });
    }
    Ok(steps)
}

/// How often each of the `nodes` nodes' values is taken, by steps and as one of those `wanted`, where only what is needed for these is
/// computed.
pub(super) fn uses_of(steps: &[Step], nodes: usize, wanted: &[usize]) -> Vec<usize> {
    let mut uses = vec![0; nodes];
    wanted.iter().for_each(|&wanted| uses[wanted] += 1);
    for step in steps.iter().rev() {
        if uses[step.output] > 0 {
            step.inputs.iter().for_each(|&input| uses[input] += 1);
        }
    }
    uses
}

struct Planner<'a> {
    graph: &'a Graph,
    uses: Vec<usize>,
    /// A node that takes each node's value.
    taken_by: Vec<Option<usize>>,
    ranges: Vec<Option<Quantization>>,
}

impl Planner<'_> {
    /// What is done at a node, and the node whose value that gives.
    fn work(&self, index: usize, bytes: &[Option<Quantization>]) -> (Work, usize) {
        let node = &self.graph.nodes[index];
        let all_bytes = !node.inputs.is_empty() && node.inputs.iter().all(|&input| bytes[input].is_some());
        let first = node.inputs.first().and_then(|&input| bytes[input]);
        match (&node.operator, first) {
            (Operator::FakeQuantize { .. }, _) => match self.ranges[index] {
                Some(to) => (Work::Quantize(to), index),
                None => (Work::Same, index),
            },
            (Operator::Dropout { .. } | Operator::StochasticDepth { .. }, _) => (Work::Same, index),
            (Operator::Conv2d { .. } | Operator::Linear { .. }, Some(input))
                if node.operator.weight_precision() == WeightPrecision::Int8 =>
            {
                match self.end(index) {
                    Some((output, end)) => (Work::Layer { input, output: Some(output) }, end),
                    None => (Work::Layer { input, output: None }, index),
                }
            }
            (Operator::Linear { .. }, None) if node.operator.weight_precision() == WeightPrecision::Int8 => {
                (Work::Dynamic, index)
            }
            (
                Operator::Add
                | Operator::Concat { .. }
                | Operator::AvgPool2d(_)
                | Operator::AdaptiveAvgPool2d { .. }
                | Operator::GlobalAvgPool,
                Some(_),
            ) if all_bytes => match (self.end(index), &node.operator) {
                (Some((output, end)), Operator::Add) => (Work::Add(output), end),
                (Some((output, end)), Operator::Concat { dim })
                    if *dim == super::place::channel_dim(&node.shape) =>
                {
                    (Work::Concat(output), end)
                }
                (Some((output, end)), operator) if !matches!(operator, Operator::Concat { .. }) => {
                    (Work::Mean(output), end)
                }
                _ => (Work::Float, index),
            },
            (
                Operator::MaxPool2d(_)
                | Operator::Activation(Activation::Relu)
                | Operator::Flatten
                | Operator::ImageToTokens
                | Operator::Reshape { .. }
                | Operator::Permute { .. }
                | Operator::Slice { .. },
                Some(_),
            ) => (Work::Kept, index),
            _ => (Work::Float, index),
        }
    }

    /// The bytes that a node's value becomes right behind it, within bounds if a function makes some, and the node
    /// where they are.
    fn end(&self, index: usize) -> Option<(Output, usize)> {
        let only = |index: usize| (self.uses[index] == 1).then(|| self.taken_by[index]).flatten();
        let next = only(index)?;
        if let Some(quantization) = self.ranges[next] {
            return Some((Output { quantization, low: 0, high: 255 }, next));
        }
        let Operator::Activation(function @ (Activation::Relu | Activation::Relu6)) =
            self.graph.nodes[next].operator
        else {
            return None;
        };
        let end = only(next)?;
        let quantization = self.ranges[end].filter(|_| takes_bounds(&self.graph.nodes[index].operator))?;
        let high = if function == Activation::Relu6 { quantization.step(6.0) } else { 255 };
        Some((Output { quantization, low: quantization.zero_point, high }, end))
    }
}
