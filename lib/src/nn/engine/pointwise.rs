use std::sync::Arc;

use super::activation::Activation;
use super::context::{Context, Layer, broken};
use super::reverse::{Gradients, Reverse};
use crate::Result;
use crate::ops::{Activation as Function, Buffer};

/// A function of each value by itself.
pub(super) struct Pointwise {
    pub(super) function: Function,
}

impl Layer for Pointwise {
    fn forward(
        &self,
        context: &Context,
        inputs: Vec<Activation>,
    ) -> Result<(Activation, Option<Box<dyn Reverse>>)> {
        let Some(x) = inputs.into_iter().next() else { return Err(broken("a function of nothing")) };
        let mut y = context.buffer(x.values.len());
        self.function.forward_into::<f32>(&x.values, &mut y);
        let y = Activation::new(y, x.batch, x.shape);
        let reverse = context.records.then(|| -> Box<dyn Reverse> {
            Box::new(PointwiseReverse { function: self.function, x: x.values, y: Arc::clone(&y.values) })
        });
        Ok((y, reverse))
    }
}

struct PointwiseReverse {
    function: Function,
    x: Arc<Buffer>,
    y: Arc<Buffer>,
}

impl Reverse for PointwiseReverse {
    fn reverse(self: Box<Self>, gradients: &mut Gradients, inputs: &[usize], mut dy: Buffer) -> Result<()> {
        if gradients.wants(inputs[0]) {
            self.function.backward_assign::<f32>(&self.x, &self.y, &mut dy);
            gradients.give(inputs[0], dy);
        }
        Ok(())
    }
}
