//! Attention in PyTorch's layout, written as the layers it is made of: what lies in one matrix there can then be removed head
//! by head.

use std::collections::{HashMap, HashSet};

use crate::Result;
use crate::nn::{Graph, LinearConfig, Node, Operator, Parts, TensorSpec};

/// The same model, each multi-head attention as linear layers, slices and the attention itself. Where queries, keys and values are
/// one input, all tensors stay what they are and keep their names; elsewhere the projection is cut in three. The last of the
/// layers has the name that the attention had.
pub(super) fn unfolded(parts: Parts) -> Result<Parts> {
    let Parts { graph, tensors, frozen, masks, device } = parts;
    // Tensors of which some layer projects different inputs.
    let is_attention = |node: &&Node| matches!(node.operator, Operator::MultiHeadAttention { .. });
    let crossed: HashSet<usize> = graph
        .nodes
        .iter()
        .filter(is_attention)
        .filter(|node| node.inputs.windows(2).any(|pair| pair[0] != pair[1]))
        .flat_map(|node| node.tensors.first().copied())
        .collect();
    let mut new = Unfolding {
        graph: Graph { nodes: Vec::new(), tensors: graph.tensors, outputs: graph.outputs },
        tensors,
        frozen,
        masks,
        cut: HashMap::new(),
        taken: graph.nodes.iter().map(|node| node.name.clone()).collect(),
    };
    // Where each node's output is now, and the layers that an attention became, in their order.
    let (mut places, mut layers) = (Vec::with_capacity(graph.nodes.len()), HashMap::new());
    for (index, mut node) in graph.nodes.into_iter().enumerate() {
        node.inputs.iter_mut().for_each(|input| *input = places[*input]);
        if !matches!(node.operator, Operator::MultiHeadAttention { .. }) {
            node.shares = node.shares.map(|owner| places[owner]);
            places.push(new.push(node));
            continue;
        }
        let owner: Option<&Vec<usize>> = node.shares.and_then(|owner| layers.get(&owner));
        let owner = owner.cloned().unwrap_or_default();
        let made = match node.tensors.first().is_some_and(|tensor| crossed.contains(tensor)) {
            true => new.cross(node, &owner)?,
            false => new.own(node, &owner),
        };
        places.push(made.last().copied().unwrap_or_default());
        layers.insert(index, made);
    }
    new.graph.outputs.iter_mut().for_each(|output| output.node = places[output.node]);
    // What was cut in three has no place any more.
    let gone: HashSet<usize> = new.cut.keys().copied().collect();
    Ok(new.without(&gone, device))
}

/// What an attention projects, in the order of its matrix.
const PARTS: [&str; 3] = ["query", "key", "value"];

/// The attention that a layer called `layer` was unfolded from, if it may have been.
pub(super) fn attention_of(layer: &str) -> Option<&str> {
    let (attention, part) = layer.rsplit_once('.')?;
    (part == "in_proj" || PARTS.contains(&part)).then_some(attention)
}

struct Unfolding {
    graph: Graph,
    tensors: Vec<candle_core::Tensor>,
    frozen: Vec<bool>,
    masks: Vec<Option<candle_core::Tensor>>,
    /// For the weight and the bias of a projection of three its parts.
    cut: HashMap<usize, [usize; 3]>,
    taken: HashSet<String>,
}

impl Unfolding {
    fn push(&mut self, node: Node) -> usize {
        self.graph.nodes.push(node);
        self.graph.nodes.len() - 1
    }

    /// A layer of the attention called `of`; the name of `node` says which.
    fn layer(&mut self, of: &str, mut node: Node) -> usize {
        node.name = format!("{of}.{}", node.name);
        while !self.taken.insert(node.name.clone()) {
            node.name.push('_');
        }
        self.push(node)
    }

    /// Where queries, keys and values are one input.
    fn own(&mut self, node: Node, owner: &[usize]) -> Vec<usize> {
        let [features, heads] = sizes(&node);
        let tokens = node.shape.first().copied().unwrap_or_default();
        let projection = Node {
            name: "in_proj".into(),
            operator: linear(features, 3 * features),
            inputs: vec![node.inputs[0]],
            tensors: node.tensors[..2].to_vec(),
            shares: owner.first().copied(),
            shape: vec![tokens, 3 * features],
        };
        let projected = self.layer(&node.name, projection);
        let mut made = vec![projected];
        for (at, name) in PARTS.into_iter().enumerate() {
            let operator = Operator::Slice { dim: 1, range: at * features..(at + 1) * features };
            let slice = without_tensors(name, operator, vec![projected], &node.shape);
            made.push(self.layer(&node.name, slice));
        }
        self.finish(node, heads, made, owner)
    }

