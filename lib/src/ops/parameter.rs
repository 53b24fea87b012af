use candle_core::Var;

/// A trainable tensor and the name it carries in a saved model, e.g. `stem.weight`.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// Unique in its model: the layer's name, a dot, and the parameter's.
    pub name: String,
    /// The value itself: clones of it are handles to the same numbers.
    pub var: Var,
}
