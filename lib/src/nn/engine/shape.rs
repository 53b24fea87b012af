use super::activation::{Activation, to_candle, to_engine};
use super::context::{Context, Layer, broken};
use super::reverse::{Gradients, Reverse};
use crate::Result;
use crate::ops::Buffer;

/// What a layer does that does nothing in use.
pub(super) struct Same;

impl Layer for Same {
    fn forward(
        &self,
        context: &Context,
        inputs: Vec<Activation>,
    ) -> Result<(Activation, Option<Box<dyn Reverse>>)> {
        let Some(x) = inputs.into_iter().next() else { return Err(broken("a layer without input")) };
        let reverse = context.records.then(|| -> Box<dyn Reverse> { Box::new(SameReverse) });
        Ok((x, reverse))
    }
}

struct SameReverse;

impl Reverse for SameReverse {
    fn reverse(self: Box<Self>, gradients: &mut Gradients, inputs: &[usize], dy: Buffer) -> Result<()> {
        if gradients.wants(inputs[0]) {
            gradients.give(inputs[0], dy);
        }
        Ok(())
    }
}

/// (C, H, W) to (C·H·W), in that order.
pub(super) struct Flatten;

impl Layer for Flatten {
    fn forward(
        &self,
        context: &Context,
        inputs: Vec<Activation>,
    ) -> Result<(Activation, Option<Box<dyn Reverse>>)> {
        let Some(x) = inputs.into_iter().next() else { return Err(broken("a layer without input")) };
        let shape = x.shape.clone();
        let mut y = context.buffer(x.values.len());
        to_candle(&x.values, &mut y, &shape);
        let y = Activation::new(y, x.batch, vec![x.len()]);
        let reverse = context.records.then(|| -> Box<dyn Reverse> { Box::new(FlattenReverse { shape }) });
        Ok((y, reverse))
    }
}

struct FlattenReverse {
    shape: Vec<usize>,
}

impl Reverse for FlattenReverse {
    fn reverse(self: Box<Self>, gradients: &mut Gradients, inputs: &[usize], dy: Buffer) -> Result<()> {
        if gradients.wants(inputs[0]) {
            let mut dx = gradients.context.buffer(dy.len());
            to_engine(&dy, &mut dx, &self.shape);
            gradients.give(inputs[0], dx);
        }
        Ok(())
    }
}
