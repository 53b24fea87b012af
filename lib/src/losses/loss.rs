use std::fmt;
use std::sync::Arc;

use candle_core::Tensor;

use crate::{Error, Result};

type Function = dyn Fn(&Tensor, &Tensor) -> Result<Tensor> + Send + Sync;

/// A loss by its name: a function from a model's output and the targets to a scalar, the mean over the
/// batch.
#[derive(Clone)]
pub struct Loss {
    name: String,
    /// What it is set up with, as `Debug` writes it.
    settings: String,
    function: Arc<Function>,
}

impl Loss {
    /// A loss of your own. The closure gets the model's output and the targets and gives a scalar that
    /// depends on the output through operators that have gradients.
    ///
    /// ```
    /// # use sconce::losses::Loss;
    /// let mse = Loss::new("mean squared error", |output, targets| Ok((output - targets)?.sqr()?.mean_all()?));
    /// ```
    #[must_use]
    pub fn new(
        name: impl Into<String>,
        function: impl Fn(&Tensor, &Tensor) -> Result<Tensor> + Send + Sync + 'static,
    ) -> Loss {
        Loss { name: name.into(), settings: String::new(), function: Arc::new(function) }
    }

    /// What tables and curves call it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The same loss with its settings in words, for the record of a run: those of a configuration, as `Debug` writes it.
    #[must_use]
    pub fn with_settings(mut self, settings: impl Into<String>) -> Loss {
        self.settings = settings.into();
        self
    }

    /// What it is set up with, e.g. `CrossEntropy { label_smoothing: 0.1, … }`; empty for a closure that says nothing.
    #[must_use]
    pub fn settings(&self) -> &str {
        &self.settings
    }

    /// The loss of this output against these targets: a tensor without dimensions, ready for `backward`.
    ///
    /// # Errors
    /// Shapes that the loss refuses; a closure whose result is not a scalar.
    pub fn of(&self, output: &Tensor, targets: &Tensor) -> Result<Tensor> {
        let loss = (self.function)(output, targets)?;
        if loss.elem_count() != 1 {
            return Err(Error::Shape {
                op: format!("loss {:?}", self.name),
                expected: "one number for the batch".into(),
                got: format!(
                    "{:?}, from output {:?} and targets {:?}",
                    loss.dims(),
                    output.dims(),
                    targets.dims()
                ),
                hint: "End it with mean_all() or sum_all().".into(),
            });
        }
        Ok(loss.reshape(())?)
    }
}

impl fmt::Debug for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Loss({})", self.name)
    }
}
