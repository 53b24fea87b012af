//! What goes into a model: values by name, each of a shape of its own, and whether tensors are they.

use candle_core::{DType, Tensor};

use super::graph::{Graph, Node};
use super::infer::check_values;
use super::model::Model;
use super::operator::Operator;
use crate::ops::shape_text;
use crate::{Error, Result};

/// The inputs of a model, by name and in the order in which [`crate::nn::Model::forward_inputs`] takes them: images
/// (C, H, W), tokens (N, D) or features (D). For [`crate::nn::Model::build_inputs`].
#[derive(Debug, Clone)]
pub struct Inputs {
    pub(super) entries: Vec<(String, Vec<usize>)>,
}

impl Inputs {
    /// The first input. The batch is not part of its shape.
    #[must_use]
    pub fn new(name: impl Into<String>, shape: impl Into<Vec<usize>>) -> Inputs {
        Inputs { entries: vec![(name.into(), shape.into())] }
    }

    /// One more input.
    #[must_use]
    pub fn input(mut self, name: impl Into<String>, shape: impl Into<Vec<usize>>) -> Inputs {
        self.entries.push((name.into(), shape.into()));
        self
    }
}

/// What is wrong with the shape of an input, without the batch.
pub(super) fn check_shape(shape: &[usize]) -> Result<()> {
    let expected = match shape {
        [_] | [_, _] | [_, _, _] if !shape.contains(&0) => return check_values("", shape),
        [_, _, _] => "images (C, H, W) of at least one pixel",
        _ => "images (C, H, W), tokens (N, D) or features (D), of at least one value",
    };
    Err(Error::Shape {
        op: String::new(),
        expected: expected.into(),
        got: shape_text(shape),
        hint: String::new(),
    })
}

/// The shape with the batch, as errors name it: `(B, 3, 32, 32)`.
pub(crate) fn batch_text(shape: &[usize]) -> String {
    shape_text(shape).replacen('(', "(B, ", 1).replacen("(B, )", "(B)", 1)
}

impl Graph {
    /// What goes in: the first nodes, in the order in which [`crate::nn::Model::forward_inputs`] takes their values.
    #[must_use]
    pub fn inputs(&self) -> &[Node] {
        let is_input = |node: &&Node| matches!(node.operator, Operator::Input);
        &self.nodes[..self.nodes.iter().take_while(is_input).count()]
    }

    /// Their shapes, without the batch.
    pub(crate) fn input_shapes(&self) -> Vec<Vec<usize>> {
        self.inputs().iter().map(|node| node.shape.clone()).collect()
    }

    /// The inputs as errors name them: `left (B, 3, 32, 32) and right (B, 4)`.
    pub(crate) fn inputs_text(&self) -> String {
        let input = |node: &Node| format!("{} {}", node.name, batch_text(&node.shape));
        self.inputs().iter().map(input).collect::<Vec<_>>().join(" and ")
    }

    /// The shape of the images that go in, where nothing else does.
    ///
    /// # Errors
    /// If the model has several inputs, or one that is no image; the error is one of `op`.
    pub(crate) fn only_image(&self, op: &str, hint: &str) -> Result<[usize; 3]> {
        let image = match self.inputs() {
            [input] => <[usize; 3]>::try_from(input.shape.as_slice()).ok(),
            _ => None,
        };
        image.ok_or_else(|| Error::Argument {
            op: op.into(),
            expected: "a model with one input, images (B, C, H, W)".into(),
            got: format!("one with {}", self.inputs_text()),
            hint: hint.into(),
        })
    }

