//! Models of ONNX in onnxruntime (<https://onnxruntime.ai>), whose library is loaded when it is first needed.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use candle_core::{DType, Device, Tensor};
use ort::environment::Environment;
use ort::session::{Session, SessionInputValue};
use ort::value::{DynValue, Outlet, TensorElementType, ValueType};

use crate::ops::shape_text;
use crate::{Error, Result};

/// A model in a runtime that is not our own: exported files and files of others, from a cell.
///
/// ```no_run
/// use sconce::export::Runtime;
/// # use sconce::prelude::*;
/// # let images = Tensor::zeros((1, 1, 8, 8), DType::F32, &Device::Cpu)?;
/// let digits = Runtime::onnx("digits.onnx")?;
/// let logits = digits.run(&[images])?.remove(0);
/// # Ok::<(), sconce::Error>(())
/// ```
pub struct Runtime {
    path: PathBuf,
    session: Mutex<Session>,
    inputs: Vec<Port>,
    outputs: Vec<Port>,
    metadata: BTreeMap<String, String>,
}

/// What goes into a model, or comes out.
#[derive(Debug, Clone, PartialEq)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// The type of its numbers.
    pub dtype: DType,
    /// Its dimensions.
    pub dims: Vec<Length>,
}

/// The length of a dimension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Length {
    /// This.
    Fixed(usize),
    /// Another one for each run, the same wherever the name is the same; the name may be empty.
    Open(String),
}

impl Display for Port {
    /// `input f32 (batch, 3, 32, 32)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dims = self.dims.iter().map(|dim| match dim {
            Length::Fixed(length) => length.to_string(),
            Length::Open(name) if name.is_empty() => "?".into(),
            Length::Open(name) => name.clone(),
        });
        write!(f, "{} {} ({})", self.name, self.dtype.as_str(), dims.collect::<Vec<_>>().join(", "))
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |ports: &[Port]| ports.iter().map(Port::to_string).collect::<Vec<_>>();
        f.debug_struct("Runtime")
            .field("path", &self.path)
            .field("inputs", &text(&self.inputs))
            .field("outputs", &text(&self.outputs))
            .finish_non_exhaustive()
    }
}

impl Runtime {
    /// Loads a file of ONNX into onnxruntime, on the CPU. Its library, 1.17 or newer, is looked for where the variable
    /// `ORT_DYLIB_PATH` says, in the active Python environment, and where the system looks for libraries.
    ///
    /// # Errors
    /// If the library is not found, which the error says how to mend; the file cannot be read, or onnxruntime refuses
    /// it; or something goes in or out that is no tensor, or of numbers that tensors here do not have.
    pub fn onnx(path: impl AsRef<Path>) -> Result<Runtime> {
        let path = path.as_ref();
        let environment = library()?;
        std::fs::File::open(path).map_err(|source| Error::Io {
            op: "read",
            path: path.to_owned(),
            source,
        })?;
        let refused = |problem: &dyn Display| Error::Format {
            path: path.to_owned(),
            expected: "a model that onnxruntime can run".into(),
            got: problem.to_string(),
            hint: String::new(),
        };
        let threads = crate::threads::count()?;
        let session = Session::builder(&environment).map_err(|error| refused(&error))?;
        let session = session.with_intra_threads(threads).map_err(|error| refused(&error))?;
        // On x86 without VNNI sums of 8-bit products saturate otherwise.
        let session = session.with_precise_qmm().map_err(|error| refused(&error))?;
        // Threads that wait must not hold up others.
        let mut session = session.with_intra_op_spinning(false).map_err(|error| refused(&error))?;
        let session = session.commit_from_file(path).map_err(|error| refused(&error))?;
        let ports = |outlets: &[Outlet]| -> Result<Vec<Port>> {
            outlets.iter().map(|outlet| port(outlet).map_err(|problem| refused(&problem))).collect()
        };
        let (inputs, outputs) = (ports(session.inputs())?, ports(session.outputs())?);
        let metadata = read_metadata(&session).map_err(|error| refused(&error))?;
        Ok(Runtime { path: path.to_owned(), session: Mutex::new(session), inputs, outputs, metadata })
    }

