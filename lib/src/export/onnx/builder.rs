//! A graph of ONNX as it grows, node by node of the model's.

use std::collections::{HashMap, HashSet};
use std::fmt;

use super::proto::{
    AttributeProto, DimensionProto, Element, GraphProto, NodeProto, ShapeProto, TensorProto, TensorTypeProto,
    TypeProto, ValueInfoProto,
};
use crate::export::Batch;
use crate::export::source::Source;
use crate::nn::Node;
use crate::{Error, Result};

/// The length of a dimension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Dim {
    Fixed(usize),
    /// Another one for each run, the same for all that have this name.
    Named(&'static str),
    /// Another one for each run.
    Open,
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Dim::Fixed(length) => write!(f, "{length}"),
            Dim::Named(name) => f.write_str(name),
            Dim::Open => f.write_str("?"),
        }
    }
}

/// The name of a value of the ONNX graph.
pub(super) type Name = String;

pub(super) struct Builder<'a> {
    pub(super) source: &'a Source,
    pub(super) opset: u32,
    /// What comes out of each of the model's nodes, the batch before it.
    pub(super) shapes: Vec<Vec<Dim>>,
    /// What each of the model's nodes is called as a value, as far as they are written.
    pub(super) values: Vec<Name>,
    /// The node that is being written, and what its value will be called.
    pub(super) at: usize,
    value: Name,
    /// Weights that are there already, by their place among the tensors and how they lie.
    pub(super) weights: HashMap<(usize, super::weights::Layout), Name>,
    /// Values that were rounded in the range of their batch already.
    pub(super) rounded: HashMap<Name, Name>,
    graph: GraphProto,
    /// Names of values, and of nodes, which are another matter.
    taken: HashSet<Name>,
    node_names: HashSet<String>,
}

impl<'a> Builder<'a> {
    pub(super) fn new(source: &'a Source, opset: u32, shapes: Vec<Vec<Dim>>) -> Builder<'a> {
        let outputs = source.graph.outputs().iter().map(|output| output.name.clone());
        let tensors = source.graph.tensors().iter().map(|spec| spec.name.clone());
        Builder {
            source,
            opset,
            shapes,
            values: Vec::new(),
            at: 0,
            value: Name::new(),
            weights: HashMap::new(),
            rounded: HashMap::new(),
            graph: GraphProto { name: "sconce".into(), ..GraphProto::default() },
            // Outputs and weights are called what the model calls them, whatever else is.
            taken: outputs.chain(tensors).collect(),
            node_names: HashSet::new(),
        }
    }

    /// The node that is being written.
    pub(super) fn node(&self) -> &'a Node {
        &self.source.graph.nodes()[self.at]
    }

    /// What the node's value is called.
    pub(super) fn value(&self) -> Name {
        self.value.clone()
    }

    /// What the node's input number `slot` is called.
    pub(super) fn input(&self, slot: usize) -> Result<Name> {
        let value = self.node().inputs.get(slot).and_then(|&input| self.values.get(input));
        value.cloned().ok_or_else(|| self.refused("its inputs before it", "none", "Please report this."))
    }

    /// The shape of that, batch included.
    pub(super) fn input_shape(&self, slot: usize) -> &[Dim] {
        self.node().inputs.get(slot).and_then(|&input| self.shapes.get(input)).map_or(&[], Vec::as_slice)
    }

    /// The shape of what the node gives, batch included.
    pub(super) fn shape(&self) -> &[Dim] {
        &self.shapes[self.at]
    }

    pub(super) fn batch(&self) -> Dim {
        self.shapes.first().and_then(|shape| shape.first()).cloned().unwrap_or(Dim::Open)
    }

    /// An error of the node.
    pub(super) fn refused(&self, expected: &str, got: &str, hint: &str) -> Error {
        Error::Argument {
            op: format!("export::onnx: {}", self.node().label()),
            expected: expected.into(),
            got: got.into(),
            hint: hint.into(),
        }
    }

    /// The lengths of a shape from dimension `from` on, where they are the same in all runs.
    pub(super) fn lengths(&self, shape: &[Dim], from: usize) -> Result<Vec<usize>> {
        let length = |dim: &Dim| match dim {
            Dim::Fixed(length) => Ok(*length),
            _ => {
                let hint =
                    "Export it with ImageSize::AsBuilt, or for another size after Model::with_image_size.";
                Err(self.refused("images of one size", "images of any size", hint))
            }
        };
        shape.get(from..).unwrap_or_default().iter().map(length).collect()
    }

    /// Goes on to a node, whose value will be called `value`, or what the node is where that is none.
    pub(super) fn begin(&mut self, at: usize, value: Option<&str>) {
        self.at = at;
        self.value = match value {
            Some(name) => name.to_owned(),
            None => self.free(&self.node().name.clone()),
        };
    }

    /// A name that no value has, like `wanted`.
    pub(super) fn free(&mut self, wanted: &str) -> Name {
        free_in(&mut self.taken, wanted)
    }

    /// A name for a weight of the node's, or part of it.
    pub(super) fn own(&mut self, what: &str) -> Name {
        let wanted = format!("{}.{what}", self.node().name);
        self.free(&wanted)
    }

