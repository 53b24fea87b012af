//! What can be compared, and what is known of a model graph without running it.

use std::path::Path;

use candle_core::{Device, Tensor};

use crate::Result;
use crate::compress::{HalfModel, QuantizedModel};
use crate::nn::{Graph, Mode, Model, Operator};

/// A model in use, whatever its numbers are: what [`compare`](super::compare) needs of it.
pub trait Compared {
    /// Raw logits (B, num_classes) of a batch (B, C, H, W), f32.
    ///
    /// # Errors
    /// A batch that the model can't take.
    fn logits(&self, images: &Tensor) -> Result<Tensor>;

    /// How many values its parameters have.
    fn num_parameters(&self) -> usize;

    /// Multiplications, each with its addition, of all matrix products for an image `[channels, height, width]`; `None` where they cannot
    /// be counted.
    fn multiply_adds(&self, image: [usize; 3]) -> Option<u64>;

    /// Bytes that are in use at one time at most, counted for a batch of one image: its weights, in each order that they are kept in, and the
    /// values that are needed at one time. What the work of a layer takes beside that is left out. `None` where they cannot be counted.
    fn peak_bytes(&self, image: [usize; 3]) -> Option<u64>;

    /// Writes it to a file, from which it can be read back.
    ///
    /// # Errors
    /// When the file cannot be written.
    fn write(&self, path: &Path) -> Result<()>;

    /// Where it lies; images are brought there.
    fn device(&self) -> Device;
}

impl Compared for Model {
    fn logits(&self, images: &Tensor) -> Result<Tensor> {
        self.forward(images, Mode::Eval)
    }

    fn num_parameters(&self) -> usize {
        Model::num_parameters(self)
    }

    fn multiply_adds(&self, image: [usize; 3]) -> Option<u64> {
        counted(self.graph(), image)
    }

    fn peak_bytes(&self, image: [usize; 3]) -> Option<u64> {
        let graph = for_size(self.graph(), image)?;
        let weights: usize = graph.tensors().iter().map(|spec| spec.shape.iter().product::<usize>()).sum();
        Some((weights + most_values(&graph)) as u64 * size_of::<f32>() as u64)
    }

    fn write(&self, path: &Path) -> Result<()> {
        self.save(path)
    }

    fn device(&self) -> Device {
        Model::device(self).clone()
    }
}

impl Compared for QuantizedModel {
    fn logits(&self, images: &Tensor) -> Result<Tensor> {
        self.forward(images)
    }

    fn num_parameters(&self) -> usize {
        self.graph().nodes().iter().map(|node| self.graph().parameters_of(node)).sum()
    }

    fn multiply_adds(&self, image: [usize; 3]) -> Option<u64> {
        counted(self.graph(), image)
    }

    fn peak_bytes(&self, image: [usize; 3]) -> Option<u64> {
        QuantizedModel::peak_bytes(self, image)
    }

    fn write(&self, path: &Path) -> Result<()> {
        self.save(path)
    }

    fn device(&self) -> Device {
        Device::Cpu
    }
}

/// As the model in f32 that it computes with; only its file is another.
impl Compared for HalfModel {
    fn logits(&self, images: &Tensor) -> Result<Tensor> {
        self.model().logits(images)
    }

    fn num_parameters(&self) -> usize {
        self.model().num_parameters()
    }

    fn multiply_adds(&self, image: [usize; 3]) -> Option<u64> {
        self.model().multiply_adds(image)
    }

    fn peak_bytes(&self, image: [usize; 3]) -> Option<u64> {
        self.model().peak_bytes(image)
    }

    fn write(&self, path: &Path) -> Result<()> {
        self.save(path)
    }

    fn device(&self) -> Device {
        Compared::device(self.model())
    }
}

