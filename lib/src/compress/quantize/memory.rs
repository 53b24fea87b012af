//! How much memory a model on integers takes.

use super::layers::Packed;
use super::model::QuantizedModel;
use super::plan::{Work, uses_of};

impl QuantizedModel {
    /// Bytes that are in use at one time at most for one image: the weights, in each order that they are kept in, and
    /// the values that are needed at one time. None for an image that a layer cannot take.
    pub(crate) fn peak_bytes(&self, image: [usize; 3]) -> Option<u64> {
        let shapes = self.graph.infer(image).ok()?;
        let mut weights = self.weight_bytes();
        for (step, layer) in self.steps.iter().zip(&*self.layers) {
            weights += match layer.as_ref().map(|layer| &layer.packed) {
                None => 0,
                Some(Packed::Linear(linear)) => linear.bytes(),
                Some(Packed::Convolution(convolution)) => {
                    let &[channels, height, width] = shapes[step.inputs[0]].as_slice() else { return None };
                    convolution.bytes(&[1, height, width, channels]).ok()?
                }
            };
        }
        Some((weights + self.most_bytes(&shapes)) as u64)
    }

    /// Bytes of the values that are needed at one time for the main output, step by step, as they are freed after
    /// their last use.
    fn most_bytes(&self, shapes: &[Vec<usize>]) -> usize {
        let mut uses = uses_of(&self.steps, shapes.len(), &[self.graph.outputs[0].node]);
        let mut sizes = vec![0; shapes.len()];
        let values = |node: usize| shapes[node].iter().product::<usize>();
        sizes[0] = size_of::<f32>() * values(0);
        let (mut live, mut most) = (sizes[0], sizes[0]);
        for step in self.steps.iter() {
            if uses[step.output] == 0 {
                continue;
            }
            let own = match step.work {
                Work::Float | Work::Dynamic | Work::Layer { output: None, .. } => {
                    size_of::<f32>() * values(step.output)
                }
                // The same value under another name, if that is all that is left of it.
                Work::Same if uses[step.inputs[0]] == 1 => 0,
                Work::Same => sizes[step.inputs[0]],
                _ => values(step.output),
            };
            live += own;
            most = most.max(live);
            sizes[step.output] = own;
            for &input in &step.inputs {
                uses[input] -= 1;
                if uses[input] > 0 {
                    continue;
                }
                match (step.work, own) {
                    (Work::Same, 0) => sizes[step.output] = sizes[input],
                    _ => live -= sizes[input],
                }
                sizes[input] = 0;
            }
        }
        most
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use candle_core::{Device, Tensor};

    use crate::compress::{QuantizeConfig, quantize};
    use crate::nn::Model;
    use crate::{Result, Seed};

    #[test]
    fn the_most_bytes_are_counted_by_hand() -> Result<()> {
        let net = Model::build([1, 4, 4], |x| {
            let x = x.conv2d(3, 3).relu().dropout(0.1); // 16 bytes, and 48
            let y = x.conv2d(3, 3).relu().conv2d(3, 3); // 48 bytes, and 48 values in f32
            (x + y).hardswish().global_avg_pool().linear(2) // the same once more, while x is still there
        })?
        .init(Seed(1), &Device::Cpu)?;
        let x = Tensor::rand(-1_f32, 1.0, (2, 1, 4, 4), &Device::Cpu)?;
        let int8 = quantize(&net, &[x], &QuantizeConfig::default())?.model;
        let bytes = |image| int8.most_bytes(&int8.graph.infer(image).unwrap());
        assert_eq!(bytes([1, 4, 4]), 48 + 2 * 4 * 48);
        assert_eq!(bytes([1, 8, 8]), 4 * (48 + 2 * 4 * 48));
        let weights = int8.weight_bytes() as u64;
        let peak = int8.peak_bytes([1, 4, 4]).unwrap();
        // Each weight once more at least, as it is multiplied.
        assert!(
            peak > 432 + weights + 9 * (3 + 9 + 9) && peak < 432 + 40 * weights,
            "{peak}, {weights} of weights"
        );
        assert_eq!(int8.peak_bytes([2, 4, 4]), None);
        Ok(())
    }
}
