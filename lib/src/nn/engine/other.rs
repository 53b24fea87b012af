//! Layers that have no step of their own: candle's tape leads through their operators.

use candle_core::{Tensor, Var};

use super::activation::{Activation, to_candle, to_engine};
use super::context::{Context, Layer};
use super::reverse::{Gradients, Reverse};
use crate::Result;
use crate::ops::{self, Buffer, backward_from};

pub(super) struct Other {
    pub(super) node: usize,
}

impl Layer for Other {
    fn forward(
        &self,
        context: &Context,
        inputs: Vec<Activation>,
    ) -> Result<(Activation, Option<Box<dyn Reverse>>)> {
        let node = context.node(self.node);
        let tensors = inputs.iter().map(Activation::tensor).collect::<Result<Vec<Tensor>>>()?;
        let records = context.records && context.wanted[self.node];
        let variables = match records {
            true => tensors.iter().map(Var::from_tensor).collect::<candle_core::Result<Vec<Var>>>()?,
            false => Vec::new(),
        };
        let tensors = match records {
            true => variables.iter().map(|variable| variable.as_tensor().clone()).collect(),
            false => tensors,
        };
        let output = context.model.compute(node, &tensors, context.mode, &context.trained);
        let output = output.map_err(context.of_layer(self.node))?;
        let value = Activation::of_tensor(&output, &context.model.pool)?;
        let reverse = records
            .then(|| -> Box<dyn Reverse> { Box::new(OtherReverse { node: self.node, variables, output }) });
        Ok((value, reverse))
    }
}

struct OtherReverse {
    node: usize,
    variables: Vec<Var>,
    output: Tensor,
}

impl Reverse for OtherReverse {
    fn reverse(self: Box<Self>, gradients: &mut Gradients, inputs: &[usize], dy: Buffer) -> Result<()> {
        let OtherReverse { node, variables, output } = *self;
        if !output.track_op() {
            return Ok(());
        }
        let mut seed = vec![0.0; dy.len()];
        to_candle(&dy, &mut seed, &output.dims()[1..]);
        drop(dy);
        let seed = Tensor::from_vec(seed, output.shape(), output.device())?;
        let found = backward_from(&output, &seed)?;
        drop(output);
        for (&input, variable) in inputs.iter().zip(&variables) {
            let Some(gradient) = found.get(variable.as_tensor()).filter(|_| gradients.wants(input)) else {
                continue;
            };
            let (gradient, shape) = (gradient.contiguous()?, variable.dims()[1..].to_vec());
            let mut part = gradients.context.buffer(gradient.elem_count());
            ops::with_values(&[&gradient], |from| to_engine(from[0], &mut part, &shape))?;
            gradients.give(input, part);
        }
        for tensor in gradients.context.node(node).tensors.clone() {
            let var = gradients.context.model.vars[tensor].clone();
            if let Some(gradient) = found.get(var.as_tensor()) {
                gradients.parameter(tensor, gradient.flatten_all()?.to_vec1()?);
            }
        }
        Ok(())
    }
}
