use crate::Seed;

/// Whether a model is being trained or used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Batch norm normalises with the batch's own statistics and updates its running ones; dropout
    /// drops, by random numbers that start at the seed, so give every step its own; gradients reach
    /// the parameters.
    Train(Seed),
    /// Batch norm uses its running statistics and dropout does nothing. The parameters are constants:
    /// no record of the computation is kept for them, only gradients with respect to the input flow.
    Eval,
}
