//! Which channels hang together: a walk over the graph that gives each its unit.

use super::channels::Channels;
use super::ties::{FIXED, Ties};
use crate::nn::{Graph, Node, Operator, of_layer};
use crate::{Error, Result};

/// What becomes of channels that a norm takes together, as layer norms and group norms do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ChannelNorms {
    /// They stay: without one of them the others would have another mean and variance, so that the model's output would change by more
    /// than the removed channel. Of a vision transformer heads and the widths of its MLPs are still removed.
    #[default]
    Keep,
    /// They are removed as others are, and training must make up for it.
    Prune,
}

/// The channels of a graph.
#[derive(Debug, Clone)]
pub(super) struct Trace {
    pub(super) ties: Ties,
    /// Of the output of each node.
    pub(super) values: Vec<Channels>,
    /// Of each tensor, by dimension: the units along it.
    pub(super) tensors: Vec<Vec<(usize, Vec<u32>)>>,
    /// Layers that make channels: the node with the units of what it makes.
    pub(super) producers: Vec<(usize, Vec<u32>)>,
    norms: ChannelNorms,
}

impl Trace {
    pub(super) fn of(graph: &Graph, norms: ChannelNorms) -> Result<Trace> {
        let mut trace = Trace {
            ties: Ties::new(),
            values: Vec::with_capacity(graph.nodes.len()),
            tensors: vec![Vec::new(); graph.tensors.len()],
            producers: Vec::new(),
            norms,
        };
        for (index, node) in graph.nodes.iter().enumerate() {
            let channels = trace.channels(graph, index, node)?;
            trace.values.push(channels);
        }
        for output in &graph.outputs {
            trace.ties.fix(&trace.values[output.node].units);
        }
        Ok(trace)
    }

