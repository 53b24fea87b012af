//! Graphs put together again after some of their nodes have gone.

use std::collections::HashMap;

use candle_core::Tensor;

use crate::nn::{Graph, OutputUse, Parts};

/// How many nodes and outputs take each node's value.
pub(super) fn uses(graph: &Graph) -> Vec<usize> {
    let mut uses = vec![0; graph.nodes.len()];
    graph.nodes.iter().flat_map(|node| &node.inputs).for_each(|&input| uses[input] += 1);
    graph.outputs.iter().for_each(|output| uses[output.node] += 1);
    uses
}

/// Whether another node has tensors of this one.
pub(super) fn is_shared(graph: &Graph, node: usize) -> bool {
    let shares = |other: &crate::nn::Node| other.shares == Some(node);
    graph.nodes[node].shares.is_some() || graph.nodes.iter().any(shares)
}

/// The same model without what is for training only.
pub(crate) fn in_use(mut parts: Parts) -> Parts {
    parts.graph.outputs.retain(|output| output.when == OutputUse::Always);
    compact(parts, &HashMap::new())
}

/// What is left where some nodes' places are taken by others, each by one that comes before it: nodes and tensors
/// that nothing needs any more are gone.
pub(super) fn compact(parts: Parts, stand_in: &HashMap<usize, usize>) -> Parts {
    let Parts { graph, tensors, frozen, masks, device } = parts;
    let resolved = |mut node: usize| {
        while let Some(&other) = stand_in.get(&node) {
            node = other;
        }
        node
    };
    let mut needed = vec![false; graph.nodes.len()];
    needed[..graph.inputs().len()].fill(true);
    graph.outputs.iter().for_each(|output| needed[resolved(output.node)] = true);
    for index in (0..needed.len()).rev() {
        if needed[index] {
            graph.nodes[index].inputs.iter().for_each(|&input| needed[resolved(input)] = true);
        }
    }
    let Graph { nodes, tensors: specs, mut outputs } = graph;
    let (mut places, mut new_nodes) = (vec![0; nodes.len()], Vec::new());
    // Whoever comes first of those that share tensors owns them.
    let mut owners: HashMap<usize, usize> = HashMap::new();
    let (mut kept, mut new_tensors) = (HashMap::new(), Vec::new());
    for (index, mut node) in nodes.into_iter().enumerate() {
        if !needed[index] {
            continue;
        }
        node.inputs.iter_mut().for_each(|input| *input = places[resolved(*input)]);
        let first = node.shares.unwrap_or(index);
        node.shares = owners.get(&first).copied();
        owners.entry(first).or_insert(new_nodes.len());
        for tensor in &mut node.tensors {
            *tensor = *kept.entry(*tensor).or_insert_with(|| {
                new_tensors.push(*tensor);
                new_tensors.len() - 1
            });
        }
        places[index] = new_nodes.len();
        new_nodes.push(node);
    }
    outputs.iter_mut().for_each(|output| output.node = places[resolved(output.node)]);
    let pick = |tensor: &usize| -> Tensor { tensors[*tensor].clone() };
    Parts {
        tensors: new_tensors.iter().map(pick).collect(),
        frozen: new_tensors.iter().map(|&tensor| frozen[tensor]).collect(),
        masks: new_tensors.iter().map(|&tensor| masks[tensor].clone()).collect(),
        graph: Graph {
            nodes: new_nodes,
            tensors: new_tensors.iter().map(|&tensor| specs[tensor].clone()).collect(),
            outputs,
        },
        device,
    }
}
