use serde::{Deserialize, Serialize};

use super::initial::Initial;
use super::operator::Operator;
use super::outputs::{Output, OutputUse};
use super::weights::Role;
use crate::{Error, Result};

/// A model as data: what is computed from what, in an order in which it can be computed. Everything
/// that looks into a model or changes it reads this.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Graph {
    pub(crate) nodes: Vec<Node>,
    pub(crate) tensors: Vec<TensorSpec>,
    pub(crate) outputs: Vec<Output>,
}

/// One operation of a [`Graph`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Unique in the graph: the name given with `named`, or the operator's with a number, `conv2d_1`.
    pub name: String,
    /// What it computes.
    pub operator: Operator,
    /// The nodes whose outputs it takes, by index; all come before it.
    pub inputs: Vec<usize>,
    /// Its weights among [`Graph::tensors`], by index, in the order the operator takes them.
    pub tensors: Vec<usize>,
    /// The node before it whose tensors it takes, by index, where it has none of its own.
    pub shares: Option<usize>,
    /// The shape of its output for the image size that the model was built with, without the batch.
    pub shape: Vec<usize>,
}

/// A tensor that a model keeps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TensorSpec {
    /// Its name in the state and in saved files: the layer's, a dot and its own, `stem.weight`.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// What it starts as.
    pub initial: Initial,
    /// Who changes it.
    pub role: Role,
}

impl Node {
    /// The layer as errors name it: `conv2d "stem"`.
    pub(crate) fn label(&self) -> String {
        label(&self.operator, &self.name)
    }
}

pub(super) fn label(operator: &Operator, name: &str) -> String {
    format!("{} {name:?}", operator.name())
}

/// The error of an operator as one of the layer `label`.
pub(crate) fn of_layer(error: Error, label: String) -> Error {
    match error {
        Error::Shape { expected, got, hint, .. } => Error::Shape { op: label, expected, got, hint },
        Error::Argument { expected, got, hint, .. } => Error::Argument { op: label, expected, got, hint },
        other => other,
    }
}

impl Graph {
    /// The operations, each after those it takes its inputs from. The first ones are the inputs.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The parameters and buffers, layer by layer.
    #[must_use]
    pub fn tensors(&self) -> &[TensorSpec] {
        &self.tensors
    }

    /// The model's outputs, the main one first.
    #[must_use]
    pub fn outputs(&self) -> &[Output] {
        &self.outputs
    }

    /// The node called `name`.
    ///
    /// # Errors
    /// If there is none; the error lists the names there are.
    pub fn node(&self, name: &str) -> Result<&Node> {
        Ok(&self.nodes[self.index(name)?])
    }

    pub(crate) fn index(&self, name: &str) -> Result<usize> {
        self.nodes.iter().position(|node| node.name == name).ok_or_else(|| {
            let names: Vec<&str> = self.nodes.iter().map(|node| node.name.as_str()).collect();
            Error::Argument {
                op: "Graph::node".into(),
                expected: format!("one of the layers {}", names.join(", ")),
                got: format!("{name:?}"),
                hint: "Name a layer of yours with `.named(\"…\")` where the model is built.".into(),
            }
        })
    }

    /// The shape of every node's output for images [C, H, W] of another size than the model was built with.
    ///
    /// # Errors
    /// If a layer cannot take them, which the error names, or the model has other inputs than images alone.
    pub fn infer(&self, image: [usize; 3]) -> Result<Vec<Vec<usize>>> {
        self.only_image("Graph::infer", "Graph::infer_inputs takes a shape for each input.")?;
        self.infer_inputs(&[&image])
    }

    /// The same for a shape for each of [`Graph::inputs`], without the batch: the height and the width of images may
    /// be others than those that the model was built with.
    ///
    /// # Errors
    /// If the shapes are not those of the inputs, or a layer cannot take them; the error names it.
    pub fn infer_inputs(&self, inputs: &[&[usize]]) -> Result<Vec<Vec<usize>>> {
        self.check_input_shapes("Graph::infer", inputs)?;
        let mut shapes: Vec<Vec<usize>> = Vec::with_capacity(self.nodes.len());
        for (index, node) in self.nodes.iter().enumerate() {
            let shape = if let Some(&input) = inputs.get(index) {
                input.to_vec()
            } else {
                let inputs: Vec<&[usize]> =
                    node.inputs.iter().map(|&input| shapes[input].as_slice()).collect();
                node.operator.output_shape(&inputs).map_err(|error| of_layer(error, node.label()))?
            };
            shapes.push(shape);
        }
        Ok(shapes)
    }

    /// For each node, whether it is for outputs only that are not computed in use.
    pub(super) fn for_training_only(&self) -> Vec<bool> {
        let mut used = vec![false; self.nodes.len()];
        let always = self.outputs.iter().filter(|output| output.when == OutputUse::Always);
        always.for_each(|output| used[output.node] = true);
        for index in (0..used.len()).rev() {
            if used[index] {
                self.nodes[index].inputs.iter().for_each(|&input| used[input] = true);
            }
        }
        used.into_iter().map(|used| !used).collect()
    }
}