/// The multiply-adds of a graph for an image; none with code in it of which nothing is known.
fn counted(graph: &Graph, image: [usize; 3]) -> Option<u64> {
    let graph = for_size(graph, image)?;
    let opaque = graph.nodes().iter().any(|node| matches!(node.operator, Operator::Map(_)));
    (!opaque).then(|| graph.multiply_adds())
}

/// The graph with the shapes that it has for images of another size.
fn for_size(graph: &Graph, image: [usize; 3]) -> Option<Graph> {
    let shapes = graph.infer(image).ok()?;
    let mut graph = graph.clone();
    for (node, shape) in graph.nodes.iter_mut().zip(shapes) {
        node.shape = shape;
    }
    Some(graph)
}

/// The most values that are needed at one time while the main output is computed, layer by layer, for one image. A value is freed
/// after its last use, and what works on each value by itself (norms in use, activations, sums) takes the place of its first
/// input where nothing else needs that.
fn most_values(graph: &Graph) -> usize {
    let Some(output) = graph.outputs().first() else { return 0 };
    let nodes = &graph.nodes()[..=output.node];
    let mut uses = vec![0_usize; nodes.len()];
    uses[output.node] = 1;
    for (index, node) in nodes.iter().enumerate().rev() {
        if uses[index] > 0 {
            node.inputs.iter().for_each(|&input| uses[input] += 1);
        }
    }
    let size = |index: usize| nodes[index].shape.iter().product::<usize>();
    let (mut live, mut most) = (0, 0);
    for (index, node) in nodes.iter().enumerate() {
        if uses[index] == 0 {
            continue;
        }
        let left = uses.clone();
        node.inputs.iter().for_each(|&input| uses[input] -= 1);
        let mut freed: Vec<usize> = node.inputs.iter().copied().filter(|&input| uses[input] == 0).collect();
        freed.dedup();
        let freed: usize = freed.into_iter().map(size).sum();
        let own = size(index);
        let takes_over = in_place(&node.operator)
            && node
                .inputs
                .first()
                .is_some_and(|&first| uses[first] == 0 && left[first] == 1 && size(first) == own);
        most = most.max(if takes_over { live } else { live + own });
        live = live + own - freed;
    }
    most
}

fn in_place(operator: &Operator) -> bool {
    matches!(
        operator,
        Operator::BatchNorm { .. }
            | Operator::Activation(_)
            | Operator::Add
            | Operator::Multiply
            | Operator::Scale { .. }
            | Operator::LayerScale { .. }
            | Operator::Dropout { .. }
            | Operator::StochasticDepth { .. }
            | Operator::Flatten
            | Operator::Reshape { .. }
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::Seed;

    #[test]
    fn the_most_values_are_counted_by_hand() -> Result<()> {
        let net = Model::build([1, 4, 4], |x| {
            let x = x.conv2d(3, 3).batch_norm().relu(); // 16 and 48 values
            let y = x.conv2d(3, 3).relu(); // 48 beside 48
            (x + y).conv2d(8, 3).global_avg_pool().linear(2) // 48 and 128
        })?
        .init(Seed(1), &Device::Cpu)?;
        assert_eq!(most_values(net.graph()), 48 + 128);
        let narrow = Model::build([1, 4, 4], |x| {
            let x = x.conv2d(3, 3).batch_norm().relu();
            let y = x.conv2d(3, 3).relu().conv2d(3, 3); // x, y and what comes of it
            (x + y).global_avg_pool().linear(2)
        })?
        .init(Seed(1), &Device::Cpu)?;
        assert_eq!(most_values(narrow.graph()), 3 * 48);
        // Four times the pixels.
        assert_eq!(most_values(&for_size(narrow.graph(), [1, 8, 8]).unwrap()), 4 * 3 * 48);
        let bytes = narrow.peak_bytes([1, 4, 4]).unwrap();
        let buffers = 2 * 3;
        assert_eq!(bytes, 4 * (3 * 48 + Model::num_parameters(&narrow) + buffers) as u64);
        Ok(())
    }
}
