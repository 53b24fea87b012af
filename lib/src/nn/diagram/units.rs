//! Layers with what directly follows them: a convolution, its norm and its activation are one box.

use super::super::graph::{Graph, Node};
use super::super::operator::Operator;

/// The nodes of a graph in boxes.
pub(super) struct Units {
    /// The nodes of each, in their order.
    pub(super) units: Vec<Vec<usize>>,
    /// Those that each takes its inputs from, each once.
    pub(super) inputs: Vec<Vec<usize>>,
    /// The parts of the name that each has with others: `layer1`, `0`.
    pub(super) paths: Vec<Vec<String>>,
}

impl Units {
    pub(super) fn of(graph: &Graph) -> Units {
        let mut consumers = vec![0; graph.nodes.len()];
        graph.nodes.iter().flat_map(|node| &node.inputs).for_each(|&input| consumers[input] += 1);
        graph.outputs.iter().for_each(|output| consumers[output.node] += 1);
        let mut unit_of = vec![0; graph.nodes.len()];
        let mut units: Vec<Vec<usize>> = Vec::new();
        for (index, node) in graph.nodes.iter().enumerate() {
            let before = match node.inputs.as_slice() {
                [input] if is_light(&node.operator) && consumers[*input] == 1 => Some(*input),
                _ => None,
            };
            match before.filter(|&input| graph.nodes[input].operator != Operator::Input) {
                Some(input) => {
                    unit_of[index] = unit_of[input];
                    units[unit_of[input]].push(index);
                }
                None => {
                    unit_of[index] = units.len();
                    units.push(vec![index]);
                }
            }
        }
        let inputs: Vec<Vec<usize>> = units
            .iter()
            .map(|nodes| {
                let mut inputs: Vec<usize> =
                    graph.nodes[nodes[0]].inputs.iter().map(|&input| unit_of[input]).collect();
                inputs.sort_unstable();
                inputs.dedup();
                inputs
            })
            .collect();
        let paths = paths(graph, &units, &inputs);
        Units { units, inputs, paths }
    }

    /// The most parts that a path has.
    pub(super) fn deepest(&self) -> usize {
        self.paths.iter().map(Vec::len).max().unwrap_or(0)
    }
}

/// Whether an operator has no box of its own where it follows another.
fn is_light(operator: &Operator) -> bool {
    !matches!(
        operator,
        Operator::Input
            | Operator::Conv2d { .. }
            | Operator::ConvTranspose2d { .. }
            | Operator::Linear { .. }
            | Operator::MaxPool2d(_)
            | Operator::AvgPool2d(_)
            | Operator::AdaptiveAvgPool2d { .. }
            | Operator::GlobalAvgPool
            | Operator::Interpolate { .. }
            | Operator::Concat { .. }
            | Operator::Add
            | Operator::Multiply
            | Operator::ScaledDotProductAttention { .. }
            | Operator::MultiHeadAttention { .. }
            | Operator::Map(_)
    )
}

/// Whether a node's name is one that it was given: others are the operator's with a number.
pub(super) fn is_named(node: &Node) -> bool {
    let number = node.name.strip_prefix(node.operator.name()).and_then(|rest| rest.strip_prefix('_'));
    number.is_none_or(|number| number.is_empty() || !number.bytes().all(|digit| digit.is_ascii_digit()))
}

fn paths(graph: &Graph, units: &[Vec<usize>], inputs: &[Vec<usize>]) -> Vec<Vec<String>> {
    let parts = |name: &str| name.split('.').map(str::to_owned).collect::<Vec<_>>();
    // A name that others continue is that of a part, whose output it is.
    let is_part = |name: &str| {
        let continued =
            |other: &Node| other.name.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'));
        graph.nodes.iter().any(continued)
    };
    let own = |nodes: &Vec<usize>| {
        let mut named = nodes.iter().map(|&node| &graph.nodes[node]).filter(|node| is_named(node));
        named.next().map(|node| {
            let mut path = parts(&node.name);
            if !is_part(&node.name) {
                path.pop();
            }
            path
        })
    };
    let mut paths: Vec<Option<Vec<String>>> = units.iter().map(own).collect();
    // What has no name belongs to what it feeds.
    for unit in (0..units.len()).rev() {
        let fed = (unit + 1..units.len()).filter(|&other| inputs[other].contains(&unit));
        if paths[unit].is_none() && inputs[unit].len() < 2 {
            let fed: Option<Vec<Vec<String>>> = fed.map(|other| paths[other].clone()).collect();
            paths[unit] = Some(shared(&fed.unwrap_or_default()));
        }
    }
    // What joins others belongs to them: a sum to the way that it ends, the last one.
    for unit in 0..units.len() {
        if inputs[unit].len() < 2 {
            continue;
        }
        let from: Vec<Vec<String>> =
            inputs[unit].iter().map(|&input| paths[input].clone().unwrap_or_default()).collect();
        let joined = match graph.nodes[units[unit][0]].operator {
            Operator::Concat { .. } => shared(&from),
            _ => from.last().cloned().unwrap_or_default(),
        };
        if joined.starts_with(paths[unit].as_deref().unwrap_or_default()) {
            paths[unit] = Some(joined);
        }
    }
    paths.into_iter().map(Option::unwrap_or_default).collect()
}

/// The parts that all paths begin with.
fn shared(paths: &[Vec<String>]) -> Vec<String> {
    let Some((first, rest)) = paths.split_first() else { return Vec::new() };
    let length =
        (0..first.len()).take_while(|&at| rest.iter().all(|path| path.get(at) == first.get(at))).count();
    first[..length].to_vec()
}
