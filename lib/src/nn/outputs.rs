//! Models with several outputs: what the closure of [`crate::nn::Model::build_outputs`] gives, what the graph keeps of
//! it, and what a run makes.

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use super::value::Value;
use crate::{Error, Result};

/// The outputs of a model, by name: the first is the main one, which [`crate::nn::Model::forward`] gives. Made in the
/// closure of [`crate::nn::Model::build_outputs`].
#[derive(Debug, Clone)]
pub struct Outputs {
    pub(super) entries: Vec<(String, Value, OutputUse)>,
}

/// When an output is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum OutputUse {
    /// In training and in use.
    Always,
    /// In [`crate::nn::Mode::Train`] only: what it takes beyond the other outputs is not computed in use.
    Training,
}

/// An output of a [`crate::nn::Graph`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// Unique among the outputs; `output` for that of [`crate::nn::Model::build`].
    pub name: String,
    /// The node whose output it is, by index.
    pub node: usize,
    /// When it is computed.
    pub when: OutputUse,
}

impl From<Value> for Outputs {
    /// One output, called `output`.
    fn from(value: Value) -> Outputs {
        Outputs::new("output", value)
    }
}

impl Outputs {
    /// The main output.
    #[must_use]
    pub fn new(name: impl Into<String>, value: Value) -> Outputs {
        Outputs { entries: vec![(name.into(), value, OutputUse::Always)] }
    }

    /// One more output.
    #[must_use]
    pub fn output(self, name: impl Into<String>, value: Value) -> Outputs {
        self.with(name.into(), value, OutputUse::Always)
    }

    /// One more output, in training only: an auxiliary head whose loss helps the layers below it.
    #[must_use]
    pub fn training(self, name: impl Into<String>, value: Value) -> Outputs {
        self.with(name.into(), value, OutputUse::Training)
    }

    fn with(mut self, name: String, value: Value, when: OutputUse) -> Outputs {
        self.entries.push((name, value, when));
        self
    }
}

/// Tensors by name, in a fixed order. Made by [`crate::nn::Model::forward_outputs`] and
/// [`crate::nn::Model::features`].
#[derive(Debug, Clone)]
pub struct ModelOutputs {
    entries: Vec<(String, Tensor)>,
}

impl ModelOutputs {
    pub(crate) fn new(entries: Vec<(String, Tensor)>) -> ModelOutputs {
        ModelOutputs { entries }
    }

    /// The tensor called `name`.
    ///
    /// # Errors
    /// If there is none; the error lists the names there are.
    pub fn get(&self, name: &str) -> Result<&Tensor> {
        let found = self.entries.iter().find(|(known, _)| known == name);
        found.map(|(_, tensor)| tensor).ok_or_else(|| Error::Argument {
            op: "ModelOutputs::get".into(),
            expected: format!("one of {}", self.names().join(", ")),
            got: format!("{name:?}"),
            hint: "Outputs that are for training only are there in Mode::Train.".into(),
        })
    }

    /// The names, in order.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        self.entries.iter().map(|(name, _)| name.as_str()).collect()
    }

    /// The names with their tensors, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.entries.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }
}
