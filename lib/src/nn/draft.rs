use std::collections::{HashMap, HashSet};

use super::graph::{Graph, Node, TensorSpec, label, of_layer};
use super::initial::Initial;
use super::operator::Operator;
use crate::{Error, Result};

/// A graph while it is being built: its layers may still be wrong and have no names.
pub(super) struct Draft {
    nodes: Vec<DraftNode>,
}

struct DraftNode {
    operator: Operator,
    inputs: Vec<usize>,
    name: Option<String>,
    /// What tensors of the operator start as, by their place among its own, where that was chosen.
    initial: Vec<(usize, Initial)>,
    /// Unknown behind a layer that cannot be.
    shape: Option<Vec<usize>>,
    error: Option<Error>,
}

impl Draft {
    pub(super) fn new(input: [usize; 3]) -> Draft {
        let error = input.contains(&0).then(|| Error::Shape {
            op: String::new(),
            expected: "images (C, H, W) of at least one pixel".into(),
            got: format!("{input:?}"),
            hint: String::new(),
        });
        let (operator, shape) = (Operator::Input, Some(input.to_vec()));
        let (inputs, initial) = (Vec::new(), Vec::new());
        Draft { nodes: vec![DraftNode { operator, inputs, name: None, initial, shape, error }] }
    }

    /// The shape of a node's value, unless it is unknown.
    pub(super) fn shape(&self, node: usize) -> Option<&[usize]> {
        self.nodes[node].shape.as_deref()
    }

    /// Adds a node; `operator` makes it from the shape of the first input. Gives its index.
    pub(super) fn push(&mut self, inputs: &[usize], operator: impl FnOnce(&[usize]) -> Operator) -> usize {
        let shapes: Option<Vec<&[usize]>> =
            inputs.iter().map(|&input| self.nodes[input].shape.as_deref()).collect();
        let operator =
            operator(shapes.as_ref().and_then(|shapes| shapes.first().copied()).unwrap_or_default());
        let (shape, error) = match shapes.map(|shapes| operator.output_shape(&shapes)) {
            Some(Ok(shape)) => (Some(shape), None),
            Some(Err(error)) => (None, Some(error)),
            None => (None, None),
        };
        let (inputs, initial) = (inputs.to_vec(), Vec::new());
        self.nodes.push(DraftNode { operator, inputs, name: None, initial, shape, error });
        self.nodes.len() - 1
    }

    /// Notes that a node cannot be, unless something else is already wrong with it.
    pub(super) fn refuse(&mut self, node: usize, expected: String, got: String, hint: &str) {
        let node = &mut self.nodes[node];
        let error = Error::Argument { op: String::new(), expected, got, hint: hint.into() };
        node.error.get_or_insert(error);
    }

    pub(super) fn name(&mut self, node: usize, name: String) {
        let valid = !name.is_empty() && name.trim() == name && !name.contains(char::is_control);
        self.nodes[node].name = Some(name.clone());
        if !valid {
            let hint = "A name must not be empty, start or end with a space, or hold control characters.";
            self.refuse(node, "a name such as \"stem\"".into(), format!("{name:?}"), hint);
        }
    }

    /// Chooses what a tensor of a node starts as; the last choice counts.
    pub(super) fn initial(&mut self, node: usize, tensor: &str, initial: Initial) {
        if let Some(expected) = initial.problem() {
            return self.refuse(node, expected.into(), format!("{initial:?} for {tensor:?}"), "");
        }
        let node = &mut self.nodes[node];
        match node.operator.tensor_called(tensor) {
            Ok(place) => node.initial.push((place, initial)),
            Err(error) => {
                node.error.get_or_insert(error);
            }
        }
    }

    /// The graph of what `output` depends on. Layers that lead nowhere are left out, but must be right.
    pub(super) fn finish(self, output: usize) -> Result<Graph> {
        let names = self.names()?;
        let mut needed = vec![false; self.nodes.len()];
        needed[0] = true;
        needed[output] = true;
        for index in (0..self.nodes.len()).rev().filter(|&index| index <= output) {
            if needed[index] {
                self.nodes[index].inputs.iter().for_each(|&input| needed[input] = true);
            }
        }
        let mut taken = HashSet::new();
        let mut graph = Graph { nodes: Vec::new(), tensors: Vec::new(), outputs: Vec::new() };
        let mut places = HashMap::new();
        for (index, (node, name)) in self.nodes.into_iter().zip(names).enumerate() {
            if let Some(error) = node.error {
                return Err(of_layer(error, label(&node.operator, &name)));
            }
            if !needed[index] {
                continue;
            }
            places.insert(index, graph.nodes.len());
            let first = graph.tensors.len();
            graph.tensors.extend(node.operator.weights().into_iter().map(|weight| TensorSpec {
                name: match weight.name {
                    "" => name.clone(),
                    weight => format!("{name}.{weight}"),
                },
                shape: weight.shape,
                initial: weight.initial,
                role: weight.role,
            }));
            for (place, initial) in node.initial {
                graph.tensors[first + place].initial = initial;
            }
            if let Some(spec) = graph.tensors[first..].iter().find(|spec| !taken.insert(spec.name.clone())) {
                return Err(Error::Argument {
                    op: label(&node.operator, &name),
                    expected: "parameters whose names no other layer's have".into(),
                    got: format!("{:?} twice", spec.name),
                    hint: "Give one of the layers another name.".into(),
                });
            }
            graph.nodes.push(Node {
                name,
                operator: node.operator,
                inputs: node.inputs.iter().map(|input| places[input]).collect(),
                tensors: (first..graph.tensors.len()).collect(),
                shape: node.shape.unwrap_or_default(),
            });
        }
        graph.outputs = vec![places[&output]];
        Ok(graph)
    }

    /// Every node's name: its own, or its operator's with a number.
    fn names(&self) -> Result<Vec<String>> {
        let mut taken = HashSet::new();
        for node in &self.nodes {
            let Some(name) = &node.name else { continue };
            if !taken.insert(name.clone()) {
                return Err(Error::Argument {
                    op: label(&node.operator, name),
                    expected: "a name that no other layer has".into(),
                    got: format!("{name:?} twice"),
                    hint: "Number them, e.g. with format!(\"block{i}\").".into(),
                });
            }
        }
        let mut counts: HashMap<&str, usize> = HashMap::new();
        let mut next = |node: &DraftNode| {
            if node.operator == Operator::Input && taken.insert("input".into()) {
                return "input".into();
            }
            loop {
                let count = counts.entry(node.operator.name()).or_default();
                *count += 1;
                let name = format!("{}_{count}", node.operator.name());
                if taken.insert(name.clone()) {
                    return name;
                }
            }
        };
        Ok(self.nodes.iter().map(|node| node.name.clone().unwrap_or_else(|| next(node))).collect())
    }
}