    /// What goes in, in the order of [`Runtime::run`].
    #[must_use]
    pub fn inputs(&self) -> &[Port] {
        &self.inputs
    }

    /// What comes out, in its order.
    #[must_use]
    pub fn outputs(&self) -> &[Port] {
        &self.outputs
    }

    /// What the file tells of the model beside its layers: keys and values.
    #[must_use]
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// The names of the classes, if the file has them as [`crate::export::onnx_with`] writes them; else none.
    #[must_use]
    pub fn classes(&self) -> Vec<String> {
        let text = self.metadata.get("classes");
        text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }

    /// The outputs for these inputs, on the CPU.
    ///
    /// # Errors
    /// If they are not what the model takes (the error names what), or onnxruntime fails.
    pub fn run(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        if inputs.len() != self.inputs.len() {
            let ports: Vec<String> = self.inputs.iter().map(Port::to_string).collect();
            return Err(refused(ports.join(" and "), format!("{} tensors", inputs.len())));
        }
        let mut values: Vec<(Cow<'_, str>, SessionInputValue<'_>)> = Vec::with_capacity(inputs.len());
        for (port, tensor) in self.inputs.iter().zip(inputs) {
            let fits = |(dim, &length): (&Length, &usize)| {
                *dim == Length::Fixed(length) || matches!(dim, Length::Open(_))
            };
            let is_open_or_same = port.dims.iter().zip(tensor.dims()).all(fits);
            if tensor.dtype() != port.dtype || tensor.rank() != port.dims.len() || !is_open_or_same {
                let got = format!("{} {}", tensor.dtype().as_str(), shape_text(tensor.dims()));
                return Err(refused(port.to_string(), got));
            }
            values.push((Cow::Borrowed(port.name.as_str()), value_of(tensor)?.into()));
        }
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let outputs = session.run(values).map_err(|error| failed(&error))?;
        let tensor = |port: &Port| match outputs.get(&port.name) {
            Some(value) => tensor_of(value, port.dtype),
            None => Err(failed(&format!("no output {}", port.name))),
        };
        self.outputs.iter().map(tensor).collect()
    }
}

fn refused(expected: String, got: String) -> Error {
    let hint = "Runtime::inputs tells what goes in.".into();
    Error::Argument { op: "Runtime::run".into(), expected, got, hint }
}

fn failed(problem: &dyn Display) -> Error {
    Error::Argument {
        op: "Runtime::run".into(),
        expected: "a run of the model".into(),
        got: problem.to_string(),
        hint: "This is what onnxruntime says.".into(),
    }
}

fn read_metadata(session: &Session) -> ort::Result<BTreeMap<String, String>> {
    let metadata = session.metadata()?;
    let keys = metadata.custom_keys()?.into_iter();
    Ok(keys.filter_map(|key| metadata.custom(&key).map(|value| (key, value))).collect())
}

/// Numbers that both sides have: the runtime's name of a type, ours, and Rust's.
macro_rules! numbers {
    ($with:ident) => {
        $with! {
            Float32 F32 f32, Float64 F64 f64, Uint8 U8 u8, Uint32 U32 u32, Int16 I16 i16, Int32 I32 i32, Int64 I64 i64
        }
    };
}

macro_rules! dtype_of {
    ($($theirs:ident $ours:ident $rust:ty),*) => {
        fn dtype_of(element: TensorElementType) -> Option<DType> {
            match element {
                $(TensorElementType::$theirs => Some(DType::$ours),)*
                _ => None,
            }
        }
    };
}
numbers!(dtype_of);

