//! Saving and loading weights.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use candle_core::{DType, Tensor};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use super::model::Model;
use crate::ops::shape_text;
use crate::{Error, Result};

impl Model {
    /// Writes parameters and buffers to a safetensors file, by the names of [`Model::state`]. The file
    /// is complete or not there: it is written beside its place and then moved.
    ///
    /// # Errors
    /// If the file cannot be written. A file that was there before is then still there.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let mut bytes = Vec::new();
        for (spec, var) in self.tensors() {
            let values = var.as_tensor().flatten_all()?.to_vec1::<f32>()?;
            let values: Vec<u8> = values.into_iter().flat_map(f32::to_le_bytes).collect();
            bytes.push((spec.name.as_str(), &spec.shape, values));
        }
        let views = bytes.iter().map(|(name, shape, values)| {
            let view = TensorView::new(Dtype::F32, (*shape).clone(), values)?;
            Ok((*name, view))
        });
        let written = views.collect::<std::result::Result<Vec<_>, _>>().and_then(|views| {
            // Readers of other libraries look for this.
            let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
            safetensors::serialize(views, Some(metadata))
        });
        let file = written.map_err(|error| Error::Format {
            path: path.to_owned(),
            expected: "weights that safetensors can hold".into(),
            got: error.to_string(),
            hint: String::new(),
        })?;
        write_whole(path, &file).map_err(|source| Error::Io { op: "write", path: path.to_owned(), source })
    }

    /// Reads what [`Model::save`] wrote for a model of the same layers. Names and shapes must be
    /// exactly this model's; the weights are changed in place, so handles to them see the new ones.
    ///
    /// # Errors
    /// If the file cannot be read, is damaged, or holds other tensors than this model's; the error
    /// lists them. The model is then as it was.
    pub fn load(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let bytes =
            fs::read(path).map_err(|source| Error::Io { op: "read", path: path.to_owned(), source })?;
        let format = |expected: String, got: String, hint: &str| Error::Format {
            path: path.to_owned(),
            expected,
            got,
            hint: hint.into(),
        };
        let file = SafeTensors::deserialize(&bytes).map_err(|error| {
            let hint = "The file is damaged, was cut off, or is of another format; save it again.";
            format("a safetensors file".into(), error.to_string(), hint)
        })?;
        let found: BTreeMap<String, TensorView> = file.tensors().into_iter().collect();
        let kinds =
            found.iter().map(|(name, view)| (name.as_str(), kind(view.shape(), &view.dtype().to_string())));
        if let Some(problems) = self.problems(&kinds.collect()) {
            let hint = "It must come from a model of the same layers, names and sizes.";
            return Err(format(
                format!("the {} tensors of this model", self.graph().tensors.len()),
                problems,
                hint,
            ));
        }
        let mut tensors = Vec::with_capacity(found.len());
        for (spec, _) in self.tensors() {
            let values = found[&spec.name].data().as_chunks::<4>().0;
            let values: Vec<f32> = values.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
            tensors.push(Tensor::from_vec(values, spec.shape.as_slice(), self.device())?);
        }
        self.replace(&tensors)
    }

    /// Takes over what [`Model::state`] gave, in place. Names and shapes must be exactly this model's.
    ///
    /// # Errors
    /// If they are not; the error lists what differs. The model is then as it was.
    pub fn set_state(&self, state: &[(String, Tensor)]) -> Result<()> {
        let kinds = state.iter().map(|(name, tensor)| {
            let dtype = tensor.dtype().as_str().to_uppercase();
            (name.as_str(), kind(tensor.dims(), &dtype))
        });
        if let Some(problems) = self.problems(&kinds.collect()) {
            return Err(Error::Argument {
                op: "Model::set_state".into(),
                expected: format!("the {} tensors of this model", self.graph().tensors.len()),
                got: problems,
                hint: "It must come from a model of the same layers, names and sizes.".into(),
            });
        }
        let by_name: HashMap<&str, &Tensor> =
            state.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
        let mut tensors = Vec::with_capacity(state.len());
        for (spec, _) in self.tensors() {
            // A copy: the tensor may be a handle to the very variable that it will replace.
            tensors.push(by_name[spec.name.as_str()].to_device(self.device())?.copy()?);
        }
        self.replace(&tensors)
    }

    /// Sets all variables; the tensors have their shapes and the type f32.
    fn replace(&self, tensors: &[Tensor]) -> Result<()> {
        for ((_, var), tensor) in self.tensors().zip(tensors) {
            var.set(tensor)?;
        }
        Ok(())
    }

    /// In what way tensors of these names and kinds are not this model's.
    fn problems(&self, found: &BTreeMap<&str, String>) -> Option<String> {
        let (mut missing, mut different) = (Vec::new(), Vec::new());
        for (spec, _) in self.tensors() {
            let wanted = kind(&spec.shape, &DType::F32.as_str().to_uppercase());
            match found.get(spec.name.as_str()) {
                None => missing.push(spec.name.clone()),
                Some(kind) if *kind != wanted => {
                    different.push(format!("{}: {kind} instead of {wanted}", spec.name));
                }
                Some(_) => {}
            }
        }
        let known = |name: &str| self.graph().tensors.iter().any(|spec| spec.name == name);
        let unexpected = found.keys().filter(|name| !known(name)).map(|name| (*name).to_owned()).collect();
        let lists = [("missing", missing), ("unexpected", unexpected), ("different", different)];
        let problems: Vec<String> = lists
            .into_iter()
            .filter(|(_, names)| !names.is_empty())
            .map(|(what, names)| list(what, &names))
            .collect();
        (!problems.is_empty()).then(|| problems.join("; "))
    }
}

/// Shape and type of a tensor, as the errors write them.
fn kind(shape: &[usize], dtype: &str) -> String {
    format!("{dtype} {}", shape_text(shape))
}

/// Names in an error: the first of them, and how many more there are.
fn list(what: &str, names: &[String]) -> String {
    const SHOWN: usize = 12;
    let shown = names[..names.len().min(SHOWN)].join(", ");
    let more = names.len().saturating_sub(SHOWN);
    if more == 0 { format!("{what} {shown}") } else { format!("{what} {shown} and {more} more") }
}

/// Writes a file beside its place, brings it to the disk and moves it there, so that nobody ever sees
/// half of it.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let name = path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no file name"))?;
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    let mut temporary = std::ffi::OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".{}-{}.tmp", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
    let temporary = folder.join(temporary);
    let mut file = OpenOptions::new().write(true).create_new(true).open(&temporary)?;
    let moved =
        file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| fs::rename(&temporary, path));
    if let Err(error) = moved {
        // What counts is the first error; a leftover temporary file does no harm.
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    // The move itself is only certain once the folder is on the disk. Not every system can open one.
    if let Ok(folder) = File::open(&folder) {
        let _ = folder.sync_all();
    }
    Ok(())
}
