//! The same values in other places.

use std::ops::Range;

use super::Value;
use crate::nn::operator::Operator;

impl Value {
    /// All values in a row. (C, H, W) to (C·H·W).
    #[must_use]
    pub fn flatten(&self) -> Value {
        self.then(|_| Operator::Flatten)
    }

    /// A token for each pixel, row by row, whatever the image's size. (C, H, W) to (H·W, C).
    #[must_use]
    pub fn image_to_tokens(&self) -> Value {
        self.then(|_| Operator::ImageToTokens)
    }

    /// The same values in dimensions `dims`, without the batch. A model with it takes only the image size it was built
    /// with, unless the values here do not depend on it.
    #[must_use]
    pub fn reshape(&self, dims: impl Into<Vec<usize>>) -> Value {
        let dims = dims.into();
        self.then(|_| Operator::Reshape { dims })
    }

    /// The dimensions in another order, without the batch: `permute([1, 2, 0])` brings (C, H, W) to (H, W, C).
    #[must_use]
    pub fn permute(&self, order: impl Into<Vec<usize>>) -> Value {
        let order = order.into();
        self.then(|_| Operator::Permute { order })
    }

    /// The entries `range` of dimension `dim`, which does not count the batch: `slice(0, 0..1)` is the first token.
    #[must_use]
    pub fn slice(&self, dim: usize, range: Range<usize>) -> Value {
        self.then(|_| Operator::Slice { dim, range })
    }

    /// The mean over dimensions `dims`, which the result does not have any more; they do not count the batch: `mean([0])`
    /// brings (N, D) to (D).
    #[must_use]
    pub fn mean(&self, dims: impl Into<Vec<usize>>) -> Value {
        let dims = dims.into();
        self.then(|_| Operator::Mean { dims })
    }
}
