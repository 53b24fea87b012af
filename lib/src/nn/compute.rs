//! What each operator of the graph computes.

use candle_core::Tensor;

use super::graph::Node;
use super::mode::Mode;
use super::model::Model;
use super::operator::Operator;
use crate::{Error, Result, ops};

impl Model {
    /// The output of `node` for its inputs, in their order.
    pub(super) fn compute(&self, node: &Node, inputs: &[Tensor], mode: Mode) -> Result<Tensor> {
        let tensors = node.tensors.iter().map(|&index| match mode {
            Mode::Train(_) => self.vars[index].as_tensor().clone(),
            Mode::Eval => self.vars[index].as_detached_tensor(),
        });
        let tensors: Vec<Tensor> = tensors.collect();
        Ok(match (&node.operator, inputs, tensors.as_slice()) {
            (Operator::Input, [x], []) => x.clone(),
            (Operator::Conv2d { config, .. }, [x], [weight, bias @ ..]) => {
                ops::conv2d(x, weight, bias.first(), config.sliding(), config.groups)?
            }
            (Operator::BatchNorm { config, .. }, [x], [weight, bias, mean, var]) => match mode {
                Mode::Train(_) => {
                    let running = (&self.vars[node.tensors[2]], &self.vars[node.tensors[3]]);
                    ops::batch_norm_train(x, weight, bias, running, *config)?
                }
                Mode::Eval => ops::batch_norm_eval(x, weight, bias, (mean, var), *config)?,
            },
            (Operator::Activation(activation), [x], []) => ops::activate(x, *activation)?,
            (Operator::MaxPool2d(config), [x], []) => {
                ops::max_pool2d(x, config.kernel, config.sliding(), config.rounding)?
            }
            (Operator::GlobalAvgPool, [x], []) => ops::global_avg_pool(x)?, // (B, C)
            (Operator::Flatten, [x], []) => x.flatten_from(1)?,             // (B, C·H·W)
            (Operator::Linear { .. }, [x], [weight, bias]) => ops::linear(x, weight, Some(bias))?,
            (Operator::Dropout { p }, [x], []) => match mode {
                Mode::Train(seed) => ops::dropout(x, *p, seed.derive(&node.name))?,
                Mode::Eval => x.clone(),
            },
            (Operator::Add, [x, y], []) => (x + y)?,
            (_, inputs, tensors) => {
                return Err(Error::Argument {
                    op: node.operator.name().into(),
                    expected: "the inputs and weights of this operator".into(),
                    got: format!("{} inputs and {} weights", inputs.len(), tensors.len()),
                    hint: "Please report this.".into(),
                });
            }
        })
    }
}