    /// Those of a node's output, from those of its inputs.
    fn channels(&mut self, graph: &Graph, index: usize, node: &Node) -> Result<Channels> {
        let shape = |at: usize| graph.nodes[node.inputs[at]].shape.as_slice();
        let value = |trace: &Trace, at: usize| trace.values[node.inputs[at]].clone();
        let last = |at: usize| shape(at).len().saturating_sub(1);
        Ok(match &node.operator {
            Operator::Input => Channels::fixed(&node.shape),
            // Of its input it takes the height and the width.
            Operator::SinePositionEmbedding(_) => {
                let _ = value(self, 0).at(0, shape(0), &mut self.ties);
                Channels::fixed(&node.shape)
            }
            Operator::Conv2d { out_channels, config, .. } => {
                let x = value(self, 0).at(0, shape(0), &mut self.ties).units;
                let (taken, made) = self.grouped(index, &x, *out_channels, config.groups);
                self.axis(node, 0, 0, &made);
                if let Some(taken) = taken {
                    self.axis(node, 0, 1, &taken);
                }
                self.axis(node, 1, 0, &made);
                Channels { dim: 0, units: made }
            }
            Operator::ConvTranspose2d { out_channels, config, .. } => {
                let x = value(self, 0).at(0, shape(0), &mut self.ties).units;
                let (_, made) = self.grouped(index, &x, *out_channels, config.groups);
                self.axis(node, 0, 0, &x);
                // Depthwise, a channel makes its own alone: they are not counted along the second dimension.
                if config.groups == 1 || config.groups < x.len() {
                    self.axis(node, 0, 1, &made[..made.len() / config.groups]);
                }
                self.axis(node, 1, 0, &made);
                Channels { dim: 0, units: made }
            }
            Operator::Linear { out_features, .. } => {
                let x = value(self, 0);
                if x.dim != last(0) && !x.is_fixed(&self.ties) {
                    // Another layer may have the same weight.
                    self.whole(graph, node);
                    return Ok(x);
                }
                let x = x.at(last(0), shape(0), &mut self.ties);
                let made = self.made(index, *out_features);
                self.axis(node, 0, 0, &made);
                self.axis(node, 0, 1, &x.units);
                self.axis(node, 1, 0, &made);
                Channels { dim: x.dim, units: made }
            }
            Operator::BatchNorm { .. } => {
                let x = value(self, 0).at(0, shape(0), &mut self.ties);
                (0..4).for_each(|tensor| self.axis(node, tensor, 0, &x.units));
                x
            }
            Operator::LayerNorm { .. } => {
                let x = value(self, 0);
                if x.dim == last(0) {
                    self.together(&x.units);
                    (0..2).for_each(|tensor| self.axis(node, tensor, 0, &x.units));
                } else {
                    self.whole(graph, node);
                }
                x
            }
            Operator::LayerNorm2d { .. } => {
                let x = value(self, 0).at(0, shape(0), &mut self.ties);
                self.together(&x.units);
                (0..2).for_each(|tensor| self.axis(node, tensor, 0, &x.units));
                x
            }
            Operator::GroupNorm { config, .. } => {
                let x = value(self, 0).at(0, shape(0), &mut self.ties);
                if config.groups < x.units.len() {
                    self.together(&x.units);
                    self.alike(&x.units, config.groups);
                }
                (0..2).for_each(|tensor| self.axis(node, tensor, 0, &x.units));
                x
            }
            Operator::Softmax { dim } | Operator::LogSoftmax { dim } => {
                let x = value(self, 0);
                if x.dim == *dim {
                    self.ties.fix(&x.units);
                }
                x
            }
            Operator::Activation(_)
            | Operator::Dropout { .. }
            | Operator::StochasticDepth { .. }
            | Operator::FakeQuantize { .. }
            | Operator::Scale { .. } => value(self, 0),
            Operator::MaxPool2d(_)
            | Operator::AvgPool2d(_)
            | Operator::AdaptiveAvgPool2d { .. }
            | Operator::Interpolate { .. }
            | Operator::Pad { .. }
            | Operator::GlobalAvgPool => {
                // A second input says the height and the width.
                for at in 1..node.inputs.len() {
                    let _ = value(self, at).at(0, shape(at), &mut self.ties);
                }
                value(self, 0).at(0, shape(0), &mut self.ties)
            }
            Operator::ImageToTokens => value(self, 0).at(0, shape(0), &mut self.ties).along(1),
            Operator::Flatten | Operator::Reshape { .. } => {
                value(self, 0).reshaped(shape(0), &node.shape, &mut self.ties)
            }
            Operator::Permute { order } => {
                let x = value(self, 0);
                let dim = order.iter().position(|&old| old == x.dim).unwrap_or(x.dim);
                x.along(dim)
            }
            Operator::Slice { dim, range } => {
                let x = value(self, 0);
                match x.dim == *dim {
                    true => Channels { dim: x.dim, units: x.units[range.clone()].to_vec() },
                    false => x,
                }
            }
            Operator::Mean { dims } => {
                let x = value(self, 0);
                if dims.contains(&x.dim) {
                    self.ties.fix(&x.units);
                    return Ok(Channels::fixed(&node.shape));
                }
                let before = dims.iter().filter(|&&dim| dim < x.dim).count();
                let dim = x.dim - before;
                x.along(dim)
            }
            Operator::Concat { .. } | Operator::Add | Operator::Multiply => self.joined(graph, node),
            Operator::ScaledDotProductAttention { num_heads } => {
                let parts = [0, 1, 2].map(|at| value(self, at).at(last(at), shape(at), &mut self.ties));
                let [q, k, v] = &parts;
                for head in 0..*num_heads {
                    let first = v.units[head * v.units.len() / num_heads];
                    for part in [q, k, v] {
                        let size = part.units.len() / num_heads;
                        part.units[head * size..][..size].iter().for_each(|&unit| self.ties.tie(first, unit));
                    }
                }
                v.clone().along(node.shape.len().saturating_sub(1))
            }
            Operator::RelativeAttention { num_heads, .. } => {
                let x = value(self, 0).at(1, shape(0), &mut self.ties);
                let size = x.units.len() / num_heads;
                let heads: Vec<u32> = x.units.iter().copied().step_by(size.max(1)).collect();
                for (part, &head) in x.units.chunks(size.max(1)).zip(&heads) {
                    part.iter().for_each(|&unit| self.ties.tie(head, unit));
                }
                self.axis(node, 0, 1, &heads);
                let features = size / 3;
                let repeated = heads.iter().flat_map(|&head| std::iter::repeat_n(head, features));
                Channels { dim: 1, units: repeated.collect() }
            }
            Operator::LayerScale { shape: factors, .. } => {
                let x = value(self, 0);
                let dim = if factors.len() == 3 { 0 } else { last(0) };
                match x.dim == dim {
                    true => self.axis(node, 0, 0, &x.units),
                    false => self.whole(graph, node),
                }
                x
            }
            Operator::ClassToken { .. } => {
                let x = value(self, 0).at(1, shape(0), &mut self.ties);
                self.axis(node, 0, 2, &x.units);
                x
            }
            Operator::PositionEmbedding { .. } => {
                let x = value(self, 0);
                self.whole_but(graph, node, x.dim + 1);
                self.axis(node, 0, x.dim + 1, &x.units);
                x
            }
            Operator::Queries { dims } => {
                let made = self.made(index, dims[1]);
                self.axis(node, 0, 1, &made);
                Channels { dim: 1, units: made }
            }
            Operator::MultiHeadAttention { .. } | Operator::Map(_) => {
                return Err(of_layer(opaque(), node.label()));
            }
        })
    }

