use super::activation::Activation;
use super::context::{Context, Layer, broken};
use super::reverse::{Gradients, Reverse};
use crate::Result;
use crate::nn::config::Pool2dConfig;
use crate::nn::operator::Operator;
use crate::ops::channels_last::{Pool2d, Tap, add_mean_gradient, means};
use crate::ops::{Buffer, MaxPool2d, Update, Window};

pub(super) struct MaxPool {
    pub(super) node: usize,
}

impl MaxPool {
    /// Whether the elements of the window can be numbered.
    pub(super) fn fits(config: &Pool2dConfig) -> bool {
        config.kernel[0] * config.kernel[1] < usize::from(Tap::MAX)
    }
}

impl Layer for MaxPool {
    fn forward(
        &self,
        context: &Context,
        inputs: Vec<Activation>,
    ) -> Result<(Activation, Option<Box<dyn Reverse>>)> {
        let (Operator::MaxPool2d(config), Some(x)) =
            (&context.node(self.node).operator, inputs.into_iter().next())
        else {
            return Err(broken("a pool without input"));
        };
        let &[channels, height, width] = x.shape.as_slice() else {
            return Err(broken("a pool of no images"));
        };
        let window = Window { kernel: config.kernel, sliding: config.sliding(), rounding: config.rounding };
        let input = [height, width];
        let output = MaxPool2d::new("max_pool2d", window, input).map_err(context.of_layer(self.node))?.output;
        let pool = Pool2d { window, channels, input, output };
        let len = x.batch * channels * output[0] * output[1];
        let (mut y, mut largest) = (context.buffer(len), vec![0; len]);
        pool.forward(&x.values, &mut y, &mut largest);
        let y = Activation::new(y, x.batch, vec![channels, output[0], output[1]]);
        let reverse = context
            .records
            .then(|| -> Box<dyn Reverse> { Box::new(MaxPoolReverse { pool, largest, len: x.values.len() }) });
        Ok((y, reverse))
    }
}

struct MaxPoolReverse {
    pool: Pool2d,
    largest: Vec<Tap>,
    /// Values of the input.
    len: usize,
}

impl Reverse for MaxPoolReverse {
    fn reverse(self: Box<Self>, gradients: &mut Gradients, inputs: &[usize], dy: Buffer) -> Result<()> {
        if !gradients.wants(inputs[0]) {
            return Ok(());
        }
        gradients.add(inputs[0], self.len, |dx, update| {
            if update == Update::Replace {
                dx.fill(0.0);
            }
            self.pool.add_gradient(&dy, &self.largest, dx);
        });
        Ok(())
    }
}

/// The mean of every channel.
pub(super) struct GlobalAvgPool;

impl Layer for GlobalAvgPool {
    fn forward(
        &self,
        context: &Context,
        inputs: Vec<Activation>,
    ) -> Result<(Activation, Option<Box<dyn Reverse>>)> {
        let Some(x) = inputs.into_iter().next() else { return Err(broken("a pool without input")) };
        let channels = x.channels();
        let mut y = context.buffer(x.batch * channels);
        means(&x.values, channels, &mut y);
        let reverse = context
            .records
            .then(|| -> Box<dyn Reverse> { Box::new(MeanReverse { channels, len: x.values.len() }) });
        Ok((Activation::new(y, x.batch, vec![channels]), reverse))
    }
}

struct MeanReverse {
    channels: usize,
    len: usize,
}

impl Reverse for MeanReverse {
    fn reverse(self: Box<Self>, gradients: &mut Gradients, inputs: &[usize], dy: Buffer) -> Result<()> {
        if !gradients.wants(inputs[0]) {
            return Ok(());
        }
        gradients.add(inputs[0], self.len, |dx, update| {
            if update == Update::Replace {
                dx.fill(0.0);
            }
            add_mean_gradient(&dy, self.channels, dx);
        });
        Ok(())
    }
}
