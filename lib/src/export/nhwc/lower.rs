//! From the graph's nodes to steps, node by node.

use std::collections::HashMap;

use super::build::Build;
use super::open::{self, of_one_size};
use super::program::{Bound, Kind, Op, Program, Reach, ValueId};
use super::stored::Stored;
use crate::export::source::{Source, Weights};
use crate::export::{Batch, ImageSize};
use crate::nn::{Activation, Node, Operator, of_layer};
use crate::{Error, Result};

/// Which images are to go in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) batch: Batch,
    pub(crate) size: ImageSize,
}

/// The source's graph as a program for images as they are `asked` for, on integers as far as `reach` says. `op` names
/// the export in errors.
pub(crate) fn lowered(source: &Source, asked: Asked, reach: Reach, op: &str) -> Result<Program> {
    let batch = match asked.batch.fixed() {
        None => -1,
        Some(batch @ 1..=0xFFFF_FFFF) if i32::try_from(batch).is_ok() => batch as i32,
        Some(batch) => {
            return Err(Error::Argument {
                op: op.into(),
                expected: "a batch of at least one image and at most 2^31 - 1".into(),
                got: batch.to_string(),
                hint: String::new(),
            });
        }
    };
    let nodes = open::nodes(source, asked.size, op)?;
    let mut uses = vec![0; nodes.len()];
    nodes.iter().flat_map(|node| &node.inputs).for_each(|&input| uses[input] += 1);
    source.graph.outputs().iter().for_each(|output| uses[output.node] += 1);
    let (wide, ahead) = (HashMap::new(), HashMap::new());
    let mut lowering = Lowering {
        source,
        nodes: &nodes,
        reach,
        b: Build::new(batch),
        values: Vec::new(),
        uses,
        wide,
        ahead,
    };
    for (index, node) in nodes.iter().enumerate() {
        if let Some(value) = lowering.ahead.remove(&index) {
            lowering.values.push(value);
            continue;
        }
        lowering.b.layer(&node.name);
        let known = lowering.b.program.values.len();
        let value =
            lowering.node(index, node).map_err(|error| of_layer(error, format!("{op}, {}", node.label())))?;
        if let Some(got) = lowering.b.stuck.take() {
            return Err(of_layer(of_one_size(node, got), format!("{op}, {}", node.label())));
        }
        if value.id >= known && node.operator != Operator::Input {
            lowering.b.rename(value.id, &node.name);
        }
        lowering.note(index, known);
        if lowering.b.program.in_float.is_some() {
            return Ok(lowering.b.program);
        }
        lowering.values.push(value);
    }
    for output in source.graph.outputs() {
        lowering.b.layer(&output.name);
        let value = lowering.values[output.node].clone();
        let id = match value.order.len() {
            3 => lowering.image(&value),
            _ => lowering.plain(&value),
        };
        let id = if reach == Reach::All { id } else { lowering.dequantized(id) };
        let id = lowering.own(id);
        if let Some(got) = lowering.b.stuck.take() {
            let node = &nodes[output.node];
            return Err(of_layer(of_one_size(node, got), format!("{op}, {}", node.label())));
        }
        if reach == Reach::All && lowering.bytes(id).is_none() {
            lowering.b.program.in_float.get_or_insert(output.node);
        }
        lowering.b.program.outputs.push((output.name.clone(), id));
    }
    Ok(lowering.b.program)
}

/// A lowering under way.
pub(super) struct Lowering<'a> {
    pub(super) source: &'a Source,
    /// Those of the source's graph, with `OPEN` for lengths that follow the images' size.
    nodes: &'a [Node],
    pub(super) reach: Reach,
    pub(super) b: Build,
    /// Of the nodes so far.
    values: Vec<Stored>,
    /// How many nodes and outputs take each node's value.
    pub(super) uses: Vec<usize>,
    /// The values in f32 of those that are bytes.
    pub(super) wide: HashMap<ValueId, ValueId>,
    /// Values of nodes that are part of a layer before them.
    pub(super) ahead: HashMap<usize, Stored>,
}

