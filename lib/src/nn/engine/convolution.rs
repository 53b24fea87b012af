use std::sync::Arc;

use super::activation::Activation;
use super::context::{Context, Layer, broken};
use super::norm::{Normalized, normalize};
use super::reverse::{Gradients, Reverse};
use crate::Result;
use crate::nn::operator::Operator;
use crate::ops::Rounding;
use crate::ops::channels_last::{self, Affine, BlockMoments, Epilogue, relu_gradient};
use crate::ops::{self, Buffer, ConvolutionSizes, Window};

/// A convolution, and what comes after it: a batch norm, the sum with the step's second input, if it has one, a
/// rectified linear unit.
pub(super) struct Convolution {
    pub(super) node: usize,
    pub(super) norm: Option<usize>,
    pub(super) relu: bool,
}

impl Convolution {
    fn sizes(&self, context: &Context, x: &Activation) -> Result<ConvolutionSizes> {
        let (Operator::Conv2d { in_channels, out_channels, config }, &[_, height, width]) =
            (&context.node(self.node).operator, x.shape.as_slice())
        else {
            return Err(broken("a convolution of something else than images"));
        };
        let window = Window { kernel: config.kernel, sliding: config.sliding(), rounding: Rounding::Floor };
        let input = [height, width];
        Ok(ConvolutionSizes {
            batch: x.batch,
            in_channels: *in_channels,
            out_channels: *out_channels,
            groups: 1,
            input,
            output: window.output_size("conv2d", input).map_err(context.of_layer(self.node))?,
            window,
        })
    }
}

impl Layer for Convolution {
    fn forward(
        &self,
        context: &Context,
        inputs: Vec<Activation>,
    ) -> Result<(Activation, Option<Box<dyn Reverse>>)> {
        let mut inputs = inputs.into_iter();
        let (Some(x), residual) = (inputs.next(), inputs.next()) else {
            return Err(broken("a convolution without input"));
        };
        let sizes = self.sizes(context, &x)?;
        // In training the moments of the output are needed before it can be normalized.
        let batch_norm = self.norm.filter(|&norm| context.trains(norm));
        if let Some(norm) = batch_norm {
            let count = sizes.all_positions();
            ops::check_count(count, &sizes.output_dims()).map_err(context.of_layer(norm))?;
        }
        let mut output = context.buffer(sizes.output_dims().iter().product());
        let shape = vec![sizes.out_channels, sizes.output[0], sizes.output[1]];
        let values = residual.as_ref().map(|residual| &**residual.values);
        let constant = match self.norm.filter(|&norm| !context.trains(norm)) {
            Some(norm) => Some(Affine::constant(context, norm)?),
            None => None,
        };
        let moments = context.weights(self.node, |weights| {
            let [weight, bias @ ..] = weights else { return None };
            let bias = bias.first().copied();
            let pool = &context.model.pool;
            if batch_norm.is_some() {
                let moments = BlockMoments::of_convolution(&sizes);
                let finish = (Epilogue { bias, ..Epilogue::default() }, moments);
                channels_last::forward(&sizes, pool, &x.values, weight, &mut output, &finish);
                return Some(finish.1.finish());
            }
            let shift = constant.as_ref().map(|affine| affine.shift_of(bias));
            let scale = constant.as_ref().map(|affine| affine.scale.as_slice());
            let finish =
                Epilogue { scale, bias: shift.as_deref().or(bias), residual: values, relu: self.relu };
            channels_last::forward(&sizes, pool, &x.values, weight, &mut output, &finish);
            None
        })?;
        let mut normalized = None;
        if let (Some(node), Some(moments)) = (batch_norm, moments) {
            let (y, norm) = normalize(context, node, Arc::new(output), moments, values, self.relu)?;
            (output, normalized) = (y, Some(norm));
        }
        let output = Activation::new(output, sizes.batch, shape);
        let reverse = context.records.then(|| -> Box<dyn Reverse> {
            Box::new(ConvolutionReverse {
                node: self.node,
                sizes,
                x: context.trains(self.node).then_some(x.values),
                scale: constant.map(|affine| affine.scale),
                normalized,
                output: self.relu.then(|| Arc::clone(&output.values)),
            })
        });
        Ok((output, reverse))
    }
}

struct ConvolutionReverse {
    node: usize,
    sizes: ConvolutionSizes,
    /// The input, where the weight is trained.
    x: Option<Arc<Buffer>>,
    /// What a batch norm with constant moments multiplies each channel with.
    scale: Option<Vec<f32>>,
    normalized: Option<Normalized>,
    /// The output, if a rectified linear unit gave it.
    output: Option<Arc<Buffer>>,
}

impl Reverse for ConvolutionReverse {
    fn reverse(self: Box<Self>, gradients: &mut Gradients, inputs: &[usize], mut dy: Buffer) -> Result<()> {
        let ConvolutionReverse { node, sizes, x, scale, normalized, output } = *self;
        match normalized {
            Some(normalized) => dy = normalized.reverse(gradients, inputs, output, dy)?,
            None => {
                if let Some(output) = output {
                    relu_gradient(&output, &mut dy);
                }
                if let Some(other) = inputs.get(1).copied().filter(|&other| gradients.wants(other)) {
                    gradients.add_copy(other, &dy);
                }
            }
        }
        if let Some(scale) = scale {
            channels_last::scale_channels(&mut dy, &scale);
        }
        let tensors = gradients.context.node(node).tensors.clone();
        if let Some(x) = x {
            if let Some(&bias) = tensors.get(1) {
                gradients.parameter(bias, channels_last::channel_sums(&dy, sizes.out_channels));
            }
            let mut dw = vec![0.0; sizes.out_channels * sizes.depth()];
            channels_last::weight_gradient(&sizes, &gradients.context.model.pool, &x, &dy, &mut dw);
            gradients.parameter(tensors[0], dw);
        }
        if gradients.wants(inputs[0]) {
            let context = gradients.context.clone();
            let len = sizes.input_dims().iter().product();
            let pool = &context.model.pool;
            context.weights(node, |weights| {
                let weight = weights.first().copied().unwrap_or_default();
                gradients.add(inputs[0], len, |dx, update| {
                    channels_last::input_gradient(&sizes, pool, weight, &dy, dx, update);
                });
            })?;
        }
        Ok(())
    }
}
