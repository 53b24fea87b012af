mod pointwise;

use std::cell::RefCell;
use std::rc::Rc;

use crate::nn::draft::Draft;
use crate::nn::operator::{Conv2dConfig, Operator, Pool2dConfig};
use crate::ops::BatchNormConfig;

/// A value that does not exist yet: what goes into a model or comes out of one of its layers. Methods
/// add layers and give the value behind them; a value may be used any number of times.
///
/// Nothing fails here. What cannot be is remembered, and [`crate::nn::Model::build`] reports the first
/// of it, by the layer's name.
#[derive(Clone)]
pub struct Value {
    draft: Rc<RefCell<Draft>>,
    node: usize,
}

impl Value {
    pub(in crate::nn) fn input(draft: &Rc<RefCell<Draft>>) -> Value {
        Value { draft: Rc::clone(draft), node: 0 }
    }

    /// The value's node, if it belongs to `draft`.
    pub(in crate::nn) fn node_in(&self, draft: &Rc<RefCell<Draft>>) -> Option<usize> {
        Rc::ptr_eq(&self.draft, draft).then_some(self.node)
    }

    fn then(&self, operator: impl FnOnce(&[usize]) -> Operator) -> Value {
        let node = self.draft.borrow_mut().push(&[self.node], operator);
        Value { draft: Rc::clone(&self.draft), node }
    }

    /// Convolution to `out_channels` with a square window of odd size `kernel` on every pixel, padded
    /// so that the image keeps its size; with bias. (C, H, W) to (`out_channels`, H, W).
    #[must_use]
    pub fn conv2d(&self, out_channels: usize, kernel: usize) -> Value {
        let config =
            Conv2dConfig { kernel: [kernel; 2], padding: (kernel / 2).into(), ..Conv2dConfig::default() };
        let value = self.conv2d_with(out_channels, config);
        if kernel > 0 && kernel.is_multiple_of(2) {
            self.draft.borrow_mut().refuse(
                value.node,
                "an odd kernel, which can keep the image's size".into(),
                kernel.to_string(),
                "With `conv2d_with` you choose kernel and padding yourself.",
            );
        }
        value
    }

    /// Convolution to `out_channels`. (C, H, W) to (`out_channels`, H', W').
    #[must_use]
    pub fn conv2d_with(&self, out_channels: usize, config: Conv2dConfig) -> Value {
        self.then(|shape| Operator::Conv2d {
            in_channels: shape.first().copied().unwrap_or_default(),
            out_channels,
            config,
        })
    }

    /// Batch normalization of every channel (Ioffe and Szegedy 2015). Keeps the shape.
    #[must_use]
    pub fn batch_norm(&self) -> Value {
        self.batch_norm_with(BatchNormConfig::default())
    }

    /// Batch normalization with an epsilon and momentum of your own. Keeps the shape.
    #[must_use]
    pub fn batch_norm_with(&self, config: BatchNormConfig) -> Value {
        self.then(|shape| Operator::BatchNorm {
            channels: shape.first().copied().unwrap_or_default(),
            config,
        })
    }

    /// The largest value of every `kernel` × `kernel` square, without overlap. (C, H, W) to
    /// (C, H / `kernel`, W / `kernel`), rounded down.
    #[must_use]
    pub fn max_pool2d(&self, kernel: usize) -> Value {
        let (kernel, stride) = ([kernel; 2], [kernel; 2]);
        self.max_pool2d_with(Pool2dConfig { kernel, stride, ..Pool2dConfig::default() })
    }

    /// The largest value under each position of a window. (C, H, W) to (C, H', W').
    #[must_use]
    pub fn max_pool2d_with(&self, config: Pool2dConfig) -> Value {
        self.then(|_| Operator::MaxPool2d(config))
    }

    /// The mean of every channel, whatever the image's size. (C, H, W) to (C).
    #[must_use]
    pub fn global_avg_pool(&self) -> Value {
        self.then(|_| Operator::GlobalAvgPool)
    }

    /// All values in a row. (C, H, W) to (C·H·W).
    #[must_use]
    pub fn flatten(&self) -> Value {
        self.then(|_| Operator::Flatten)
    }

    /// A fully connected layer with bias. (I) to (`out_features`).
    #[must_use]
    pub fn linear(&self, out_features: usize) -> Value {
        self.then(|shape| Operator::Linear {
            in_features: shape.first().copied().unwrap_or_default(),
            out_features,
        })
    }

    /// In training, sets each value to 0 with probability `p` in `[0, 1)` and scales the others up.
    /// Keeps the shape.
    #[must_use]
    pub fn dropout(&self, p: f64) -> Value {
        self.then(|_| Operator::Dropout { p })
    }

    /// Names the layer this value comes out of, for its parameters, for errors and for looking into
    /// it. Names are unique in a model; a second name replaces the first.
    #[must_use]
    pub fn named(&self, name: impl Into<String>) -> Value {
        self.draft.borrow_mut().name(self.node, name.into());
        self.clone()
    }

    fn sum(&self, other: &Value) -> Value {
        let mut draft = self.draft.borrow_mut();
        let foreign = other.node_in(&self.draft).is_none();
        let right = if foreign { self.node } else { other.node };
        let node = draft.push(&[self.node, right], |_| Operator::Add);
        if foreign {
            draft.refuse(
                node,
                "two values of one model".into(),
                "a value of another model".into(),
                "Use the values of one call of Model::build only.",
            );
        }
        drop(draft);
        Value { draft: Rc::clone(&self.draft), node }
    }
}

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Value({})", self.node)
    }
}

macro_rules! add {
    ($($left:ty, $right:ty, |$a:ident, $b:ident| $sum:expr;)*) => {$(
        impl std::ops::Add<$right> for $left {
            type Output = Value;

            /// The sum, element by element, of two values of one shape.
            fn add(self, other: $right) -> Value {
                let ($a, $b) = (self, other);
                $sum
            }
        }
    )*};
}

add! {
    Value, Value, |a, b| a.sum(&b);
    Value, &Value, |a, b| a.sum(b);
    &Value, Value, |a, b| a.sum(&b);
    &Value, &Value, |a, b| a.sum(b);
}
