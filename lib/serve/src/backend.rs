//! What computes: the seam between the server and the kinds of models it serves.

use crate::failure::{Failure, short};
use crate::tensor::{Dtype, Tensor, shape_text};

/// An input or output of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorSpec {
    /// Its name.
    pub name: String,
    /// What its values are.
    pub dtype: Dtype,
    /// Its shape; none where any size will do. The first dimension is the batch.
    pub shape: Vec<Option<usize>>,
}

impl TensorSpec {
    /// The shape as the protocols write it, -1 where any size will do.
    #[must_use]
    pub fn sides(&self) -> Vec<i64> {
        self.shape.iter().map(|side| side.map_or(-1, |side| i64::try_from(side).unwrap_or(-1))).collect()
    }

    /// The type that a request names for this input, which has to be the model's.
    ///
    /// # Errors
    /// If there is no type of that name, or it is another.
    pub fn check_datatype(&self, name: &str) -> Result<Dtype, Failure> {
        let dtype = Dtype::named(name)?;
        if dtype != self.dtype {
            return Err(Failure::invalid(format!(
                "input {:?}: expected the datatype {}, got {}.",
                self.name,
                self.dtype.name(),
                dtype.name()
            )));
        }
        Ok(dtype)
    }

    /// Holds a tensor to this type and shape.
    ///
    /// # Errors
    /// If it has others.
    pub fn check(&self, tensor: &Tensor) -> Result<(), Failure> {
        let fits = tensor.dtype() == self.dtype
            && tensor.shape().len() == self.shape.len()
            && tensor.shape().iter().zip(&self.shape).all(|(got, wanted)| wanted.is_none_or(|it| it == *got));
        if fits {
            return Ok(());
        }
        let sides: Vec<String> = self.sides().iter().map(ToString::to_string).collect();
        Err(Failure::invalid(format!(
            "input {:?}: expected {} ({}), got {} {}.",
            self.name,
            self.dtype.name(),
            sides.join(", "),
            tensor.dtype().name(),
            shape_text(tensor.shape())
        )))
    }
}

/// A loaded model. Several threads may call it at the same time.
pub trait Backend: Send + Sync {
    /// What it runs on, as metadata names it: `sconce`.
    fn platform(&self) -> &'static str;

    /// The inputs.
    fn inputs(&self) -> &[TensorSpec];

    /// The outputs, the main one first.
    fn outputs(&self) -> &[TensorSpec];

    /// Shapes, without the batch, that the inputs may have; none where that is not known.
    fn usual(&self) -> Option<Vec<Vec<usize>>> {
        let whole = |spec: &TensorSpec| spec.shape.iter().skip(1).copied().collect::<Option<Vec<usize>>>();
        self.inputs().iter().map(whole).collect()
    }

    /// How many rows of a batch [`Backend::infer`] takes at most.
    fn most_rows(&self) -> usize {
        usize::MAX
    }

    /// What [`Backend::infer`] would refuse beyond types and shapes: called before a request waits in a batch, where
    /// it would take others with it.
    ///
    /// # Errors
    /// If these inputs cannot be computed.
    fn check(&self, inputs: &[Tensor]) -> Result<(), Failure>;

    /// The outputs for a batch, in the order of [`Backend::outputs`]; the inputs are in the order of
    /// [`Backend::inputs`], and have been checked.
    ///
    /// # Errors
    /// If it cannot be computed.
    fn infer(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>, Failure>;
}

/// What a file gave.
pub struct Opened {
    /// What computes.
    pub backend: Box<dyn Backend>,
    /// The names of the classes; empty where the file has none.
    pub classes: Vec<String>,
    /// What is taken from each channel of a picture, in fractions; empty where the file does not say.
    pub mean: Vec<f32>,
    /// What each channel is then divided by; empty where the file does not say.
    pub std: Vec<f32>,
}

/// Holds a tensor of floats to being finite: one that is not gives nothing that means anything.
///
/// # Errors
/// If it is not.
pub fn finite(tensor: &Tensor) -> Result<(), Failure> {
    let finite = match tensor.dtype() {
        Dtype::F32 => {
            tensor.data().as_chunks::<4>().0.iter().all(|value| f32::from_le_bytes(*value).is_finite())
        }
        Dtype::F64 => {
            tensor.data().as_chunks::<8>().0.iter().all(|value| f64::from_le_bytes(*value).is_finite())
        }
        _ => true,
    };
    match finite {
        true => Ok(()),
        false => Err(Failure::invalid(
            "an input: expected finite numbers, got one that is infinite or not a number.",
        )),
    }
}

/// Holds the inputs of a request to what the model takes, and gives the size of its batch.
///
/// # Errors
/// If their number, types or shapes are others, or the batch is empty.
pub fn check(backend: &dyn Backend, inputs: &[Tensor]) -> Result<usize, Failure> {
    let specs = backend.inputs();
    if inputs.len() != specs.len() {
        return Err(Failure::invalid(format!("expected {} inputs, got {}.", specs.len(), inputs.len())));
    }
    specs.iter().zip(inputs).try_for_each(|(spec, tensor)| spec.check(tensor))?;
    let rows = inputs.first().map_or(0, Tensor::rows);
    if rows == 0 || inputs.iter().any(|tensor| tensor.rows() != rows) {
        return Err(Failure::invalid(format!(
            "expected a batch of at least 1, the same for all inputs, got {rows}."
        )));
    }
    backend.check(inputs)?;
    Ok(rows)
}

/// Inputs by name, in the order of the model's.
///
/// # Errors
/// If one is missing, there twice, or not the model's.
pub fn in_order(backend: &dyn Backend, mut named: Vec<(String, Tensor)>) -> Result<Vec<Tensor>, Failure> {
    let mut inputs = Vec::with_capacity(named.len());
    for spec in backend.inputs() {
        let at = named.iter().position(|(name, _)| *name == spec.name);
        let at = at.ok_or_else(|| Failure::invalid(format!("input {:?} is missing.", spec.name)))?;
        inputs.push(named.swap_remove(at).1);
    }
    match named.first() {
        None => Ok(inputs),
        Some((name, _)) => Err(unknown_input(backend, name)),
    }
}

/// The spec of the input called `name`.
///
/// # Errors
/// If the model has none of that name.
pub fn input<'a>(backend: &'a dyn Backend, name: &str) -> Result<&'a TensorSpec, Failure> {
    let found = backend.inputs().iter().find(|spec| spec.name == name);
    found.ok_or_else(|| unknown_input(backend, name))
}

fn unknown_input(backend: &dyn Backend, name: &str) -> Failure {
    let names: Vec<&str> = backend.inputs().iter().map(|spec| spec.name.as_str()).collect();
    Failure::invalid(format!("inputs: expected {}, each once, got {:?}.", names.join(", "), short(name)))
}
