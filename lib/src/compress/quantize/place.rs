//! Which nodes are computed on integers, and where values become bytes.

use super::rewrite::uses;
use crate::Result;
use crate::nn::{
    Activation, Graph, Initial, Node, Operator, Parts, Role, Rounds, TensorSpec, WeightPrecision,
};

/// Decided for each node of a graph.
pub(super) struct Places {
    /// Whether it takes bytes.
    takes: Vec<bool>,
    /// Whether its value is rounded to bytes.
    pub(super) rounded: Vec<bool>,
    /// Whether its value stays f32, and would be rounded if what the model gives were bytes: its range is kept for files
    /// in which it is.
    observed: Vec<bool>,
}

/// How far bytes go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// To the last layer with a weight.
    Layers,
    /// To what the model gives.
    Outputs,
}

/// What a node can do with bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Always takes them: it has a weight.
    Weighted,
    /// Takes them if what comes behind it does, and gives new numbers.
    Computed,
    /// The same, and gives none but those that come in.
    Kept,
    /// A function of the layer before it that can be a bound there, and nothing by itself.
    Bound,
    /// Takes them if what comes behind it does, and gives bytes whose range is that of the function.
    Fixed,
    Float,
}

fn kind(graph: &Graph, node: &Node, reach: Reach) -> Kind {
    match &node.operator {
        Operator::Conv2d { .. } | Operator::Linear { .. } => Kind::Weighted,
        Operator::Add
        | Operator::AvgPool2d(_)
        | Operator::AdaptiveAvgPool2d { .. }
        | Operator::GlobalAvgPool => Kind::Computed,
        Operator::Concat { dim } if *dim == channel_dim(&graph.nodes[node.inputs[0]].shape) => Kind::Computed,
        Operator::Activation(Activation::Relu) => Kind::Kept,
        operator if moves_numbers(operator) => Kind::Kept,
        Operator::Activation(Activation::Relu6) => Kind::Bound,
        operator if reach == Reach::Outputs && has_fixed_range(operator) => Kind::Fixed,
        _ => Kind::Float,
    }
}

/// Whether a function's values have a range of their own, whatever comes in.
pub(crate) fn has_fixed_range(operator: &Operator) -> bool {
    matches!(
        operator,
        Operator::Softmax { .. }
            | Operator::LogSoftmax { .. }
            | Operator::Activation(Activation::Sigmoid | Activation::Tanh)
    )
}

/// Whether an operator, outside of training, gives numbers that it was given, and computes none.
pub(crate) fn moves_numbers(operator: &Operator) -> bool {
    matches!(
        operator,
        Operator::MaxPool2d(_)
            | Operator::Flatten
            | Operator::ImageToTokens
            | Operator::Reshape { .. }
            | Operator::Permute { .. }
            | Operator::Slice { .. }
            | Operator::Dropout { .. }
            | Operator::StochasticDepth { .. }
    )
}

/// The dimension of an image's value that lies innermost.
pub(super) fn channel_dim(shape: &[usize]) -> usize {
    if shape.len() == 3 { 0 } else { shape.len().saturating_sub(1) }
}

/// Whether what follows a layer can be bounds on its bytes.
pub(super) fn takes_bounds(operator: &Operator) -> bool {
    matches!(operator, Operator::Conv2d { .. } | Operator::Linear { .. } | Operator::Add)
}

impl Places {
    pub(super) fn of(graph: &Graph, excluded: &[bool]) -> Places {
        let (takes, rounded) = reached(graph, excluded, Reach::Layers);
        let (taking, rounding) = reached(graph, excluded, Reach::Outputs);
        let observed = (0..takes.len()).map(|at| taking[at] && rounding[at] && !rounded[at]).collect();
        Places { takes, rounded, observed }
    }

    /// The nodes whose values are rounded, or observed.
    pub(super) fn nodes(&self) -> Vec<usize> {
        (0..self.rounded.len()).filter(|&index| self.rounded[index] || self.observed[index]).collect()
    }

    /// The nodes whose values stay f32, with their range beside them.
    pub(super) fn observed(&self) -> Vec<usize> {
        (0..self.observed.len()).filter(|&index| self.observed[index]).collect()
    }

    /// The layers whose weights are rounded.
    pub(super) fn layers(&self, graph: &Graph) -> Vec<usize> {
        let weighted =
            |node: &Node| matches!(node.operator, Operator::Conv2d { .. } | Operator::Linear { .. });
        (0..self.takes.len()).filter(|&index| self.takes[index] && weighted(&graph.nodes[index])).collect()
    }

