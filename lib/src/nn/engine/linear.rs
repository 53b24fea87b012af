use std::sync::Arc;

use super::activation::{Activation, channels};
use super::context::{Context, Layer, broken};
use super::reverse::{Gradients, Reverse};
use crate::Result;
use crate::ops::channels_last::{self, relu_gradient};
use crate::ops::{self, Buffer, LinearSizes};

/// A fully connected layer over the last dimension, and a rectified linear unit behind it.
pub(super) struct Linear {
    pub(super) node: usize,
    pub(super) relu: bool,
}

impl Layer for Linear {
    fn forward(
        &self,
        context: &Context,
        inputs: Vec<Activation>,
    ) -> Result<(Activation, Option<Box<dyn Reverse>>)> {
        let Some(x) = inputs.into_iter().next() else { return Err(broken("a linear layer without input")) };
        let (inputs, outputs) = (x.channels(), channels(&context.node(self.node).shape));
        let rows = x.values.len() / inputs.max(1);
        let sizes = LinearSizes { rows, in_features: inputs, out_features: outputs };
        let mut y = context.buffer(rows * outputs);
        context.weights(self.node, |weights| {
            sizes.forward_into(&x.values, weights[0], weights.get(1).copied(), &mut y);
        })?;
        if self.relu {
            ops::relu_assign(&mut y);
        }
        let mut shape = x.shape.clone();
        shape.pop();
        shape.push(outputs);
        let y = Activation::new(y, x.batch, shape);
        let reverse = context.records.then(|| -> Box<dyn Reverse> {
            let output = self.relu.then(|| Arc::clone(&y.values));
            Box::new(LinearReverse {
                node: self.node,
                sizes,
                x: context.trains().then_some(x.values),
                output,
            })
        });
        Ok((y, reverse))
    }
}

struct LinearReverse {
    node: usize,
    sizes: LinearSizes,
    x: Option<Arc<Buffer>>,
    output: Option<Arc<Buffer>>,
}

impl Reverse for LinearReverse {
    fn reverse(self: Box<Self>, gradients: &mut Gradients, inputs: &[usize], mut dy: Buffer) -> Result<()> {
        let LinearReverse { node, sizes, x, output } = *self;
        if let Some(output) = output {
            relu_gradient(&output, &mut dy);
        }
        let tensors = gradients.context.node(node).tensors.clone();
        if let Some(x) = x {
            let mut dw = vec![0.0; sizes.in_features * sizes.out_features];
            sizes.weight_gradient_into(&x, &dy, &mut dw);
            gradients.parameter(tensors[0], dw);
            if let Some(&bias) = tensors.get(1) {
                gradients.parameter(bias, channels_last::channel_sums(&dy, sizes.out_features));
            }
        }
        if gradients.wants(inputs[0]) {
            let context = gradients.context.clone();
            context.weights(node, |weights| {
                gradients.add(inputs[0], sizes.rows * sizes.in_features, |dx, update| {
                    sizes.input_gradient_into(weights[0], &dy, dx, update);
                });
            })?;
        }
        Ok(())
    }
}