    /// The operation that gives the node's value.
    pub(super) fn done(&mut self, op: &str, inputs: &[&str], attributes: Vec<AttributeProto>) -> Name {
        let (name, value, shape) = (self.node().name.clone(), self.value.clone(), self.shape().to_vec());
        self.push(op, &name, inputs, vec![value.clone()], attributes);
        self.describe(&value, Element::F32, &shape);
        value
    }

    /// An operation on the way there, of f32.
    pub(super) fn step(
        &mut self,
        op: &str,
        inputs: &[&str],
        attributes: Vec<AttributeProto>,
        shape: &[Dim],
    ) -> Name {
        self.step_of(op, inputs, attributes, Element::F32, shape)
    }

    /// An operation on the way there, of other numbers.
    pub(super) fn step_of(
        &mut self,
        op: &str,
        inputs: &[&str],
        attributes: Vec<AttributeProto>,
        element: Element,
        shape: &[Dim],
    ) -> Name {
        let name = format!("{}/{op}", self.node().name);
        let value = self.free(&name);
        self.push(op, &name, inputs, vec![value.clone()], attributes);
        self.describe(&value, element, shape);
        value
    }

    /// A value under another name.
    pub(super) fn copy(&mut self, from: &str, to: &str, shape: &[Dim]) {
        self.push("Identity", to, &[from], vec![to.to_owned()], Vec::new());
        self.describe(to, Element::F32, shape);
    }

    fn push(
        &mut self,
        op: &str,
        name: &str,
        inputs: &[&str],
        output: Vec<Name>,
        attribute: Vec<AttributeProto>,
    ) {
        let name = free_in(&mut self.node_names, name);
        let input = inputs.iter().map(|&name| name.to_owned()).collect();
        self.graph.node.push(NodeProto { input, output, name, op_type: op.into(), attribute });
    }

    fn describe(&mut self, value: &str, element: Element, shape: &[Dim]) {
        self.graph.value_info.push(value_info(value, element, shape));
    }

    /// A constant, whose values are `bytes`, least significant byte first.
    pub(super) fn constant(&mut self, name: &str, element: Element, dims: &[usize], bytes: Vec<u8>) {
        self.graph.initializer.push(TensorProto {
            dims: dims.iter().map(|&dim| dim as i64).collect(),
            data_type: element as i32,
            name: name.to_owned(),
            raw_data: bytes,
            ..TensorProto::default()
        });
    }

    /// A constant of the node's, of whole numbers.
    pub(super) fn whole(&mut self, what: &str, values: &[i64]) -> Name {
        let name = self.own(what);
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(&name, Element::I64, &[values.len()], bytes);
        name
    }

    /// A constant of the node's, of f32.
    pub(super) fn floats(&mut self, what: &str, dims: &[usize], values: &[f32]) -> Name {
        let name = self.own(what);
        self.constant(&name, Element::F32, dims, crate::tensor_file::of_f32(values));
        name
    }

    /// One whole number without a dimension.
    pub(super) fn whole_scalar(&mut self, what: &str, value: i64) -> Name {
        let name = self.own(what);
        self.constant(&name, Element::I64, &[], value.to_le_bytes().to_vec());
        name
    }

    /// The graph, with what goes in and out: each by its name and its shape.
    pub(super) fn finish(mut self) -> GraphProto {
        let outputs = self.source.graph.outputs();
        let names: HashSet<&str> = outputs.iter().map(|output| output.name.as_str()).collect();
        self.graph.value_info.retain(|info| !names.contains(info.name.as_str()));
        let shape = |node: usize| self.shapes.get(node).map_or(&[][..], Vec::as_slice);
        let inputs = self.values.iter().take(self.source.graph.inputs().len()).enumerate();
        self.graph.input = inputs.map(|(at, name)| value_info(name, Element::F32, shape(at))).collect();
        let output = outputs.iter().map(|output| value_info(&output.name, Element::F32, shape(output.node)));
        self.graph.output = output.collect();
        self.graph
    }
}

fn free_in(taken: &mut HashSet<String>, wanted: &str) -> String {
    let mut name = wanted.to_owned();
    let mut count = 1;
    while !taken.insert(name.clone()) {
        count += 1;
        name = format!("{wanted}_{count}");
    }
    name
}

fn value_info(name: &str, element: Element, shape: &[Dim]) -> ValueInfoProto {
    let dim = shape.iter().map(|dim| match dim {
        Dim::Fixed(length) => DimensionProto { value: Some(*length as i64), name: None },
        Dim::Named(name) => DimensionProto { value: None, name: Some((*name).to_owned()) },
        Dim::Open => DimensionProto::default(),
    });
    let shape = Some(ShapeProto { dim: dim.collect() });
    let tensor = Some(TensorTypeProto { element: element as i32, shape });
    ValueInfoProto { name: name.to_owned(), kind: Some(TypeProto { tensor }) }
}

/// The batch as a dimension.
pub(super) fn batch_dim(batch: Batch) -> Dim {
    match batch {
        Batch::Dynamic => Dim::Named("batch"),
        Batch::Fixed(images) => Dim::Fixed(images),
    }
}
