use std::sync::Arc;

use super::activation::Activation;
use super::context::{Context, Layer, broken};
use super::reverse::{Gradients, Reverse};
use crate::Result;
use crate::nn::operator::Operator;
use crate::ops::channels_last::{Affine, Behind, Moments, NormGradient, relu_gradient};
use crate::ops::{self, BatchNormConfig, Buffer};

pub(super) fn config(context: &Context, node: usize) -> Result<BatchNormConfig> {
    match context.node(node).operator {
        Operator::BatchNorm { config, .. } => Ok(config),
        _ => Err(broken("something else than a batch norm")),
    }
}

impl Affine {
    /// Of a batch norm in use.
    pub(super) fn constant(context: &Context, norm: usize) -> Result<Affine> {
        let eps = config(context, norm)?.eps;
        context.weights(norm, |weights| Affine::new(&running(weights), eps, weights[0], weights[1]))
    }
}

/// The running moments of a batch norm with these tensors.
fn running(weights: &[&[f32]]) -> Moments {
    let double = |values: &[f32]| values.iter().map(|&value| f64::from(value)).collect();
    Moments { mean: double(weights[2]), var: double(weights[3]) }
}

/// Normalizes `x` by its own moments and moves the running ones towards them. Gives the output and what its gradient
/// needs.
pub(super) fn normalize(
    context: &Context,
    node: usize,
    x: Arc<Buffer>,
    moments: Moments,
    residual: Option<&[f32]>,
    relu: bool,
) -> Result<(Buffer, Normalized)> {
    let config = config(context, node)?;
    let tensors = &context.node(node).tensors;
    let count = x.len() / moments.mean.len().max(1);
    let running = (&context.model.vars[tensors[2]], &context.model.vars[tensors[3]]);
    ops::move_running(running, &moments.mean, &moments.var, count, config.momentum)?;
    let affine =
        context.weights(node, |weights| Affine::new(&moments, config.eps, weights[0], weights[1]))?;
    let mut y = context.buffer(x.len());
    affine.apply(&x, residual, relu, &mut y);
    Ok((y, Normalized { node, x, affine, moments, eps: config.eps, of_batch: true }))
}

/// What the gradient of a batch norm needs.
pub(super) struct Normalized {
    node: usize,
    x: Arc<Buffer>,
    affine: Affine,
    moments: Moments,
    eps: f64,
    /// Whether the moments are those of `x`.
    of_batch: bool,
}

impl Normalized {
    /// The gradient of the input, of a step with these `inputs`: the second one, if there is one, was added to what was
    /// normalized. A rectified linear unit behind that gave `rectified`.
    pub(super) fn reverse(
        self,
        gradients: &mut Gradients,
        inputs: &[usize],
        rectified: Option<Arc<Buffer>>,
        mut dy: Buffer,
    ) -> Result<Buffer> {
        let Normalized { node, x, affine, moments, eps, of_batch } = self;
        let behind = match (rectified, inputs) {
            (Some(_), [_]) => Behind::Relu,
            (Some(output), _) => {
                relu_gradient(&output, &mut dy);
                Behind::Nothing
            }
            (None, _) => Behind::Nothing,
        };
        let sums = NormGradient::new(&x, &dy, &moments, &affine, eps, of_batch, behind);
        let residual = inputs.get(1).copied().filter(|&other| gradients.wants(other));
        match residual {
            Some(other) if gradients.has(other) => {
                gradients.add_copy(other, &dy);
                sums.input(&x, &mut dy);
            }
            Some(other) => {
                let mut dx = gradients.context.buffer(dy.len());
                sums.input_into(&x, &dy, &mut dx);
                gradients.give(other, std::mem::replace(&mut dy, dx));
            }
            None => sums.input(&x, &mut dy),
        }
        if gradients.context.trains(node) {
            let tensors = gradients.context.node(node).tensors.clone();
            gradients.parameter(tensors[0], sums.weight);
            gradients.parameter(tensors[1], sums.bias);
        }
        Ok(dy)
    }
}

/// A batch norm that follows no convolution, and what comes after it.
pub(super) struct Norm {
    pub(super) node: usize,
    pub(super) relu: bool,
}

