//! Ranges that fake quantization follows.

use candle_core::Tensor;

use super::config::Rounds;
use super::graph::Node;
use super::mode::Mode;
use super::model::Model;
use super::operator::Operator;
use crate::ops::int8::Quantization;
use crate::{Error, Result};

/// How values become bytes in a `range` (2); none where nothing was seen.
pub(crate) fn bytes_of(range: &Tensor) -> Result<Option<Quantization>> {
    let range = range.to_vec1::<f32>()?;
    Ok(match range[..] {
        [min, max] if min != 0.0 || max != 0.0 => Some(Quantization::of_range(min, max)),
        _ => None,
    })
}

impl Model {
    /// How the values of a fake quantization become bytes, after its range has moved towards the `extremes` of what
    /// comes in, if it does.
    pub(super) fn observed(
        &self,
        node: &Node,
        mode: Mode,
        extremes: impl FnOnce() -> Result<[f32; 2]>,
    ) -> Result<Option<Quantization>> {
        let (Operator::FakeQuantize { momentum, rounds }, &[range, observing]) =
            (&node.operator, &node.tensors[..])
        else {
            return Ok(None);
        };
        let bytes = |range: &Tensor| match rounds {
            Rounds::Values => bytes_of(range),
            Rounds::Nothing => Ok(None),
        };
        let (range, observing) = (&self.vars[range], &self.vars[observing]);
        if mode == Mode::Eval || observing.to_vec1::<f32>()? != [1.0] {
            return bytes(range);
        }
        let [min, max] = extremes()?;
        // Weights that have burst are for the learner to notice.
        if min.is_finite() && max.is_finite() {
            let batch = [min.min(0.0), max.max(0.0)];
            let share = *momentum as f32;
            let moved: Vec<f32> = match (range.to_vec1::<f32>()?.as_slice(), rounds) {
                ([0.0, 0.0], _) => batch.to_vec(),
                (known, Rounds::Values) => {
                    known.iter().zip(batch).map(|(old, new)| old + share * (new - old)).collect()
                }
                (known, Rounds::Nothing) => vec![known[0].min(batch[0]), known[1].max(batch[1])],
            };
            range.set(&Tensor::from_vec(moved, 2, range.device())?)?;
        }
        bytes(range)
    }

    /// Keeps the ranges of all fake quantization as they are from now on: the last epochs of quantization-aware
    /// training then see the very numbers that the quantized model has. It is saved with the model.
    ///
    /// # Errors
    /// If there is no fake quantization in the model.
    pub fn freeze_observers(&self) -> Result<()> {
        self.set_observers("Model::freeze_observers", 0.0)
    }

    /// Lets the ranges follow what comes in again, in training.
    ///
    /// # Errors
    /// If there is no fake quantization in the model.
    pub fn unfreeze_observers(&self) -> Result<()> {
        self.set_observers("Model::unfreeze_observers", 1.0)
    }

    fn set_observers(&self, op: &str, value: f32) -> Result<()> {
        let is_there = |node: &&Node| matches!(node.operator, Operator::FakeQuantize { .. });
        let mut nodes = self.graph.nodes.iter().filter(is_there).peekable();
        if nodes.peek().is_none() {
            return Err(Error::Argument {
                op: op.into(),
                expected: "a model with fake quantization".into(),
                got: "none in it".into(),
                hint: "compress::qat makes one of any model.".into(),
            });
        }
        for &observing in nodes.filter_map(|node| node.tensors.get(1)) {
            let var = &self.vars[observing];
            var.set(&Tensor::from_vec(vec![value], 1, var.device())?)?;
        }
        Ok(())
    }
}
