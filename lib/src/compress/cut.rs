//! Takes channels out of a graph and its tensors.

use candle_core::Tensor;

use super::trace::Trace;
use crate::Result;
use crate::nn::{Graph, Model, Node, Operator, Parts};

/// The channels that stay.
pub(super) struct Kept<'a> {
    trace: &'a Trace,
    removed: &'a [bool],
}

impl<'a> Kept<'a> {
    /// `removed` says of what stands for each set whether it goes.
    pub(super) fn new(trace: &'a Trace, removed: &'a [bool]) -> Kept<'a> {
        Kept { trace, removed }
    }

    fn stays(&self, unit: u32) -> bool {
        !self.removed[self.trace.ties.root(unit) as usize]
    }

    fn count(&self, units: &[u32]) -> usize {
        units.iter().filter(|&&unit| self.stays(unit)).count()
    }

    /// The indices of these units that stay.
    pub(super) fn indices(&self, units: &[u32]) -> Vec<usize> {
        (0..units.len()).filter(|&index| self.stays(units[index])).collect()
    }

    /// How long a dimension of a node's output is then.
    fn length(&self, graph: &Graph, node: usize, dim: usize) -> usize {
        let channels = &self.trace.values[node];
        match channels.dim == dim {
            true => self.count(&channels.units),
            false => graph.nodes[node].shape.get(dim).copied().unwrap_or(1),
        }
    }

    /// The graph without what goes. Its shapes are not inferred yet.
    pub(super) fn graph(&self, graph: &Graph) -> Graph {
        let mut cut = graph.clone();
        for (index, node) in cut.nodes.iter_mut().enumerate() {
            self.change(graph, index, node);
        }
        cut
    }

    fn change(&self, graph: &Graph, index: usize, node: &mut Node) {
        let input = |dim: usize| node.inputs.first().map_or(1, |&input| self.length(graph, input, dim));
        let last = |node: usize| graph.nodes[node].shape.len().saturating_sub(1);
        let of_input = node.inputs.first().map(|&input| &self.trace.values[input]);
        match &mut node.operator {
            Operator::Conv2d { in_channels, out_channels, config } => {
                let depthwise = config.groups > 1 && config.groups == *in_channels;
                (*in_channels, *out_channels) = (input(0), self.length(graph, index, 0));
                if depthwise {
                    config.groups = *in_channels;
                }
            }
            Operator::ConvTranspose2d { in_channels, out_channels, config } => {
                let depthwise = config.groups > 1 && config.groups == *in_channels;
                (*in_channels, *out_channels) = (input(0), self.length(graph, index, 0));
                if depthwise {
                    config.groups = *in_channels;
                }
            }
            Operator::Linear { in_features, out_features, .. } => {
                *in_features = node.inputs.first().map_or(1, |&x| self.length(graph, x, last(x)));
                *out_features = self.length(graph, index, last(index));
            }
            Operator::BatchNorm { channels, .. } | Operator::LayerNorm2d { channels, .. } => {
                *channels = input(0);
            }
            Operator::LayerNorm { features, .. } => *features = self.length(graph, index, last(index)),
            Operator::GroupNorm { channels, config } => {
                let each_alone = config.groups == *channels;
                *channels = input(0);
                if each_alone {
                    config.groups = *channels;
                }
            }
            Operator::Reshape { dims } => {
                for (dim, length) in dims.iter_mut().enumerate() {
                    *length = self.length(graph, index, dim);
                }
            }
            Operator::Slice { dim, range } => {
                if let Some(channels) = of_input.filter(|channels| channels.dim == *dim) {
                    let start = self.count(&channels.units[..range.start]);
                    *range = start..start + self.count(&channels.units[range.clone()]);
                }
            }
            // Heads go as a whole.
            Operator::ScaledDotProductAttention { num_heads }
            | Operator::RelativeAttention { num_heads, .. } => {
                let all = graph.nodes[index].shape.get(last(index)).copied().unwrap_or(1);
                *num_heads = *num_heads * self.length(graph, index, last(index)) / all.max(1);
            }
            Operator::LayerScale { shape, .. } => {
                let dim = if shape.len() == 3 { 0 } else { last(index) };
                if let Some(length) = shape.first_mut() {
                    *length = self.length(graph, index, dim);
                }
            }
            Operator::ClassToken { embed_dim } => *embed_dim = self.length(graph, index, 1),
            Operator::Queries { dims } => dims[1] = self.length(graph, index, 1),
            // A position embedding takes its shape from its input; the others have no sizes of channels.
            _ => {}
        }
    }

    /// The model without what goes.
    pub(super) fn model(&self, parts: &Parts) -> Result<Model> {
        Model::of_parts(self.parts(parts)?)
    }

    fn parts(&self, parts: &Parts) -> Result<Parts> {
        let cut = |tensor: &Tensor, axes: &[(usize, Vec<u32>)]| -> Result<Tensor> {
            let mut tensor = tensor.clone();
            for (dim, units) in axes {
                let kept = self.indices(units);
                if kept.len() < units.len() {
                    let kept: Vec<u32> = kept.into_iter().map(|index| index as u32).collect();
                    let kept = Tensor::new(kept, tensor.device())?;
                    tensor = tensor.contiguous()?.index_select(&kept, *dim)?;
                }
            }
            Ok(tensor)
        };
        let axes = &self.trace.tensors;
        let tensors = parts.tensors.iter().zip(axes).map(|(tensor, axes)| cut(tensor, axes));
        let masks = parts
            .masks
            .iter()
            .zip(axes)
            .map(|(mask, axes)| mask.as_ref().map(|mask| cut(mask, axes)).transpose());
        Ok(Parts {
            graph: self.graph(&parts.graph),
            tensors: tensors.collect::<Result<_>>()?,
            masks: masks.collect::<Result<_>>()?,
            frozen: parts.frozen.clone(),
            device: parts.device.clone(),
        })
    }
}
