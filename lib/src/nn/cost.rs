//! What a layer computes, counted.

use super::graph::{Graph, Node};
use super::operator::Operator;
use super::weights::Role;

impl Graph {
    /// Values of the node's parameters; buffers are not counted, nor what it shares with a node before it.
    #[must_use]
    pub fn parameters_of(&self, node: &Node) -> usize {
        if node.shares.is_some() {
            return 0;
        }
        let tensors = node.tensors.iter().map(|&index| &self.tensors[index]);
        let parameters = tensors.filter(|spec| spec.role == Role::Parameter);
        parameters.map(|spec| spec.shape.iter().product::<usize>()).sum()
    }

    /// Multiplications, each with its addition, that the node's matrix products take for one image
    /// of the size the model was built with. Everything that is linear in the number of values
    /// (bias, norms, activations, pooling) is left out, as is usual, and what a map computes is not known.
    #[must_use]
    pub fn multiply_adds_of(&self, node: &Node) -> u64 {
        let product = |dims: &[usize]| dims.iter().map(|&dim| dim as u64).product::<u64>();
        let input = |index: usize| {
            node.inputs.get(index).map_or(&[][..], |&input| self.nodes[input].shape.as_slice())
        };
        let last = |shape: &[usize]| shape.last().map_or(0, |&dim| dim as u64);
        let values = product(&node.shape);
        // Scores of all queries and keys, and the sums of values that they weigh.
        let attention = || {
            let (q, k, v) = (input(0), input(1), input(2));
            let keys = k.len().checked_sub(2).map_or(0, |dim| k[dim] as u64);
            product(q) * keys + product(&q[..q.len().saturating_sub(1)]) * keys * last(v)
        };
        match &node.operator {
            Operator::Conv2d { in_channels, config, .. } => {
                values * (in_channels / config.groups.max(1) * config.kernel[0] * config.kernel[1]) as u64
            }
            Operator::ConvTranspose2d { out_channels, config, .. } => {
                let window = out_channels / config.groups.max(1) * config.kernel[0] * config.kernel[1];
                product(input(0)) * window as u64
            }
            Operator::Linear { in_features, .. } => values * *in_features as u64,
            Operator::ScaledDotProductAttention { .. } => attention(),
            // As many products for the scores as for the sums that they weigh.
            Operator::RelativeAttention { grid, .. } => 2 * values * (grid[0] * grid[1]) as u64,
            Operator::MultiHeadAttention { embed_dim, .. } => {
                let projected: u64 = (0..3).map(|index| product(input(index))).sum();
                attention() + (projected + values) * *embed_dim as u64
            }
            Operator::Input
            | Operator::BatchNorm { .. }
            | Operator::LayerNorm { .. }
            | Operator::LayerNorm2d { .. }
            | Operator::GroupNorm { .. }
            | Operator::Activation(_)
            | Operator::Softmax { .. }
            | Operator::LogSoftmax { .. }
            | Operator::MaxPool2d(_)
            | Operator::AvgPool2d(_)
            | Operator::AdaptiveAvgPool2d { .. }
            | Operator::GlobalAvgPool
            | Operator::Interpolate { .. }
            | Operator::Pad { .. }
            | Operator::Flatten
            | Operator::ImageToTokens
            | Operator::Reshape { .. }
            | Operator::Permute { .. }
            | Operator::Slice { .. }
            | Operator::Concat { .. }
            | Operator::Mean { .. }
            | Operator::Dropout { .. }
            | Operator::StochasticDepth { .. }
            | Operator::FakeQuantize { .. }
            | Operator::Add
            | Operator::Multiply
            | Operator::Scale { .. }
            | Operator::LayerScale { .. }
            | Operator::ClassToken { .. }
            | Operator::PositionEmbedding { .. }
            | Operator::SinePositionEmbedding(_)
            | Operator::Queries { .. }
            | Operator::Map(_) => 0,
        }
    }
}
