//! What a layer computes, counted.

use super::graph::{Graph, Node};
use super::operator::Operator;
use super::weights::Role;

impl Graph {
    /// Values of the node's parameters; buffers are not counted.
    #[must_use]
    pub fn parameters_of(&self, node: &Node) -> usize {
        let tensors = node.tensors.iter().map(|&index| &self.tensors[index]);
        let parameters = tensors.filter(|spec| spec.role == Role::Parameter);
        parameters.map(|spec| spec.shape.iter().product::<usize>()).sum()
    }
}

impl Node {
    /// Multiplications, each with its addition, that the node's matrix products take for one image
    /// of the size the model was built with. Everything that is linear in the number of values
    /// (bias, norms, activations, pooling) is left out, as is usual.
    #[must_use]
    pub fn multiply_adds(&self) -> u64 {
        let values: u64 = self.shape.iter().map(|&dim| dim as u64).product();
        match &self.operator {
            Operator::Conv2d { in_channels, config, .. } => {
                values * (in_channels / config.groups.max(1) * config.kernel[0] * config.kernel[1]) as u64
            }
            Operator::Linear { in_features, .. } => values * *in_features as u64,
            Operator::Input
            | Operator::BatchNorm { .. }
            | Operator::Activation(_)
            | Operator::MaxPool2d(_)
            | Operator::GlobalAvgPool
            | Operator::Flatten
            | Operator::Dropout { .. }
            | Operator::Add => 0,
        }
    }
}
