//! A Python environment with ONNX's own tools and onnxruntime.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::python::python_of;

/// A command of the environment's Python, in the repository's root.
pub fn python() -> Result<Command> {
    python_of("python-onnx", "requirements-onnx.txt")
}

/// The library of onnxruntime that it carries.
pub fn library() -> Result<PathBuf> {
    let find = "import onnxruntime, pathlib; \
                print(next((pathlib.Path(onnxruntime.__file__).parent / 'capi').glob('libonnxruntime.so*')))";
    let output = python()?.args(["-c", find]).output().context("python")?;
    anyhow::ensure!(output.status.success(), "{}", crate::stderr(&output));
    Ok(PathBuf::from(crate::stdout(&output).trim()))
}
