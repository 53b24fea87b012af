use candle_core::{Device, Tensor};

use crate::Result;
use crate::nn::{Mode, Model, Parameter};

/// What a [`crate::train::Learner`] can train: a model graph, or any struct of yours over candle tensors.
pub trait Net: Send + Sync {
    /// The model's output for a batch `x` (B, C, H, W): for classes, raw logits (B, num_classes). In
    /// [`Mode::Train`] the gradients of the output reach every parameter.
    ///
    /// # Errors
    /// A batch that the model can't take.
    fn forward(&self, x: &Tensor, mode: Mode) -> Result<Tensor>;

    /// The parameters to train, each once, always in the same order. What is left out stays as it is.
    fn parameters(&self) -> Vec<Parameter>;

    /// Where the parameters lie; batches are brought there.
    fn device(&self) -> Device {
        self.parameters().first().map_or(Device::Cpu, |parameter| parameter.var.device().clone())
    }

    /// The model graph, if this is one. What looks into a model needs it.
    fn as_model(&self) -> Option<&Model> {
        None
    }
}

impl Net for Model {
    fn forward(&self, x: &Tensor, mode: Mode) -> Result<Tensor> {
        Model::forward(self, x, mode)
    }

    fn parameters(&self) -> Vec<Parameter> {
        Model::parameters(self)
    }

    fn device(&self) -> Device {
        Model::device(self).clone()
    }

    fn as_model(&self) -> Option<&Model> {
        Some(self)
    }
}
