use std::collections::{HashMap, HashSet};

use super::describe::in_words;
use super::graph::{Graph, Node, TensorSpec, label, of_layer};
use super::initial::Initial;
use super::inputs::check_shape;
use super::operator::Operator;
use super::outputs::Output;
use super::weights::{Role, Weight};
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
    /// The layer whose tensors it takes, if it has none of its own.
    shares: Option<String>,
    /// Whether training never changes its tensors.
    frozen: bool,
    /// Unknown behind a layer that cannot be.
    shape: Option<Vec<usize>>,
    error: Option<Error>,
}

impl DraftNode {
    fn new(
        operator: Operator,
        inputs: Vec<usize>,
        shape: Option<Vec<usize>>,
        error: Option<Error>,
    ) -> DraftNode {
        let (name, initial, shares, frozen) = (None, Vec::new(), None, false);
        DraftNode { operator, inputs, name, initial, shares, frozen, shape, error }
    }
}

impl Draft {
    /// What goes in, before anything is made of it.
    pub(super) fn new(inputs: Vec<Vec<usize>>) -> Draft {
        let input = |shape: Vec<usize>| {
            let error = check_shape(&shape).err();
            // What cannot be has no shape that others could be worked out from.
            let shape = error.is_none().then_some(shape);
            DraftNode::new(Operator::Input, Vec::new(), shape, error)
        };
        Draft { nodes: inputs.into_iter().map(input).collect() }
    }

