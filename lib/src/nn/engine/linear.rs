use std::sync::Arc;

use super::activation::{Activation, channels};
use super::context::{Context, Layer, broken};
use super::reverse::{Gradients, Reverse};
use crate::Result;
use crate::ops::channels_last::{self, Epilogue, relu_gradient};
use crate::ops::{Buffer, LinearSizes};

/// A fully connected layer over the last dimension, and what comes after it: the sum with the step's second input,
/// if it has one, a rectified linear unit.
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
        let mut inputs = inputs.into_iter();
        let (Some(x), residual) = (inputs.next(), inputs.next()) else {
            return Err(broken("a linear layer without input"));
        };
        let (in_features, out_features) = (x.channels(), channels(&context.node(self.node).shape));
        let rows = x.values.len() / in_features.max(1);
        let sizes = LinearSizes { rows, in_features, out_features };
        let mut y = context.buffer(rows * out_features);
        context.weights(self.node, |weights| {
            let finish = Epilogue {
                scale: None,
                bias: weights.get(1).copied(),
                residual: residual.as_ref().map(|residual| &**residual.values),
                relu: self.relu,
            };
            sizes.forward_then(&x.values, weights[0], &mut y, &finish);
        })?;
        let mut shape = x.shape.clone();
        shape.pop();
        shape.push(out_features);
        let y = Activation::new(y, x.batch, shape);
        let reverse = context.records.then(|| -> Box<dyn Reverse> {
            let output = self.relu.then(|| Arc::clone(&y.values));
            Box::new(LinearReverse {
                node: self.node,
                sizes,
                x: context.trains(self.node).then_some(x.values),
                output,
            })
        });
        Ok((y, reverse))
    }
}

struct LinearReverse {
    node: usize,
    sizes: LinearSizes,
    /// The input, where the weight is trained.
    x: Option<Arc<Buffer>>,
    /// The output, if a rectified linear unit gave it.
    output: Option<Arc<Buffer>>,
}

impl Reverse for LinearReverse {
    fn reverse(self: Box<Self>, gradients: &mut Gradients, inputs: &[usize], mut dy: Buffer) -> Result<()> {
        let LinearReverse { node, sizes, x, output } = *self;
        if let Some(output) = output {
            relu_gradient(&output, &mut dy);
        }
        let context = gradients.context.clone();
        if let Some(x) = x {
            let tensors = context.node(node).tensors.clone();
            let mut dw = vec![0.0; sizes.in_features * sizes.out_features];
            sizes.weight_gradient_into(&x, &dy, &mut dw);
            gradients.parameter(tensors[0], dw);
            if let Some(&bias) = tensors.get(1) {
                gradients.parameter(bias, channels_last::channel_sums(&dy, sizes.out_features));
            }
        }
        if gradients.wants(inputs[0]) {
            context.weights(node, |weights| {
                gradients.add(inputs[0], sizes.rows * sizes.in_features, |dx, update| {
                    sizes.input_gradient_into(weights[0], &dy, dx, update);
                });
            })?;
        }
        if let Some(&residual) = inputs.get(1).filter(|&&residual| gradients.wants(residual)) {
            gradients.give(residual, dy);
        }
        Ok(())
    }
}