    /// Where they are not.
    fn cross(&mut self, node: Node, owner: &[usize]) -> Result<Vec<usize>> {
        let [features, heads] = sizes(&node);
        let weights = self.parts_of(&node, node.tensors[0], "weight", features)?;
        let biases = self.parts_of(&node, node.tensors[1], "bias", features)?;
        let mut made = Vec::new();
        for (at, name) in PARTS.into_iter().enumerate() {
            let input = node.inputs[at];
            let projection = Node {
                name: name.into(),
                operator: linear(features, features),
                inputs: vec![input],
                tensors: vec![weights[at], biases[at]],
                shares: owner.get(at).copied(),
                shape: self.graph.nodes[input].shape.clone(),
            };
            made.push(self.layer(&node.name, projection));
        }
        Ok(self.finish(node, heads, made, owner))
    }

    /// The attention over the last three layers of `made`, and the projection behind it.
    fn finish(&mut self, node: Node, heads: usize, mut made: Vec<usize>, owner: &[usize]) -> Vec<usize> {
        let [features, _] = sizes(&node);
        let inputs = made[made.len() - 3..].to_vec();
        let operator = Operator::ScaledDotProductAttention { num_heads: heads };
        let attention = without_tensors("attention", operator, inputs, &node.shape);
        let attention = self.layer(&node.name, attention);
        let behind = Node {
            operator: linear(features, features),
            inputs: vec![attention],
            tensors: node.tensors[2..].to_vec(),
            shares: owner.last().copied(),
            ..node
        };
        made.push(attention);
        made.push(self.push(behind));
        made
    }

    /// The thirds of a tensor for queries, keys and values, made once.
    fn parts_of(&mut self, node: &Node, tensor: usize, kind: &str, features: usize) -> Result<[usize; 3]> {
        if let Some(parts) = self.cut.get(&tensor) {
            return Ok(*parts);
        }
        let first = self.tensors.len();
        for (at, name) in PARTS.into_iter().enumerate() {
            let third = |whole: &candle_core::Tensor| -> Result<candle_core::Tensor> {
                Ok(whole.narrow(0, at * features, features)?.contiguous()?)
            };
            let part = third(&self.tensors[tensor])?;
            let mask = self.masks[tensor].as_ref().map(third).transpose()?;
            let spec = &self.graph.tensors[tensor];
            let mut free = format!("{}.{name}.{kind}", node.name);
            while self.graph.tensors.iter().any(|spec| spec.name == free) {
                free.push('_');
            }
            let spec = TensorSpec {
                name: free,
                shape: part.dims().to_vec(),
                initial: spec.initial,
                role: spec.role,
            };
            self.graph.tensors.push(spec);
            self.tensors.push(part);
            self.frozen.push(self.frozen[tensor]);
            self.masks.push(mask);
        }
        let parts = [first, first + 1, first + 2];
        self.cut.insert(tensor, parts);
        Ok(parts)
    }

    /// All of it but the tensors that are gone.
    fn without(mut self, gone: &HashSet<usize>, device: candle_core::Device) -> Parts {
        let kept: Vec<usize> = (0..self.tensors.len()).filter(|place| !gone.contains(place)).collect();
        let new: HashMap<usize, usize> = kept.iter().enumerate().map(|(new, &old)| (old, new)).collect();
        for node in &mut self.graph.nodes {
            node.tensors.iter_mut().for_each(|tensor| *tensor = new[tensor]);
        }
        self.graph.tensors = kept.iter().map(|&place| self.graph.tensors[place].clone()).collect();
        let tensors = kept.iter().map(|&place| self.tensors[place].clone()).collect();
        let frozen = kept.iter().map(|&place| self.frozen[place]).collect();
        let masks = kept.iter().map(|&place| self.masks[place].clone()).collect();
        Parts { graph: self.graph, tensors, frozen, masks, device }
    }
}

/// The features and the heads of an attention.
fn sizes(node: &Node) -> [usize; 2] {
    match node.operator {
        Operator::MultiHeadAttention { embed_dim, num_heads } => [embed_dim, num_heads],
        _ => [0, 0],
    }
}

fn without_tensors(name: &str, operator: Operator, inputs: Vec<usize>, shape: &[usize]) -> Node {
    Node { name: name.into(), operator, inputs, tensors: Vec::new(), shares: None, shape: shape.to_vec() }
}

fn linear(in_features: usize, out_features: usize) -> Operator {
    Operator::Linear { in_features, out_features, config: LinearConfig::default() }
}
