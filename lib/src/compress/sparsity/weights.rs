//! Which tensors of a graph are weights that can be pruned one by one.

use super::report::{LeftOut, LeftOutReason};
use crate::nn::{Graph, Operator};
use crate::pattern::matches;

/// A tensor whose values are multiplied with what a layer takes.
#[derive(Debug, Clone)]
pub(super) struct Weight {
    /// Among the graph's tensors.
    pub(super) tensor: usize,
    pub(super) name: String,
    /// The layers that have it: several where it is shared.
    pub(super) layers: Vec<String>,
    pub(super) shape: Vec<usize>,
    /// The dimension of its inputs.
    pub(super) inputs: usize,
}

impl Weight {
    /// The weights of a graph, in the order of its layers.
    pub(super) fn of(graph: &Graph) -> Vec<Weight> {
        let mut weights: Vec<Weight> = Vec::new();
        for node in graph.nodes() {
            let of_node: &[(usize, usize)] = match &node.operator {
                Operator::Conv2d { .. } | Operator::Linear { .. } => &[(0, 1)],
                Operator::ConvTranspose2d { .. } => &[(0, 0)],
                // Of queries, keys and values together, and of what lies behind.
                Operator::MultiHeadAttention { .. } => &[(0, 1), (2, 1)],
                _ => &[],
            };
            for &(at, inputs) in of_node {
                let Some(&tensor) = node.tensors.get(at) else { continue };
                match weights.iter_mut().find(|weight| weight.tensor == tensor) {
                    Some(weight) => weight.layers.push(node.name.clone()),
                    None => {
                        let spec = &graph.tensors()[tensor];
                        let (name, shape) = (spec.name.clone(), spec.shape.clone());
                        weights.push(Weight { tensor, name, layers: vec![node.name.clone()], shape, inputs });
                    }
                }
            }
        }
        weights
    }

    /// Whether a pattern of names means it.
    pub(super) fn is(&self, pattern: &str) -> bool {
        matches(pattern, &self.name) || self.layers.iter().any(|layer| matches(pattern, layer))
    }

    pub(super) fn len(&self) -> usize {
        self.shape.iter().product()
    }
}

/// The layers into which nothing can look, but that have parameters.
pub(super) fn opaque(graph: &Graph) -> Vec<LeftOut> {
    let own = graph.nodes().iter().filter(|node| matches!(node.operator, Operator::Map(_)));
    let with_tensors = own.filter(|node| !node.tensors.is_empty());
    with_tensors.map(|node| LeftOut { name: node.name.clone(), reason: LeftOutReason::OwnCode }).collect()
}