    /// Refuses shapes that are not those of the inputs, but for the height and the width of images.
    pub(super) fn check_input_shapes(&self, op: &str, shapes: &[&[usize]]) -> Result<()> {
        let nodes = self.inputs();
        let fits = |(node, shape): (&Node, &&[usize])| match (node.shape.as_slice(), *shape) {
            (&[built, _, _], &[channels, height, width]) => built == channels && height > 0 && width > 0,
            (built, shape) => built == shape,
        };
        if nodes.len() != shapes.len() || !nodes.iter().zip(shapes).all(fits) {
            let shapes: Vec<String> = shapes.iter().map(|shape| batch_text(shape)).collect();
            return Err(Error::Shape {
                op: op.into(),
                expected: self.inputs_text(),
                got: shapes.join(" and "),
                hint: "Only the height and the width of images may be others.".into(),
            });
        }
        shapes.iter().try_for_each(|shape| check_values(op, shape))
    }
}

impl Model {
    /// Refuses tensors that are not what the model takes.
    pub(super) fn check_inputs(&self, inputs: &[&Tensor]) -> Result<()> {
        let nodes = self.graph.inputs();
        if inputs.len() != nodes.len() {
            let names: Vec<String> = nodes.iter().map(|node| format!("&{}", node.name)).collect();
            return Err(Error::Argument {
                op: OP.into(),
                expected: format!("a tensor for each input, {}", self.graph.inputs_text()),
                got: format!("{} {}", inputs.len(), if inputs.len() == 1 { "tensor" } else { "tensors" }),
                hint: format!(
                    "`forward_inputs(&[{}], mode)` takes them; what takes images alone is for models with one \
                     input.",
                    names.join(", ")
                ),
            });
        }
        nodes.iter().zip(inputs).try_for_each(|(node, x)| self.check_input(node, x))?;
        let batches: Vec<usize> = inputs.iter().map(|x| x.dims()[0]).collect();
        if batches.iter().any(|batch| *batch != batches[0]) {
            return Err(Error::Shape {
                op: OP.into(),
                expected: format!("batches of one size for {}", self.graph.inputs_text()),
                got: shape_text(&batches),
                hint: "Row i of each input belongs to row i of the others.".into(),
            });
        }
        if nodes.iter().zip(inputs).any(|(node, x)| x.dims()[1..] != node.shape[..]) {
            let shapes: Vec<&[usize]> = inputs.iter().map(|x| &x.dims()[1..]).collect();
            self.graph.infer_inputs(&shapes)?;
        }
        Ok(())
    }

    fn check_input(&self, node: &Node, x: &Tensor) -> Result<()> {
        let only = self.graph.inputs().len() == 1;
        let of = if only { String::new() } else { format!(" for the input {:?}", node.name) };
        let built = node.shape.as_slice();
        let fits = match (x.dims(), built) {
            (&[batch, channels, _, _], &[built, _, _]) => batch > 0 && channels == built,
            ([batch, shape @ ..], built) => *batch > 0 && shape == built,
            ([], _) => false,
        };
        if !fits {
            let hint = match x.rank() {
                3 if built.len() == 3 => "For a single image add the batch dimension with `unsqueeze(0)?`.",
                rank if rank == built.len() => {
                    "For a single one add the batch dimension with `unsqueeze(0)?`."
                }
                _ => "",
            };
            return Err(Error::Shape {
                op: OP.into(),
                expected: format!("a batch {}{of}", batch_text(built)),
                got: shape_text(x.dims()),
                hint: hint.into(),
            });
        }
        let what = if built.len() == 3 { "images" } else { "values" };
        let argument = |expected: String, got: String, hint: &str| Error::Argument {
            op: OP.into(),
            expected,
            got,
            hint: hint.into(),
        };
        if x.dtype() != DType::F32 {
            let hint = "Convert it with `to_dtype(DType::F32)?`.";
            return Err(argument(format!("{what} of dtype f32{of}"), x.dtype().as_str().into(), hint));
        }
        if !x.device().same_device(self.device()) {
            return Err(argument(
                format!("{what} on the model's device, {:?}{of}", self.device().location()),
                format!("{:?}", x.device().location()),
                "Move them with `to_device(model.device())?`.",
            ));
        }
        Ok(())
    }
}

/// Whoever runs a model says so in its errors.
const OP: &str = "Model::forward";
