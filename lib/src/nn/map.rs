//! Layers of one's own, in any code over candle tensors.

use std::fmt;
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};

use super::initial::Initial;
use crate::ops::shape_text;
use crate::{Error, Result};

type Function = dyn Fn(&Tensor, &[Tensor]) -> Result<Tensor> + Send + Sync;

/// What a layer of your own computes, for [`crate::nn::Value::map_with`].
///
/// Candle's tape goes through it, so that it trains what comes before it, and its own parameters. A few of candle's
/// operators have wrong gradients or none (`max_pool2d`, `candle_nn::LayerNorm`): take those of [`crate::ops`].
#[derive(Clone)]
pub struct Map {
    function: Arc<Function>,
    pub(super) parameters: Vec<(String, Vec<usize>, Initial)>,
    output: Option<Vec<usize>>,
}

impl Map {
    /// A layer that makes `function(x, parameters)` of a batch `x` (B, …): a batch of as many values, f32.
    ///
    /// ```
    /// use sconce::{nn::Map, prelude::*};
    ///
    /// let net = Model::build([1, 8, 8], |x| {
    ///     let scale = Map::new(|x, parameters| Ok(x.broadcast_mul(&parameters[0])?))
    ///         .parameter("factor", [8], Initial::Constant(1.0));
    ///     x.conv2d(8, 3).global_avg_pool().map_with("scale", scale).linear(10)
    /// })?;
    /// assert!(net.graph().tensors().iter().any(|tensor| tensor.name == "scale.factor"));
    /// # Ok::<(), Error>(())
    /// ```
    #[must_use]
    pub fn new(function: impl Fn(&Tensor, &[Tensor]) -> Result<Tensor> + Send + Sync + 'static) -> Map {
        Map { function: Arc::new(function), parameters: Vec::new(), output: None }
    }

    /// One more parameter: trained, saved and loaded with the model, and handed to the function in the order of these
    /// calls.
    #[must_use]
    pub fn parameter(
        mut self,
        name: impl Into<String>,
        shape: impl Into<Vec<usize>>,
        initial: Initial,
    ) -> Map {
        self.parameters.push((name.into(), shape.into(), initial));
        self
    }

    /// The shape that comes out for one image, whatever goes in. Without this it is found by a trial: the function is
    /// called with zeros on the CPU when the model is built, and for each other size of images.
    #[must_use]
    pub fn output(mut self, shape: impl Into<Vec<usize>>) -> Map {
        self.output = Some(shape.into());
        self
    }

    /// What comes out for inputs of `shape`, both without the batch.
    pub(super) fn output_shape(&self, shape: &[usize]) -> Result<Vec<usize>> {
        self.check_parameters()?;
        if let Some(output) = &self.output {
            return Ok(output.clone());
        }
        let zeros = |dims: &[usize]| Tensor::zeros(dims, DType::F32, &Device::Cpu);
        let x = zeros(&[&[1], shape].concat())?;
        let parameters = self
            .parameters
            .iter()
            .map(|(_, shape, _)| zeros(shape))
            .collect::<candle_core::Result<Vec<_>>>()?;
        let y = self.call(&x, &parameters).map_err(|error| Error::Argument {
            op: NAME.into(),
            expected: format!("a function that takes a batch {}", shape_text(x.dims())),
            got: error.to_string(),
            hint: "It is tried with zeros on the CPU; `Map::output` says the shape without a trial.".into(),
        })?;
        Ok(y.dims().get(1..).unwrap_or_default().to_vec())
    }

    /// What comes out for a batch.
    pub(super) fn call(&self, x: &Tensor, parameters: &[Tensor]) -> Result<Tensor> {
        let y = (self.function)(x, parameters)?;
        let fits = self.output.as_deref().is_none_or(|output| y.dims().get(1..) == Some(output));
        if y.dims().first() != x.dims().first() || !fits || y.dtype() != x.dtype() {
            let expected = match &self.output {
                Some(output) => shape_text(output).replacen('(', "(B, ", 1),
                None => "(B, …)".into(),
            };
            return Err(Error::Shape {
                op: NAME.into(),
                expected: format!(
                    "a function that gives {expected} {} for B = {}",
                    x.dtype().as_str(),
                    x.dims().first().copied().unwrap_or_default()
                ),
                got: format!("{} {}", shape_text(y.dims()), y.dtype().as_str()),
                hint: "Keep the batch as the first dimension, and its size.".into(),
            });
        }
        Ok(y)
    }

    fn check_parameters(&self) -> Result<()> {
        let refused = |expected: &str, got: String| Error::Argument {
            op: NAME.into(),
            expected: expected.into(),
            got,
            hint: "See `Map::parameter`.".into(),
        };
        for (index, (name, shape, initial)) in self.parameters.iter().enumerate() {
            let twice = self.parameters[..index].iter().any(|(other, ..)| other == name);
            if twice || name.trim().is_empty() || name.contains(char::is_control) {
                return Err(refused("parameters with names of their own", format!("{name:?}")));
            }
            if shape.contains(&0) {
                return Err(refused("parameters of at least one value", format!("{name:?} {shape:?}")));
            }
            if let Some(expected) = initial.problem() {
                return Err(refused(expected, format!("{initial:?} for {name:?}")));
            }
        }
        Ok(())
    }
}

/// The operator's name.
pub(super) const NAME: &str = "map";

impl PartialEq for Map {
    /// Functions are the same if they are one.
    fn eq(&self, other: &Map) -> bool {
        Arc::ptr_eq(&self.function, &other.function)
            && self.parameters == other.parameters
            && self.output == other.output
    }
}

impl fmt::Debug for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Map { parameters, output, .. } = self;
        f.debug_struct("Map").field("parameters", parameters).field("output", output).finish_non_exhaustive()
    }
}