impl Lowering<'_> {
    /// The shape of a node's input, as the graph has it, with `OPEN` for lengths that follow the images' size.
    pub(super) fn shape_of(&self, node: &Node, input: usize) -> Vec<usize> {
        node.inputs.get(input).map_or_else(Vec::new, |&input| self.nodes[input].shape.clone())
    }

    /// A node's tensor in f32.
    pub(super) fn tensor(&self, node: &Node, which: usize) -> Result<Vec<f32>> {
        match node.tensors.get(which).map(|&place| &self.source.weights[place]) {
            Some(Weights::Float(tensor)) => Ok(tensor.flatten_all()?.to_vec1()?),
            Some(Weights::Whole { .. }) | None => {
                Err(unmapped(node, "weights in f32", "weights in whole numbers", "Export the float model."))
            }
        }
    }

    /// A value that is computed, and no other output.
    fn own(&mut self, value: ValueId) -> ValueId {
        let program = &self.b.program;
        let is_other = program.outputs.iter().any(|(_, other)| *other == value);
        if !is_other && program.steps.iter().any(|step| step.output == value) {
            return value;
        }
        let dims = self.b.dims(value).to_vec();
        let op = match dims.iter().filter(|&&dim| dim < 0).count() {
            0 | 1 => Op::Reshape,
            // All of it, whatever the lengths are.
            _ => Op::Slice(vec![0; dims.len()]),
        };
        self.b.moved(op, vec![value], dims)
    }

    fn node(&mut self, index: usize, node: &Node) -> Result<Stored> {
        if let Operator::Input = node.operator {
            return self.input(index, node);
        }
        let inputs: Vec<Stored> = node.inputs.iter().map(|&input| self.values[input].clone()).collect();
        if let Some(value) = self.on_bytes(index, node, &inputs)? {
            return Ok(value);
        }
        let inputs: Vec<Stored> = inputs.iter().map(|input| input.with(self.dequantized(input.id))).collect();
        self.computed(node, &inputs)
    }

    /// The node's operator on values of the kind that they are.
    pub(super) fn computed(&mut self, node: &Node, inputs: &[Stored]) -> Result<Stored> {
        let shape = self.shape_of(node, 0);
        match (&node.operator, inputs) {
            (Operator::Conv2d { config, .. }, [x]) => self.conv2d(node, config, x),
            (Operator::ConvTranspose2d { config, .. }, [x]) => self.conv_transpose2d(node, config, x),
            (Operator::BatchNorm { config, .. }, [x]) => self.batch_norm(node, config.eps, x),
            (Operator::LayerNorm { config, .. }, [x]) => {
                self.layer_norm(node, shape.len() - 1, config.eps, x)
            }
            (Operator::LayerNorm2d { config, .. }, [x]) => self.layer_norm(node, 0, config.eps, x),
            (Operator::GroupNorm { config, .. }, [x]) => self.group_norm(node, *config, x),
            (Operator::Activation(activation), [x]) => {
                Ok(self.bounded(*activation, x).unwrap_or_else(|| self.activation(*activation, x)))
            }
            (Operator::Softmax { dim }, [x]) => Ok(self.over_last(Op::Softmax, *dim, x)),
            (Operator::LogSoftmax { dim }, [x]) => Ok(self.over_last(Op::LogSoftmax, *dim, x)),
            (Operator::MaxPool2d(config), [x]) => self.max_pool2d(node, config, x),
            (Operator::AvgPool2d(config), [x]) => self.avg_pool2d(node, config, x),
            (Operator::AdaptiveAvgPool2d { output }, [x]) => self.adaptive_avg_pool2d(node, *output, x),
            (Operator::GlobalAvgPool, [x]) => Ok(self.mean(&[1, 2], &shape, x)),
            (Operator::Interpolate { size, interpolation }, [x, like @ ..]) => {
                self.interpolate(node, (*size, *interpolation), x, like.first())
            }
            (Operator::Pad { padding, mode }, [x]) => self.pad(node, *padding, *mode, x),
            (Operator::Flatten | Operator::Reshape { .. }, [x]) => Ok(self.reshaped(x, &shape, &node.shape)),
            (Operator::ImageToTokens, [x]) => {
                let id = self.image(x);
                Ok(Stored::plain(self.b.reshape(id, &node.shape), 2))
            }
            (Operator::Permute { order }, [x]) => Ok(permuted(x, order)),
            (Operator::Slice { dim, range }, [x]) => Ok(self.slice(*dim, range, x)),
            (Operator::Concat { dim }, inputs) => Ok(self.concat(node, *dim, inputs)),
            (Operator::Mean { dims }, [x]) => Ok(self.mean(dims, &shape, x)),
            (Operator::Linear { .. }, [x]) => self.linear(node, x),
            (Operator::ScaledDotProductAttention { num_heads }, [q, k, v]) => {
                self.attention(node, *num_heads, [q, k, v])
            }
            (Operator::RelativeAttention { num_heads, grid }, [x]) => {
                self.relative_attention(node, *num_heads, *grid, x)
            }
            (Operator::Dropout { .. } | Operator::StochasticDepth { .. }, [x]) => Ok(x.clone()),
            (Operator::Add, [x, y]) => Ok(self.pair(super::Pair::Add, x, y)),
            (Operator::Multiply, [x, y]) => Ok(self.pair(super::Pair::Multiply, x, y)),
            (Operator::Scale { factor }, [x]) => {
                let factor = self.b.scalar("factor", *factor);
                Ok(x.with(self.b.pair(super::Pair::Multiply, x.id, factor)))
            }
            (Operator::LayerScale { shape: dims, .. }, [x]) => self.layer_scale(node, dims, x),
            (Operator::ClassToken { .. }, [x]) => self.class_token(node, x),
            (Operator::PositionEmbedding { .. }, [x]) => self.position_embedding(node, x),
            (Operator::SinePositionEmbedding(config), [x]) => self.sine(node, *config, x),
            (Operator::Queries { .. }, _) => {
                let data = self.tensor(node, 0)?;
                Ok(Stored::plain(self.b.repeated("queries", &node.shape, &data), node.shape.len()))
            }
            (Operator::Map(_), _) => Err(unmapped(
                node,
                "layers of the library",
                "code of yours, which no file can hold",
                "Build it of layers, or leave it out of the model.",
            )),
            (Operator::FakeQuantize { .. }, [x]) => self.fake_quantize(node, x),
            (operator, inputs) => Err(unmapped(
                node,
                "an operator that has a form in this format",
                &format!("{} of {} inputs", operator.name(), inputs.len()),
                "Build it of other layers.",
            )),
        }
    }

    /// An input as f32, or as the bytes that the model makes of it first: an image with its channels last, others as they
    /// are.
    fn input(&mut self, index: usize, node: &Node) -> Result<Stored> {
        self.b.layer("");
        let stored = match node.shape.len() {
            3 => Stored::image(0),
            rank => Stored::plain(0, rank),
        };
        let batched = |lowering: &Lowering, shape: &[usize]| {
            let dims: Vec<usize> = stored.order.iter().map(|&dim| shape[dim]).collect();
            lowering.b.batched(&dims)
        };
        let dims = batched(self, &node.shape);
        let built = batched(self, &self.source.graph.nodes()[index].shape);
        self.b.program.built.push(built);
        let bytes = if self.reach == Reach::All { self.range_behind(index)? } else { None };
        let id = self.b.value(&node.name, dims, bytes.map_or(Kind::Float, Kind::Bytes), None);
        self.b.program.inputs.push((node.name.clone(), id));
        Ok(stored.with(id))
    }

    /// Remembers the first node that is computed in f32, where none is to be. Values from `known` on are its own.
    fn note(&mut self, index: usize, known: usize) {
        let is_input = matches!(self.source.graph.nodes()[index].operator, Operator::Input);
        let is_float = |value: &super::Value| value.kind == Kind::Float;
        if self.reach.is_whole() && !is_input && self.b.program.values[known..].iter().any(is_float) {
            self.b.program.in_float.get_or_insert(index);
        }
    }

    /// A ReLU as a bound of the layer before it, which nothing else takes.
    fn bounded(&mut self, activation: Activation, x: &Stored) -> Option<Stored> {
        let bound = match activation {
            Activation::Relu => Bound::Relu,
            Activation::Relu6 => Bound::Relu6,
            _ => return None,
        };
        // Nodes that leave a value as it is are the same value.
        let same = || (0..self.values.len()).filter(|&other| self.values[other].id == x.id);
        let taken: usize = same().map(|other| self.uses[other]).sum();
        // All of them but the first are among those that take it.
        if taken != same().count() || self.b.program.steps.iter().any(|step| step.inputs.contains(&x.id)) {
            return None;
        }
        let step = self.b.program.steps.iter_mut().rev().find(|step| step.output == x.id)?;
        let takes = matches!(
            step.op,
            Op::Conv2d(_)
                | Op::DepthwiseConv2d(_)
                | Op::FullyConnected
                | Op::Pair(super::Pair::Add | super::Pair::Multiply)
        );
        if !takes || step.bound != Bound::None {
            return None;
        }
        step.bound = bound;
        Some(x.clone())
    }
}

/// Names dimensions anew: those of the graph, not those in memory.
fn permuted(x: &Stored, order: &[usize]) -> Stored {
    let renamed = x.order.iter().map(|old| order.iter().position(|dim| dim == old).unwrap_or_default());
    Stored { order: renamed.collect(), ..x.clone() }
}

/// The error of a node that the format has no form for.
pub(super) fn unmapped(node: &Node, expected: &str, got: &str, hint: &str) -> Error {
    Error::Argument { op: node.label(), expected: expected.into(), got: got.into(), hint: hint.into() }
}
