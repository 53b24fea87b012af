//! Values with values.

use super::Value;
use crate::nn::operator::Operator;

macro_rules! operators {
    ($trait:ident, $method:ident, $operator:ident, $what:literal) => {
        operators!($trait, $method, $operator, $what, Value, Value);
        operators!($trait, $method, $operator, $what, Value, &Value);
        operators!($trait, $method, $operator, $what, &Value, Value);
        operators!($trait, $method, $operator, $what, &Value, &Value);
    };
    ($trait:ident, $method:ident, $operator:ident, $what:literal, $left:ty, $right:ty) => {
        impl std::ops::$trait<$right> for $left {
            type Output = Value;

            #[doc = $what]
            fn $method(self, other: $right) -> Value {
                let other: &Value = std::borrow::Borrow::borrow(&other);
                self.with(&[other], |_| Operator::$operator)
            }
        }
    };
}

operators!(Add, add, Add, "The sum, element by element, of two values of one shape.");
operators!(
    Mul,
    mul,
    Multiply,
    "The product, element by element, of two values of one shape, or with a 1 where one of them repeats: (C, 1, 1) times \
     (C, H, W) gives each channel a factor, as squeeze-and-excitation does (Hu et al. 2018)."
);

impl Value {
    /// This value and then `others`, one after the other along dimension `dim`, which does not count the batch: 0 for the
    /// channels of images. All other dimensions must be the same.
    #[must_use]
    pub fn concat(&self, others: &[&Value], dim: usize) -> Value {
        self.with(others, |_| Operator::Concat { dim })
    }
}
