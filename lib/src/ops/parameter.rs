use candle_core::Var;

use super::Mask;

/// A trainable tensor and the name it carries in a saved model, e.g. `stem.weight`.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// Unique in its model: the layer's name, a dot, and the parameter's.
    pub name: String,
    /// The value itself: clones of it are handles to the same numbers.
    pub var: Var,
    /// Which of the numbers are held at 0.
    pub mask: Mask,
}
