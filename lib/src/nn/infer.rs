//! Output shapes, without the batch.

use super::operator::Operator;
use crate::ops::{MaxPool2d, Rounding, Window, check_groups, check_probability, shape_text};
use crate::{Error, Result};

/// Values a tensor may have at most: far beyond any memory, far below any overflow.
const MOST_VALUES: usize = 1 << 48;

impl Operator {
    /// The shape of the output for inputs of these shapes.
    ///
    /// # Errors
    /// If they do not fit; the error's `op` is the operator's name.
    pub(super) fn output_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>> {
        let op = self.name();
        let one = inputs.first().copied().unwrap_or_default();
        let shape = match self {
            Operator::Input | Operator::Activation(_) => one.to_vec(),
            Operator::Conv2d { in_channels, out_channels, config } => {
                at_least_one(op, "output channels", *out_channels)?;
                let [channels, height, width] = image(op, one)?;
                if channels != *in_channels {
                    return Err(mismatch(op, format!("{in_channels} channels"), one, ""));
                }
                check_groups(op, config.groups, ["input", "output"], [channels, *out_channels])?;
                let (kernel, sliding) = (config.kernel, config.sliding());
                let window = Window { kernel, sliding, rounding: Rounding::Floor };
                let [height, width] = window.output_size(op, [height, width])?;
                vec![*out_channels, height, width]
            }
            Operator::BatchNorm { channels, .. } => {
                if one.first() != Some(channels) {
                    return Err(mismatch(op, format!("{channels} channels"), one, ""));
                }
                one.to_vec()
            }
            Operator::MaxPool2d(config) => {
                let [channels, height, width] = image(op, one)?;
                let (kernel, sliding) = (config.kernel, config.sliding());
                let window = Window { kernel, sliding, rounding: config.rounding };
                let [height, width] = MaxPool2d::new(op, window, [height, width])?.output;
                vec![channels, height, width]
            }
            Operator::GlobalAvgPool => vec![image(op, one)?[0]],
            Operator::Flatten => vec![one.iter().product()],
            Operator::Linear { in_features, out_features } => {
                at_least_one(op, "output features", *out_features)?;
                if one.len() != 1 {
                    let hint = "Put flatten() or global_avg_pool() before it.";
                    return Err(mismatch(op, "features (C)", one, hint));
                }
                if one[0] != *in_features {
                    let hint = "Its weight was made for another image size: global_avg_pool() before it \
                                would take any.";
                    return Err(mismatch(op, format!("{in_features} features"), one, hint));
                }
                vec![*out_features]
            }
            Operator::Dropout { p } => {
                check_probability(op, *p)?;
                one.to_vec()
            }
            Operator::Add => {
                let other = inputs.get(1).copied().unwrap_or_default();
                if one != other {
                    return Err(Error::Shape {
                        op: op.into(),
                        expected: "two inputs of one shape".into(),
                        got: format!("{} and {}", shape_text(one), shape_text(other)),
                        hint: "A 1 x 1 conv2d with the right stride and channels can bring one to the other."
                            .into(),
                    });
                }
                one.to_vec()
            }
        };
        let tensors = self.weights().into_iter().map(|weight| weight.shape).chain([shape.clone()]);
        for tensor in tensors {
            let values = tensor.iter().try_fold(1_usize, |values, &dim| values.checked_mul(dim));
            if values.is_none_or(|values| values > MOST_VALUES) {
                return Err(Error::Argument {
                    op: op.into(),
                    expected: "tensors that could fit into a memory".into(),
                    got: shape_text(&tensor),
                    hint: "Take fewer channels or a smaller window.".into(),
                });
            }
        }
        Ok(shape)
    }
}

fn image(op: &str, shape: &[usize]) -> Result<[usize; 3]> {
    let fitting = <[usize; 3]>::try_from(shape);
    fitting.map_err(|_| {
        mismatch(op, "images (C, H, W)", shape, "It must come before flatten or pooling to (C).")
    })
}

fn at_least_one(op: &str, what: &str, count: usize) -> Result<()> {
    if count > 0 {
        return Ok(());
    }
    Err(Error::Argument {
        op: op.into(),
        expected: format!("at least 1 of {what}"),
        got: "0".into(),
        hint: String::new(),
    })
}

fn mismatch(op: &str, expected: impl Into<String>, got: &[usize], hint: &str) -> Error {
    Error::Shape { op: op.into(), expected: expected.into(), got: shape_text(got), hint: hint.into() }
}
