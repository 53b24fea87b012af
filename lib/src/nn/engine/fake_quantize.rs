use std::sync::Arc;

use super::activation::Activation;
use super::context::{Context, Layer, broken};
use super::reverse::{Gradients, Reverse};
use crate::Result;
use crate::ops::Buffer;
use crate::ops::int8::Quantization;

/// Values rounded to what bytes can stand for.
pub(super) struct FakeQuantize {
    pub(super) node: usize,
}

impl Layer for FakeQuantize {
    fn forward(
        &self,
        context: &Context,
        inputs: Vec<Activation>,
    ) -> Result<(Activation, Option<Box<dyn Reverse>>)> {
        let Some(x) = inputs.into_iter().next() else { return Err(broken("a rounding of nothing")) };
        let extremes = || Ok(extremes(&x.values));
        let bytes = context.model.observed(context.node(self.node), context.mode, extremes)?;
        let y = match bytes {
            Some(bytes) => {
                let mut y = context.buffer(x.values.len());
                bytes.round_into(&x.values, &mut y);
                Activation::new(y, x.batch, x.shape.clone())
            }
            None => x.clone(),
        };
        let reverse = context.records.then(|| -> Box<dyn Reverse> {
            let x = bytes.map(|bytes| (bytes, x.values));
            Box::new(FakeQuantizeReverse { x })
        });
        Ok((y, reverse))
    }
}

/// The least and the greatest; what is not a number comes out as infinite.
fn extremes(values: &[f32]) -> [f32; 2] {
    let mut extremes = [f32::INFINITY, f32::NEG_INFINITY];
    for &value in values {
        if value.is_nan() {
            return [f32::NEG_INFINITY, f32::INFINITY];
        }
        extremes = [extremes[0].min(value), extremes[1].max(value)];
    }
    extremes
}

struct FakeQuantizeReverse {
    /// The input, where it was rounded.
    x: Option<(Quantization, Arc<Buffer>)>,
}

impl Reverse for FakeQuantizeReverse {
    fn reverse(self: Box<Self>, gradients: &mut Gradients, inputs: &[usize], mut dy: Buffer) -> Result<()> {
        if gradients.wants(inputs[0]) {
            if let Some((bytes, x)) = self.x {
                bytes.straight_through(&x, &mut dy);
            }
            gradients.give(inputs[0], dy);
        }
        Ok(())
    }
}