impl Layer for Norm {
    fn forward(
        &self,
        context: &Context,
        inputs: Vec<Activation>,
    ) -> Result<(Activation, Option<Box<dyn Reverse>>)> {
        let mut inputs = inputs.into_iter();
        let (Some(x), residual) = (inputs.next(), inputs.next()) else {
            return Err(broken("a batch norm without input"));
        };
        let values = residual.as_ref().map(|residual| &**residual.values);
        let (batch, shape) = (x.batch, x.shape.clone());
        let (y, normalized) = if context.trains(self.node) {
            let channels = x.channels();
            let count = x.values.len() / channels.max(1);
            ops::check_count(count, &x.dims()).map_err(context.of_layer(self.node))?;
            let moments = Moments::of(&x.values, channels);
            normalize(context, self.node, x.values, moments, values, self.relu)?
        } else {
            let (node, x) = (self.node, x.values);
            let affine = Affine::constant(context, node)?;
            let moments = context.weights(node, running)?;
            let eps = config(context, node)?.eps;
            let mut y = context.buffer(x.len());
            affine.apply(&x, values, self.relu, &mut y);
            (y, Normalized { node, x, affine, moments, eps, of_batch: false })
        };
        let y = Activation::new(y, batch, shape);
        let reverse = context.records.then(|| -> Box<dyn Reverse> {
            let output = self.relu.then(|| Arc::clone(&y.values));
            Box::new(NormReverse { normalized, output })
        });
        Ok((y, reverse))
    }
}

struct NormReverse {
    normalized: Normalized,
    output: Option<Arc<Buffer>>,
}

impl Reverse for NormReverse {
    fn reverse(self: Box<Self>, gradients: &mut Gradients, inputs: &[usize], dy: Buffer) -> Result<()> {
        let dx = self.normalized.reverse(gradients, inputs, self.output, dy)?;
        if gradients.wants(inputs[0]) {
            gradients.give(inputs[0], dx);
        }
        Ok(())
    }
}

/// A value, or the sum of two, and a rectified linear unit.
pub(super) struct Sum {
    pub(super) relu: bool,
}

impl Layer for Sum {
    fn forward(
        &self,
        context: &Context,
        inputs: Vec<Activation>,
    ) -> Result<(Activation, Option<Box<dyn Reverse>>)> {
        let mut inputs = inputs.into_iter();
        let (Some(x), other) = (inputs.next(), inputs.next()) else {
            return Err(broken("a sum of nothing"));
        };
        let (batch, shape) = (x.batch, x.shape.clone());
        let copy = |x: &Activation| {
            let mut y = context.buffer(x.values.len());
            ops::copy_assign(&mut y, &x.values);
            y
        };
        // In the place of one that nothing else needs.
        let mut y = match (x.into_buffer(), other) {
            (Ok(x), None) => x,
            (Err(x), None) => copy(&x),
            (Ok(mut x), Some(other)) => {
                ops::add_assign(&mut x, &other.values);
                x
            }
            (Err(x), Some(other)) => {
                let mut y = other.into_buffer().unwrap_or_else(|other| copy(&other));
                ops::add_assign(&mut y, &x.values);
                y
            }
        };
        if self.relu {
            ops::relu_assign(&mut y);
        }
        let y = Activation::new(y, batch, shape);
        let reverse = context.records.then(|| -> Box<dyn Reverse> {
            Box::new(SumReverse { output: self.relu.then(|| Arc::clone(&y.values)) })
        });
        Ok((y, reverse))
    }
}

struct SumReverse {
    output: Option<Arc<Buffer>>,
}

impl Reverse for SumReverse {
    fn reverse(self: Box<Self>, gradients: &mut Gradients, inputs: &[usize], mut dy: Buffer) -> Result<()> {
        if let Some(output) = self.output {
            relu_gradient(&output, &mut dy);
        }
        let wanted: Vec<usize> = inputs.iter().copied().filter(|&input| gradients.wants(input)).collect();
        let Some((&last, others)) = wanted.split_last() else { return Ok(()) };
        for &other in others {
            gradients.add_copy(other, &dy);
        }
        gradients.give(last, dy);
        Ok(())
    }
}
