//! Steps as nodes of a TensorFlow graph.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::arrangement::Arrangement;
use super::protos::{Attribute, AttributeValue, List, Node, Shape, Tensor, data_type};
use crate::export::nhwc::{Data, Kind, Program, Value, ValueId, permuted};
use crate::ops::int8::Quantization;
use crate::tensor_file::of_f32 as bytes_of;
use crate::{Error, Result};

/// The nodes of a graph under way.
pub(super) struct Nodes {
    pub(super) nodes: Vec<Node>,
    names: HashSet<String>,
    /// The nodes that give the program's values.
    values: HashMap<ValueId, String>,
    /// Values that are the numbers of others in another form.
    same: HashMap<ValueId, ValueId>,
    /// Known values that were turned or made on the way.
    known: HashMap<(Vec<i32>, Vec<u8>, i32), String>,
    /// What the nodes of the step under way are called after.
    prefix: String,
}

/// How a known value is taken.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken<'a> {
    AsItIs,
    /// Its dimensions in this order.
    Turned(&'a [usize]),
    /// The same numbers in these dimensions.
    Shaped(&'a [i32]),
}

pub(super) fn int(value: i64) -> AttributeValue {
    AttributeValue::Int(value)
}

pub(super) fn text(value: &str) -> AttributeValue {
    AttributeValue::Text(value.as_bytes().to_vec())
}

pub(super) fn flag(value: bool) -> AttributeValue {
    AttributeValue::Bool(value)
}

pub(super) fn kind(value: i32) -> AttributeValue {
    AttributeValue::Type(value)
}

pub(super) fn ints(values: &[usize]) -> AttributeValue {
    AttributeValue::List(List { ints: values.iter().map(|&value| value as i64).collect() })
}

/// The kind of a value's numbers.
pub(super) fn kind_of(value: &Value) -> i32 {
    if value.kind == Kind::Int { data_type::INT32 } else { data_type::FLOAT }
}

impl Nodes {
    pub(super) fn new() -> Nodes {
        Nodes {
            nodes: Vec::new(),
            names: HashSet::new(),
            values: HashMap::new(),
            same: HashMap::new(),
            known: HashMap::new(),
            prefix: String::new(),
        }
    }

    /// A name that TensorFlow takes and no other node has.
    fn unique(&mut self, name: &str) -> String {
        let fits = |char: char| char.is_ascii_alphanumeric() || "_./-".contains(char);
        let mut name: String = name.chars().map(|char| if fits(char) { char } else { '_' }).collect();
        if !name.starts_with(|char: char| char.is_ascii_alphanumeric() || char == '.') {
            name.insert(0, '.');
        }
        let (mut unique, mut count) = (name.clone(), 1);
        // Names are compared without regard to case where they become names of files.
        while !self.names.insert(unique.to_lowercase()) {
            count += 1;
            unique = format!("{name}_{count}");
        }
        unique
    }

    fn push(
        &mut self,
        name: String,
        op: &str,
        inputs: Vec<String>,
        attributes: Vec<(&str, AttributeValue)>,
    ) -> String {
        let attributes: BTreeMap<String, Attribute> = attributes
            .into_iter()
            .map(|(name, value)| (name.to_owned(), Attribute { value: Some(value) }))
            .collect();
        self.nodes.push(Node { name: name.clone(), op: op.to_owned(), inputs, attributes });
        name
    }

    /// A node of the step under way.
    pub(super) fn node(
        &mut self,
        op: &str,
        inputs: Vec<String>,
        attributes: Vec<(&str, AttributeValue)>,
    ) -> String {
        let name = self.unique(&format!("{}/{op}", self.prefix));
        self.push(name, op, inputs, attributes)
    }

    /// A node of f32.
    pub(super) fn float_node(&mut self, op: &str, inputs: Vec<String>) -> String {
        self.node(op, inputs, vec![("T", kind(data_type::FLOAT))])
    }

    pub(super) fn input(&mut self, program: &Program, value: ValueId) {
        let Value { name, dims, .. } = &program.values[value];
        let name = self.unique(name);
        let attributes =
            vec![("dtype", kind(data_type::FLOAT)), ("shape", AttributeValue::Shape(Shape::of(dims)))];
        let name = self.push(name, "Placeholder", Vec::new(), attributes);
        self.values.insert(value, name);
    }

    pub(super) fn begin(&mut self, program: &Program, output: ValueId) {
        self.prefix.clone_from(&program.values[output].name);
    }

    /// Says that the last node gives this value, and calls it so.
    pub(super) fn end(&mut self, program: &Program, output: ValueId) {
        let name = self.unique(&program.values[output].name);
        if let Some(node) = self.nodes.last_mut() {
            node.name.clone_from(&name);
        }
        self.values.insert(output, name);
    }

    /// Says that a value is what another is: bytes and the f32 that they stand for are the same numbers here.
    pub(super) fn stands_for(&mut self, value: ValueId, other: ValueId) {
        self.same.insert(value, other);
    }

    /// The node of a value that is computed, goes in, or is known.
    pub(super) fn value(&mut self, program: &Program, value: ValueId) -> Result<String> {
        self.taken(program, value, Taken::AsItIs)
    }

    pub(super) fn taken(&mut self, program: &Program, value: ValueId, how: Taken) -> Result<String> {
        let value = self.same.get(&value).copied().unwrap_or(value);
        if let Some(name) = self.values.get(&value) {
            return Ok(name.clone());
        }
        let Value { name, dims, data, .. } = &program.values[value];
        let lengths: Vec<usize> = dims.iter().map(|&dim| dim as usize).collect();
        let turned: Vec<i32> = match how {
            Taken::AsItIs => dims.clone(),
            Taken::Turned(order) => order.iter().map(|&dim| dims[dim]).collect(),
            Taken::Shaped(dims) => dims.to_vec(),
        };
        let order: Vec<usize> = match how {
            Taken::Turned(order) => order.to_vec(),
            _ => (0..dims.len()).collect(),
        };
        Ok(match data {
            Some(Data::Float(values)) => {
                let content = bytes_of(&permuted(values, &lengths, &order));
                self.constant(name, data_type::FLOAT, turned, content)
            }
            Some(Data::Int(values)) => {
                let content = values.iter().flat_map(|value| value.to_le_bytes()).collect();
                self.constant(name, data_type::INT32, turned, content)
            }
            Some(Data::Whole { values, scales, dim }) => {
                let values = permuted(values, &lengths, &order);
                let scale_dims = match how {
                    // The outputs are two dimensions there: channels, and what comes of each.
                    Taken::Shaped(dims) => dims[dims.len().saturating_sub(2)..].to_vec(),
                    _ => {
                        let place = order.iter().position(|here| here == dim).unwrap_or_default();
                        let ones = vec![1; order.len() - place - 1];
                        [vec![scales.len() as i32], ones].concat()
                    }
                };
                self.whole_weight(name, turned, &values, (scales, scale_dims))
            }
            Some(Data::Sums { values, scales }) => {
                let values: Vec<f32> =
                    values.iter().zip(scales).map(|(&value, scale)| value as f32 * scale).collect();
                self.constant(name, data_type::FLOAT, turned, bytes_of(&values))
            }
            None => return Err(unknown(name)),
        })
    }

    /// A weight in whole numbers of 8 bits, and what makes it f32: a fourth of the file, and the runtime may do it once.
    fn whole_weight(
        &mut self,
        name: &str,
        dims: Vec<i32>,
        values: &[i8],
        (scales, scale_dims): (&[f32], Vec<i32>),
    ) -> String {
        let content = values.iter().map(|value| value.cast_unsigned()).collect();
        let whole = self.constant(name, data_type::INT8, dims, content);
        let scales = self.constant(&format!("{name}/scale"), data_type::FLOAT, scale_dims, bytes_of(scales));
        let kinds = vec![("SrcT", kind(data_type::INT8)), ("DstT", kind(data_type::FLOAT))];
        let wide = self.node("Cast", vec![whole], kinds);
        self.float_node("Mul", vec![wide, scales])
    }

    /// A convolution's weight of these dimensions, made of the numbers of another.
    fn arranged_weight(
        &mut self,
        program: &Program,
        value: ValueId,
        dims: Vec<i32>,
        arranged: &Arrangement,
    ) -> Result<String> {
        let value = self.same.get(&value).copied().unwrap_or(value);
        let Value { name, data, .. } = &program.values[value];
        Ok(match data {
            Some(Data::Float(values)) => {
                self.constant(name, data_type::FLOAT, dims, bytes_of(&arranged.numbers(values)))
            }
            Some(Data::Whole { values, scales, .. }) => {
                let scales = arranged.scales(scales);
                let scale_dims = vec![scales.len() as i32];
                self.whole_weight(name, dims, &arranged.numbers(values), (scales, scale_dims))
            }
            _ => return Err(unknown(name)),
        })
    }

    /// One of `groups` equal parts of a convolution's weight (O, KH, KW, C), as (KH, KW, C, O / groups).
    pub(super) fn weight_of_group(
        &mut self,
        program: &Program,
        value: ValueId,
        (group, groups): (usize, usize),
    ) -> Result<String> {
        let dims = &program.values[value].dims;
        let mut lengths: Vec<usize> = dims.iter().map(|&dim| dim as usize).collect();
        lengths[0] /= groups.max(1);
        let dims = vec![dims[1], dims[2], dims[3], lengths[0] as i32];
        self.arranged_weight(program, value, dims, &Arrangement::Group { group, lengths })
    }

    /// A depthwise weight (1, KH, KW, C·M) as that of a convolution over all channels, (KH, KW, C, C·M).
    pub(super) fn weight_of_all(
        &mut self,
        program: &Program,
        value: ValueId,
        channels: usize,
    ) -> Result<String> {
        let dims = &program.values[value].dims;
        let outputs = dims[3] as usize;
        let dims = vec![dims[1], dims[2], channels as i32, dims[3]];
        self.arranged_weight(program, value, dims, &Arrangement::All { channels, outputs })
    }

    /// The nearest of the 256 numbers that these bytes stand for, halves to even, as integers are rounded here.
    pub(super) fn rounded(&mut self, x: String, bytes: Quantization) {
        let zero_point = f64::from(bytes.zero_point);
        let inverse = self.scalar("inverse", f64::from(1.0 / bytes.scale));
        let steps = self.float_node("Mul", vec![x, inverse]);
        let steps = self.float_node("Round", vec![steps]);
        let (low, high) = (self.scalar("low", -zero_point), self.scalar("high", 255.0 - zero_point));
        let steps = self.float_node("ClipByValue", vec![steps, low, high]);
        let scale = self.scalar("scale", f64::from(bytes.scale));
        self.float_node("Mul", vec![steps, scale]);
    }

    fn list(&mut self, name: &str, numbers: &[i32]) -> String {
        let content = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        self.constant(name, data_type::INT32, vec![numbers.len() as i32], content)
    }

    /// Numbers that the step takes beside its operands.
    pub(super) fn numbers(&mut self, what: &str, numbers: &[i32]) -> String {
        let name = format!("{}/{what}", self.prefix);
        self.list(&name, numbers)
    }

    pub(super) fn whole(&mut self, what: &str, number: i32) -> String {
        let name = format!("{}/{what}", self.prefix);
        self.constant(&name, data_type::INT32, Vec::new(), number.to_le_bytes().to_vec())
    }

    pub(super) fn pairs(&mut self, sides: &[[usize; 2]]) -> String {
        let name = format!("{}/padding", self.prefix);
        let content = sides.iter().flatten().flat_map(|&side| (side as i32).to_le_bytes()).collect();
        self.constant(&name, data_type::INT32, vec![sides.len() as i32, 2], content)
    }

    pub(super) fn scalar(&mut self, what: &str, value: f64) -> String {
        let name = format!("{}/{what}", self.prefix);
        self.constant(&name, data_type::FLOAT, Vec::new(), (value as f32).to_le_bytes().to_vec())
    }

    fn constant(&mut self, name: &str, data_type: i32, dims: Vec<i32>, content: Vec<u8>) -> String {
        // What is large is there once anyway, and long to compare.
        let key = (content.len() <= 64).then(|| (dims.clone(), content.clone(), data_type));
        if let Some(known) = key.as_ref().and_then(|key| self.known.get(key)) {
            return known.clone();
        }
        let name = self.unique(name);
        let tensor = Tensor { data_type, shape: Some(Shape::of(&dims)), content };
        let attributes = vec![("dtype", kind(data_type)), ("value", AttributeValue::Tensor(tensor))];
        let name = self.push(name, "Const", Vec::new(), attributes);
        if let Some(key) = key {
            self.known.insert(key, name.clone());
        }
        name
    }
}

fn unknown(value: &str) -> Error {
    Error::Argument {
        op: "export::saved_model".into(),
        expected: "values that are computed before they are taken, or known".into(),
        got: format!("{value:?}"),
        hint: "Please report this.".into(),
    }
}
