//! Layers whose weights stay as they are while the others are trained.

use std::sync::atomic::Ordering;

use super::mode::Mode;
use super::model::Model;
use super::weights::Role;
use crate::pattern::matches;
use crate::tensor_file::list;
use crate::{Error, Result};

impl Model {
    /// Keeps the parameters whose names are like `pattern` as they are: `*` stands for any characters, dots among
    /// them, and `?` for one, so `"layer1.*"` is all that belongs to `layer1`. They get no gradient, nothing is computed
    /// on the way back that only they would need, and [`Model::parameters`] leaves them out, so that an optimizer made
    /// after this does not know them. A batch norm with all of its parameters frozen is as in use: it normalizes by its
    /// running statistics and leaves those as they are, so that frozen layers give in training what they give after it.
    /// Freezing holds for all handles to the model; it is not saved with the weights.
    ///
    /// An optimizer that was made before still asks for their gradients and says so: give the learner a new one with
    /// `learner.optimizer(…)`.
    ///
    /// # Errors
    /// If no parameter has such a name; the error lists them.
    pub fn freeze(&self, pattern: &str) -> Result<()> {
        self.set_frozen("Model::freeze", pattern, true)
    }

    /// Trains parameters again that [`Model::freeze`] kept as they were. Make a new optimizer after it: one that was made
    /// before does not know them.
    ///
    /// # Errors
    /// If no parameter has such a name; the error lists them.
    pub fn unfreeze(&self, pattern: &str) -> Result<()> {
        self.set_frozen("Model::unfreeze", pattern, false)
    }

    fn set_frozen(&self, op: &str, pattern: &str, frozen: bool) -> Result<()> {
        let parameters =
            || self.graph.tensors.iter().zip(&*self.frozen).filter(|(spec, _)| spec.role == Role::Parameter);
        let mut found = false;
        for (_, flag) in parameters().filter(|(spec, _)| matches(pattern, &spec.name)) {
            flag.store(frozen, Ordering::Relaxed);
            found = true;
        }
        if found {
            return Ok(());
        }
        let names: Vec<String> = parameters().map(|(spec, _)| spec.name.clone()).collect();
        let whole = format!("{pattern}.*");
        let hint = match names.iter().any(|name| matches(&whole, name)) {
            true => format!("All parameters of the layer are {whole:?}."),
            false => "`*` stands for any characters: \"layer1.*\" is all that belongs to layer1.".into(),
        };
        Err(Error::Argument {
            op: op.into(),
            expected: format!("some of the {} parameters: {}", names.len(), list("", &names).trim_start()),
            got: format!("{pattern:?}, which none of them is"),
            hint,
        })
    }

    /// Of each of the graph's tensors, whether training changes it by its gradient in this mode.
    pub(super) fn trained(&self, mode: Mode) -> Vec<bool> {
        let training = matches!(mode, Mode::Train(_));
        let tensors = self.graph.tensors.iter().zip(&*self.frozen);
        tensors
            .map(|(spec, frozen)| training && spec.role == Role::Parameter && !frozen.load(Ordering::Relaxed))
            .collect()
    }
}
