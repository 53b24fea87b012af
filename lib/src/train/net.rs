use candle_core::{Device, Tensor};

use crate::nn::{Mode, Model, Output, OutputUse, Parameter};
use crate::{Error, Result};

/// What a [`crate::train::Learner`] can train: a model graph, or any struct of yours over candle tensors.
pub trait Net: Send + Sync {
    /// The model's output for a batch `x` (B, C, H, W): for classes, raw logits (B, num_classes). In
    /// [`Mode::Train`] the gradients of the output reach every parameter.
    ///
    /// # Errors
    /// A batch that the model can't take.
    fn forward(&self, x: &Tensor, mode: Mode) -> Result<Tensor>;

    /// What training goes downhill on: the output of [`Net::forward`] first, then those of auxiliary heads, of the same
    /// shape, to which the learner applies the same loss. There are none unless you say so.
    ///
    /// # Errors
    /// A batch that the model can't take.
    fn forward_training(&self, x: &Tensor, mode: Mode) -> Result<Vec<Tensor>> {
        Ok(vec![self.forward(x, mode)?])
    }

    /// The parameters to train, each once, always in the same order. What is left out stays as it is.
    fn parameters(&self) -> Vec<Parameter>;

    /// What training changes beside the parameters, such as the running statistics of batch norms, always in the same order. An
    /// average of the weights follows it, too. There is none unless you say so.
    fn buffers(&self) -> Vec<Parameter> {
        Vec::new()
    }

    /// Where the parameters lie; batches are brought there.
    fn device(&self) -> Device {
        self.parameters().first().map_or(Device::Cpu, |parameter| parameter.var.device().clone())
    }

    /// Everything that makes the net what it is, by name, as copies: the parameters and whatever else training
    /// changes, such as running statistics. Unless you say so, it is the parameters.
    ///
    /// # Errors
    /// Memory that cannot be had.
    fn state(&self) -> Result<Vec<(String, Tensor)>> {
        let parameters = self.parameters().into_iter();
        parameters.map(|parameter| Ok((parameter.name, parameter.var.as_detached_tensor().copy()?))).collect()
    }

    /// Takes over what [`Net::state`] gave, in place.
    ///
    /// # Errors
    /// Names, shapes or types that are not this net's; it is then as it was.
    fn set_state(&self, state: &[(String, Tensor)]) -> Result<()> {
        let parameters = self.parameters();
        let fits = |(parameter, (name, tensor)): (&Parameter, &(String, Tensor))| {
            let var = &parameter.var;
            parameter.name == *name && var.shape() == tensor.shape() && var.dtype() == tensor.dtype()
        };
        if parameters.len() != state.len() || !parameters.iter().zip(state).all(fits) {
            let names = |names: &mut dyn Iterator<Item = &String>| names.cloned().collect::<Vec<_>>();
            return Err(Error::Argument {
                op: "Net::set_state".into(),
                expected: format!(
                    "the parameters {:?} in their shapes and types",
                    names(&mut parameters.iter().map(|parameter| &parameter.name))
                ),
                got: format!("{:?}", names(&mut state.iter().map(|(name, _)| name))),
                hint: "It must come from a net of the same layers and sizes.".into(),
            });
        }
        for (parameter, (_, tensor)) in parameters.iter().zip(state) {
            parameter.var.set(&tensor.to_device(parameter.var.device())?.copy()?)?;
        }
        Ok(())
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

    fn forward_training(&self, x: &Tensor, mode: Mode) -> Result<Vec<Tensor>> {
        let outputs = self.graph().outputs();
        if outputs.iter().all(|output| output.when == OutputUse::Always) {
            return Ok(vec![Model::forward(self, x, mode)?]);
        }
        let all = self.forward_outputs(x, mode)?;
        let trained = |output: &&Output| output.when == OutputUse::Training;
        let main = outputs.first().into_iter();
        main.chain(outputs.iter().filter(trained)).map(|output| Ok(all.get(&output.name)?.clone())).collect()
    }

    fn parameters(&self) -> Vec<Parameter> {
        Model::parameters(self)
    }

    fn buffers(&self) -> Vec<Parameter> {
        Model::buffers(self)
    }

    fn device(&self) -> Device {
        Model::device(self).clone()
    }

    fn state(&self) -> Result<Vec<(String, Tensor)>> {
        Model::state(self)
    }

    fn set_state(&self, state: &[(String, Tensor)]) -> Result<()> {
        Model::set_state(self, state)
    }

    fn as_model(&self) -> Option<&Model> {
        Some(self)
    }
}