    /// A draft that is never finished, for values that outlive this one: each node has its place and its shape there.
    pub(super) fn left_behind(&self) -> Draft {
        let nodes = self.nodes.iter();
        let nodes = nodes.map(|node| DraftNode::new(Operator::Input, Vec::new(), node.shape.clone(), None));
        Draft { nodes: nodes.collect() }
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
        self.nodes.push(DraftNode::new(operator, inputs.to_vec(), shape, error));
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

    /// Lets the layer of a node take the tensors of the layer called `owner`.
    pub(super) fn share(&mut self, node: usize, owner: String) {
        self.check_tensors(node, "shares(…)");
        self.nodes[node].shares = Some(owner);
    }

    /// Makes tensors of a node that training never changes.
    pub(super) fn freeze(&mut self, node: usize) {
        self.check_tensors(node, "frozen()");
        self.nodes[node].frozen = true;
    }

    /// Refuses a layer that has no tensors, behind which `what` stands.
    fn check_tensors(&mut self, node: usize, what: &str) {
        if self.nodes[node].operator.weights().is_empty() {
            let got = format!("{what} behind one without");
            self.refuse(
                node,
                "a layer with tensors".into(),
                got,
                "Put it right behind the layer that has them.",
            );
        }
    }

    /// The graph of what `outputs` depend on. Layers that lead nowhere are left out, but must be right.
    pub(super) fn finish(self, outputs: Vec<Output>) -> Result<Graph> {
        let names = self.names()?;
        let owners = self.owners(&names);
        // What goes in stays, whatever is made of it.
        let mut needed: Vec<bool> = self.nodes.iter().map(|node| node.operator == Operator::Input).collect();
        outputs.iter().for_each(|output| needed[output.node] = true);
        for index in (0..self.nodes.len()).rev() {
            if needed[index] {
                self.nodes[index].inputs.iter().for_each(|&input| needed[input] = true);
            }
        }
        let chosen: Vec<_> = self.nodes.iter().map(|node| (node.initial.clone(), node.frozen)).collect();
        let mut taken = HashSet::new();
        let mut graph = Graph { nodes: Vec::new(), tensors: Vec::new(), outputs: Vec::new() };
        let mut places = HashMap::new();
        // Which node of the graph has the tensors of a layer; it need not be that layer, which may be left out.
        let mut holders: HashMap<usize, usize> = HashMap::new();
        for (index, (node, owner)) in self.nodes.into_iter().zip(owners).enumerate() {
            let (name, label) = (names[index].clone(), label(&node.operator, &names[index]));
            if let Some(error) = node.error {
                return Err(of_layer(error, label));
            }
            let owner = owner.map_err(|error| of_layer(error, label.clone()))?;
            if !needed[index] {
                continue;
            }
            let place = graph.nodes.len();
            places.insert(index, place);
            let holder = *holders.entry(owner).or_insert(place);
            let first = graph.tensors.len();
            let tensors = match graph.nodes.get(holder) {
                Some(holder) => holder.tensors.clone(),
                None => {
                    let (initial, frozen) = &chosen[owner];
                    graph.tensors.extend(specs(&node.operator, &names[owner], *frozen));
                    for &(place, initial) in initial {
                        graph.tensors[first + place].initial = initial;
                    }
                    (first..graph.tensors.len()).collect()
                }
            };
            if let Some(spec) = graph.tensors[first..].iter().find(|spec| !taken.insert(spec.name.clone())) {
                return Err(Error::Argument {
                    op: label,
                    expected: "parameters whose names no other layer's have".into(),
                    got: format!("{:?} twice", spec.name),
                    hint: "Give one of the layers another name.".into(),
                });
            }
            graph.nodes.push(Node {
                name,
                operator: node.operator,
                inputs: node.inputs.iter().map(|input| places[input]).collect(),
                tensors,
                shares: (holder != place).then_some(holder),
                shape: node.shape.unwrap_or_default(),
            });
        }
        let output = |output: Output| Output { node: places[&output.node], ..output };
        graph.outputs = outputs.into_iter().map(output).collect();
        Ok(graph)
    }

    /// For each node, the one whose tensors it takes, itself as a rule.
    fn owners(&self, names: &[String]) -> Vec<Result<usize>> {
        let mut owners: Vec<Result<usize>> = Vec::with_capacity(self.nodes.len());
        for (index, node) in self.nodes.iter().enumerate() {
            let Some(wanted) = &node.shares else {
                owners.push(Ok(index));
                continue;
            };
            let found = names[..index].iter().position(|name| name == wanted);
            let owner = match found.map(|place| (place, &self.nodes[place])) {
                Some((place, owner))
                    if owner.operator == node.operator && !node.frozen && node.initial.is_empty() =>
                {
                    // One that shares itself has the tensors of another.
                    Ok(owners.get(place).and_then(|owner| owner.as_ref().ok()).copied().unwrap_or(place))
                }
                found => Err(cannot_share(node, wanted, found.map(|(_, owner)| owner))),
            };
            owners.push(owner);
        }
        owners
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

/// The tensors of a layer called `name`.
fn specs(operator: &Operator, name: &str, frozen: bool) -> Vec<TensorSpec> {
    let spec = |weight: Weight| TensorSpec {
        name: match &*weight.name {
            "" => name.to_owned(),
            weight => format!("{name}.{weight}"),
        },
        shape: weight.shape,
        initial: weight.initial,
        role: if frozen { Role::Buffer } else { weight.role },
    };
    operator.weights().into_iter().map(spec).collect()
}

/// Why `node` cannot take the tensors of the layer called `wanted`, which is `owner` if there is one before it.
fn cannot_share(node: &DraftNode, wanted: &str, owner: Option<&DraftNode>) -> Error {
    let refused = |expected: String, got: String, hint: &str| Error::Argument {
        op: String::new(),
        expected,
        got,
        hint: hint.into(),
    };
    match owner {
        None => refused(
            "the name of a layer that was added before this one".into(),
            format!("shares({wanted:?})"),
            "Name the layer that has the tensors with `.named(\"…\")`.",
        ),
        Some(owner) if owner.operator != node.operator => refused(
            format!("the same layer as {wanted:?}, {}", in_words(&owner.operator)),
            in_words(&node.operator),
            "Layers that share tensors must agree in everything that decides their shapes and meaning.",
        ),
        Some(_) => refused(
            "what is said of tensors where they are, not where they are shared".into(),
            format!("initial(…) or frozen() beside shares({wanted:?})"),
            "Put it behind the layer that has the tensors.",
        ),
    }
}