    /// Units of channels that a layer makes.
    fn made(&mut self, node: usize, count: usize) -> Vec<u32> {
        let units = self.ties.units(count);
        self.producers.push((node, units.clone()));
        units
    }

    /// What a convolution in groups takes along its weight's second dimension, none where each channel is by itself, and what it
    /// makes.
    fn grouped(
        &mut self,
        node: usize,
        x: &[u32],
        out_channels: usize,
        groups: usize,
    ) -> (Option<Vec<u32>>, Vec<u32>) {
        if groups > 1 && groups == x.len() {
            let times = out_channels / groups;
            return (None, x.iter().flat_map(|&unit| std::iter::repeat_n(unit, times)).collect());
        }
        self.alike(x, groups);
        let made = self.made(node, out_channels);
        self.alike(&made, groups);
        (Some(x[..x.len() / groups].to_vec()), made)
    }

    /// Ties what stands at the same place of each of so many groups, so that they stay of one size.
    fn alike(&mut self, units: &[u32], groups: usize) {
        let size = units.len() / groups;
        if groups > 1 && size > 0 {
            units[size..].chunks(size).for_each(|group| self.ties.tie_all(&units[..size], group));
        }
    }

    /// A norm takes these channels together.
    fn together(&mut self, units: &[u32]) {
        if self.norms == ChannelNorms::Keep {
            self.ties.fix(units);
        }
    }

    /// Nothing may be taken of the node's tensors.
    fn whole(&mut self, graph: &Graph, node: &Node) {
        self.whole_but(graph, node, usize::MAX);
    }

    /// The same, but for one dimension of each.
    fn whole_but(&mut self, graph: &Graph, node: &Node, but: usize) {
        for (tensor, &place) in node.tensors.iter().enumerate() {
            for (dim, &length) in graph.tensors[place].shape.iter().enumerate().filter(|(dim, _)| *dim != but)
            {
                self.axis(node, tensor, dim, &vec![FIXED; length]);
            }
        }
    }

    /// The units along a dimension of one of the node's tensors. Where another node has it too, they are tied.
    fn axis(&mut self, node: &Node, tensor: usize, dim: usize, units: &[u32]) {
        let Some(&place) = node.tensors.get(tensor) else { return };
        match self.tensors[place].iter().find(|(known, _)| *known == dim) {
            Some((_, known)) => self.ties.tie_all(&known.clone(), units),
            None => self.tensors[place].push((dim, units.to_vec())),
        }
    }

    /// Channels of several values that become one.
    fn joined(&mut self, graph: &Graph, node: &Node) -> Channels {
        let values: Vec<&Channels> = node.inputs.iter().map(|&input| &self.values[input]).collect();
        let dim = Channels::common_dim(&values, &self.ties);
        let values: Vec<Channels> = values.into_iter().cloned().collect();
        let shapes = node.inputs.iter().map(|&input| graph.nodes[input].shape.as_slice());
        let mut values: Vec<Channels> =
            values.iter().zip(shapes).map(|(value, shape)| value.at(dim, shape, &mut self.ties)).collect();
        if matches!(&node.operator, Operator::Concat { dim: along } if *along == dim) {
            return Channels { dim, units: values.into_iter().flat_map(|value| value.units).collect() };
        }
        // One number that stands for all channels is none of them.
        let longest = values.iter().map(|value| value.units.len()).max().unwrap_or(0);
        for single in values.iter().filter(|value| value.units.len() < longest) {
            self.ties.fix(&single.units);
        }
        values.retain(|value| value.units.len() == longest);
        let units = values.first().map(|value| value.units.clone()).unwrap_or_default();
        values.iter().for_each(|value| self.ties.tie_all(&units, &value.units));
        Channels { dim, units }
    }
}

fn opaque() -> Error {
    Error::Argument {
        op: String::new(),
        expected: "layers whose channels are known".into(),
        got: "code of your own, into which nothing can look".into(),
        hint: "Build it of the graph's own layers, or prune the model before the layer is put in.".into(),
    }
}
