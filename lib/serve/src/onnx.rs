//! Models of ONNX, in onnxruntime.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use candle_core::{DType, Device, Tensor as Values};
use sconce::export::{Length, Port, Runtime};

use crate::backend::{self, Backend, Opened, TensorSpec};
use crate::failure::Failure;
use crate::tensor::{Dtype, Tensor};

/// A model of ONNX.
struct Onnx {
    runtime: Runtime,
    inputs: Vec<TensorSpec>,
    outputs: Vec<TensorSpec>,
    /// Rows of a batch at most: one where the file fixes that, and where values are rounded in the range of the whole
    /// batch, so that what others ask would change an answer.
    most_rows: usize,
    /// Height and width of its images, where the file says.
    size: Option<[usize; 2]>,
}

/// The model in a file. Classes, means and deviations are those that our own exports write.
///
/// # Errors
/// As [`Runtime::onnx`]; and if an input or output has a fixed batch of more than one, or numbers that requests cannot
/// have.
pub fn open(path: &Path) -> sconce::Result<Opened> {
    let runtime = Runtime::onnx(path)?;
    let specs =
        |ports: &[Port]| ports.iter().map(|port| spec(path, port)).collect::<sconce::Result<Vec<_>>>();
    let (inputs, outputs) = (specs(runtime.inputs())?, specs(runtime.outputs())?);
    let metadata = runtime.metadata();
    let numbers = |key: &str| -> Vec<f32> {
        metadata.get(key).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    };
    let (mean, std, classes) = (numbers("mean"), numbers("std"), runtime.classes());
    let size = metadata.get("size").and_then(|text| serde_json::from_str(text).ok());
    let mut ports = runtime.inputs().iter().chain(runtime.outputs());
    let is_alone = ports.any(|port| port.dims.first() == Some(&Length::Fixed(1)))
        || metadata.get("range").is_some_and(|range| range == "\"batch\"")
        || names(path, b"DynamicQuantizeLinear")?;
    let most_rows = if is_alone { 1 } else { usize::MAX };
    Ok(Opened { backend: Box::new(Onnx { runtime, inputs, outputs, most_rows, size }), classes, mean, std })
}

/// Whether a file names this operator. Weights that happen to spell it cost speed and no answer.
fn names(path: &Path, operator: &[u8]) -> sconce::Result<bool> {
    let io = |source| sconce::Error::Io { op: "read", path: path.to_owned(), source };
    let mut file = File::open(path).map_err(io)?;
    let mut part = Vec::new();
    loop {
        // The name may lie across two parts.
        part.drain(..part.len().saturating_sub(operator.len()));
        let read = file.by_ref().take(1 << 20).read_to_end(&mut part).map_err(io)?;
        if part.windows(operator.len()).any(|window| window == operator) {
            return Ok(true);
        }
        if read == 0 {
            return Ok(false);
        }
    }
}

fn spec(path: &Path, port: &Port) -> sconce::Result<TensorSpec> {
    let wrong = |expected: &str| sconce::Error::Format {
        path: path.to_owned(),
        expected: expected.into(),
        got: port.to_string(),
        hint: "Export it with an open batch, in f32.".into(),
    };
    let dtype = match port.dtype {
        DType::F32 => Dtype::F32,
        DType::F64 => Dtype::F64,
        DType::U8 => Dtype::U8,
        DType::I32 => Dtype::I32,
        DType::I64 => Dtype::I64,
        _ => return Err(wrong("numbers of f32, f64, u8, i32 or i64")),
    };
    // A batch fixed to 1 is served request by request: to clients it is as open as others.
    let Some((Length::Open(_) | Length::Fixed(1), sides)) = port.dims.split_first() else {
        return Err(wrong("inputs and outputs whose first dimension is an open batch, or 1"));
    };
    let side = |length: &Length| match length {
        Length::Fixed(side) => Some(*side),
        Length::Open(_) => None,
    };
    let shape = std::iter::once(None).chain(sides.iter().map(side)).collect();
    Ok(TensorSpec { name: port.name.clone(), dtype, shape })
}

impl Backend for Onnx {
    fn platform(&self) -> &'static str {
        "onnxruntime_onnx"
    }

    fn inputs(&self) -> &[TensorSpec] {
        &self.inputs
    }

    fn outputs(&self) -> &[TensorSpec] {
        &self.outputs
    }

    fn usual(&self) -> Option<Vec<Vec<usize>>> {
        let of = |spec: &TensorSpec| match (spec.shape.as_slice(), self.size) {
            (&[_, Some(channels), None, None], Some([height, width])) => Some(vec![channels, height, width]),
            (shape, _) => shape.iter().skip(1).copied().collect(),
        };
        self.inputs.iter().map(of).collect()
    }

    fn most_rows(&self) -> usize {
        self.most_rows
    }

    fn check(&self, inputs: &[Tensor]) -> Result<(), Failure> {
        inputs.iter().try_for_each(backend::finite)
    }

    fn infer(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>, Failure> {
        let values = inputs.iter().map(values).collect::<Result<Vec<_>, _>>()?;
        let outputs = self.runtime.run(&values)?;
        outputs.iter().zip(&self.outputs).map(|(output, spec)| tensor(output, spec.dtype)).collect()
    }
}

fn candle(error: candle_core::Error) -> Failure {
    Failure::internal(error.to_string())
}

fn values(tensor: &Tensor) -> Result<Values, Failure> {
    let (shape, cpu) = (tensor.shape(), &Device::Cpu);
    let (four, eight) = (tensor.data().as_chunks::<4>().0.iter(), tensor.data().as_chunks::<8>().0.iter());
    let values = match tensor.dtype() {
        Dtype::F32 => Values::from_vec(four.map(|it| f32::from_le_bytes(*it)).collect(), shape, cpu),
        Dtype::I32 => Values::from_vec(four.map(|it| i32::from_le_bytes(*it)).collect(), shape, cpu),
        Dtype::F64 => Values::from_vec(eight.map(|it| f64::from_le_bytes(*it)).collect(), shape, cpu),
        Dtype::I64 => Values::from_vec(eight.map(|it| i64::from_le_bytes(*it)).collect(), shape, cpu),
        Dtype::U8 => Values::from_vec(tensor.data().to_vec(), shape, cpu),
        other => return Err(Failure::internal(format!("an input of {}", other.name()))),
    };
    values.map_err(candle)
}

fn tensor(values: &Values, dtype: Dtype) -> Result<Tensor, Failure> {
    let flat = values.flatten_all().map_err(candle)?;
    let mut data = Vec::with_capacity(values.elem_count() * dtype.bytes());
    macro_rules! take {
        ($type:ty) => {
            flat.to_vec1::<$type>().map_err(candle)?.iter().for_each(|value| data.extend(value.to_le_bytes()))
        };
    }
    match dtype {
        Dtype::F32 => take!(f32),
        Dtype::F64 => take!(f64),
        Dtype::U8 => take!(u8),
        Dtype::I32 => take!(i32),
        Dtype::I64 => take!(i64),
        other => return Err(Failure::internal(format!("an output of {}", other.name()))),
    }
    Tensor::new(dtype, values.dims().to_vec(), data.into())
}