macro_rules! value_of {
    ($($theirs:ident $ours:ident $rust:ty),*) => {
        fn value_of(tensor: &Tensor) -> Result<DynValue> {
            let (dims, flat) = (tensor.dims().to_vec(), tensor.flatten_all()?);
            let value = match tensor.dtype() {
                $(DType::$ours => {
                    let values = flat.to_vec1::<$rust>()?;
                    ort::value::Tensor::from_array((dims, values)).map(|value| value.into_dyn())
                })*
                other => return Err(refused("numbers that onnxruntime has".into(), other.as_str().into())),
            };
            value.map_err(|error| failed(&error))
        }
    };
}
numbers!(value_of);

macro_rules! tensor_of {
    ($($theirs:ident $ours:ident $rust:ty),*) => {
        fn tensor_of(value: &DynValue, dtype: DType) -> Result<Tensor> {
            match dtype {
                $(DType::$ours => {
                    let (shape, values) = value.try_extract_tensor::<$rust>().map_err(|error| failed(&error))?;
                    let dims: Vec<usize> = shape.iter().map(|&dim| usize::try_from(dim).unwrap_or(0)).collect();
                    Ok(Tensor::from_slice(values, dims, &Device::Cpu)?)
                })*
                other => Err(failed(&format!("an output of {}", other.as_str()))),
            }
        }
    };
}
numbers!(tensor_of);

fn port(outlet: &Outlet) -> Result<Port, String> {
    let name = outlet.name().to_owned();
    let ValueType::Tensor { ty, shape, dimension_symbols } = outlet.dtype() else {
        return Err(format!("{name}, which is no tensor"));
    };
    let dtype =
        dtype_of(*ty).ok_or_else(|| format!("{name} of {ty}, numbers that tensors here do not have"))?;
    let dims = shape.iter().enumerate().map(|(at, &dim)| match usize::try_from(dim) {
        Ok(length) => Length::Fixed(length),
        Err(_) => Length::Open(dimension_symbols.get(at).cloned().unwrap_or_default()),
    });
    Ok(Port { name, dtype, dims: dims.collect() })
}

/// The library, loaded once for the process.
pub(super) fn library() -> Result<Environment> {
    static LOADED: Mutex<Option<Environment>> = Mutex::new(None);
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(environment) = &*loaded {
        return Ok(environment.clone());
    }
    let mut problems = Vec::new();
    for place in places() {
        let made = ort::init_from(&place).map_err(|error| error.to_string()).and_then(|environment| {
            // What goes wrong comes back as an error; nothing is printed besides.
            let quiet = environment.with_logger(std::sync::Arc::new(|_, _, _, _, _| ()));
            quiet.with_telemetry(false).build().map_err(|error| error.to_string())
        });
        match made {
            Ok(environment) => {
                *loaded = Some(environment.clone());
                return Ok(environment);
            }
            Err(problem) => problems.push(problem),
        }
    }
    Err(Error::Argument {
        op: "Runtime::onnx".into(),
        expected: "the library of onnxruntime, 1.17 or newer".into(),
        got: problems.join("; "),
        hint: "`pip install onnxruntime` brings it: set ORT_DYLIB_PATH to its onnxruntime/capi/libonnxruntime.so.*, \
               or start from that Python environment."
            .into(),
    })
}

/// Where the library may be.
fn places() -> Vec<PathBuf> {
    if let Some(path) = std::env::var_os("ORT_DYLIB_PATH").filter(|path| !path.is_empty()) {
        // A relative path is the user's, not the program's.
        return vec![std::path::absolute(&path).unwrap_or_else(|_| path.into())];
    }
    let mut places = Vec::new();
    for variable in ["VIRTUAL_ENV", "CONDA_PREFIX"] {
        let Some(environment) = std::env::var_os(variable) else { continue };
        for python in entries(&Path::new(&environment).join("lib"), "python3") {
            let folder = python.join("site-packages/onnxruntime/capi");
            places.extend(entries(&folder, "libonnxruntime."));
        }
    }
    let name = format!("{}onnxruntime{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    places.push(name.into());
    places
}

/// What a folder holds whose names begin with `start`, in order.
fn entries(folder: &Path, start: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let fits = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(start));
    let mut found: Vec<PathBuf> = fits.map(|entry| entry.path()).collect();
    found.sort();
    found
}