    /// The graph with fake quantization behind what is rounded or observed, in the `ranges` of [`Places::nodes`], and
    /// the place of each old node in it.
    pub(super) fn simulation(
        &self,
        parts: Parts,
        ranges: &[[f32; 2]],
        observing: Observing,
    ) -> Result<(Parts, Vec<usize>)> {
        let Parts { graph, mut tensors, mut frozen, mut masks, device } = parts;
        let mut new = Graph { nodes: Vec::new(), tensors: graph.tensors, outputs: graph.outputs };
        // Where a value is, and where it is in bytes.
        let mut places: Vec<(usize, usize)> = Vec::new();
        let mut own = Vec::new();
        let mut ranges = ranges.iter();
        let (momentum, observing) = match observing {
            Observing::No => (0.01, 0.0),
            Observing::Yes { momentum } => (momentum, 1.0_f32),
        };
        let names: Vec<String> = graph.nodes.iter().map(|node| node.name.clone()).collect();
        for (index, mut node) in graph.nodes.into_iter().enumerate() {
            let takes = self.takes[index];
            node.inputs.iter_mut().for_each(|input| {
                // What is computed on integers is there in bytes only.
                let (raw, bytes) = places[*input];
                *input = if takes || self.takes[*input] { bytes } else { raw };
            });
            node.shares = node.shares.map(|owner| own[owner]);
            if takes {
                match &mut node.operator {
                    Operator::Conv2d { config, .. } => config.weights = WeightPrecision::Int8,
                    Operator::Linear { config, .. } => config.weights = WeightPrecision::Int8,
                    _ => {}
                }
            }
            let (name, shape) = (node.name.clone(), node.shape.clone());
            new.nodes.push(node);
            let raw = new.nodes.len() - 1;
            own.push(raw);
            let rounds = match (self.rounded[index], self.observed[index]) {
                (true, _) => Rounds::Values,
                (false, true) => Rounds::Nothing,
                (false, false) => {
                    places.push((raw, raw));
                    continue;
                }
            };
            let mut name = format!("{name}.int8");
            while names.contains(&name) {
                name.push('_');
            }
            let range = ranges.next().copied().unwrap_or_default().to_vec();
            for (of, values) in [("range", range), ("observing", vec![observing])] {
                let shape = vec![values.len()];
                new.tensors.push(TensorSpec {
                    name: format!("{name}.{of}"),
                    shape: shape.clone(),
                    initial: Initial::Constant(if of == "range" { 0.0 } else { 1.0 }),
                    role: Role::Buffer,
                });
                tensors.push(candle_core::Tensor::from_vec(values, shape, &device)?);
                frozen.push(false);
                masks.push(None);
            }
            let count = tensors.len();
            new.nodes.push(Node {
                name,
                operator: Operator::FakeQuantize { momentum, rounds },
                inputs: vec![raw],
                tensors: vec![count - 2, count - 1],
                shares: None,
                shape,
            });
            // Whoever takes what is only observed takes it from there, lest nothing needs the observer.
            places.push(if rounds == Rounds::Values { (raw, raw + 1) } else { (raw + 1, raw + 1) });
        }
        for output in &mut new.outputs {
            let (raw, bytes) = places[output.node];
            output.node = if self.takes[output.node] { bytes } else { raw };
        }
        Ok((Parts { graph: new, tensors, frozen, masks, device }, own))
    }
}

/// Of each node, whether it takes bytes, and whether its value is rounded to some.
fn reached(graph: &Graph, excluded: &[bool], reach: Reach) -> (Vec<bool>, Vec<bool>) {
    let (count, uses) = (graph.nodes.len(), uses(graph));
    let kinds: Vec<Kind> = graph.nodes.iter().map(|node| kind(graph, node, reach)).collect();
    let bounds = |index: usize| {
        let node = &graph.nodes[index];
        let is_bound = matches!(node.operator, Operator::Activation(Activation::Relu | Activation::Relu6));
        is_bound && uses[node.inputs[0]] == 1 && takes_bounds(&graph.nodes[node.inputs[0]].operator)
    };
    // Whether its value can be made of bytes alone.
    let mut able = vec![false; count];
    for (index, node) in graph.nodes.iter().enumerate() {
        let inputs = node.inputs.iter().all(|&input| able[input]);
        able[index] = !excluded[index]
            && match kinds[index] {
                Kind::Weighted => true,
                Kind::Computed | Kind::Kept | Kind::Fixed => inputs,
                Kind::Bound => inputs && bounds(index),
                Kind::Float => false,
            };
    }
    let (mut takes, mut wanted) = (vec![false; count], vec![false; count]);
    if reach == Reach::Outputs {
        graph.outputs.iter().for_each(|output| wanted[output.node] = true);
    }
    for index in (0..count).rev() {
        takes[index] = able[index] && (kinds[index] == Kind::Weighted || wanted[index]);
        if takes[index] {
            graph.nodes[index].inputs.iter().for_each(|&input| wanted[input] = true);
        }
    }
    let gives = |index: usize| takes[index] && matches!(kinds[index], Kind::Kept | Kind::Fixed);
    let mut rounded: Vec<bool> = (0..count).map(|index| wanted[index] && !gives(index)).collect();
    for index in (0..count).filter(|&index| takes[index] && bounds(index)) {
        // What is bounded is rounded once, behind its bounds.
        let before = graph.nodes[index].inputs[0];
        if takes[before] {
            (rounded[before], rounded[index]) = (false, true);
        }
    }
    (takes, rounded)
}

/// Whether ranges follow what comes in.
#[derive(Clone, Copy)]
pub(super) enum Observing {
    No,
    Yes { momentum: f64 },
}
