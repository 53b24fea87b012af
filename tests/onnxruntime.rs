//! A Python environment with ONNX's own tools and onnxruntime.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result};

use crate::python::environment;

fn made() -> Result<&'static PathBuf> {
    static MADE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let make = || environment("python-onnx", "requirements-onnx.txt").map_err(|error| format!("{error:#}"));
    MADE.get_or_init(make).as_ref().map_err(|message| anyhow::anyhow!("{message}"))
}

/// A command of the environment's Python.
pub fn python() -> Result<Command> {
    let mut command = Command::new(made()?.join("bin/python"));
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    Ok(command)
}

/// The library of onnxruntime that it carries.
pub fn library() -> Result<PathBuf> {
    let find = "import onnxruntime, pathlib; \
                print(next((pathlib.Path(onnxruntime.__file__).parent / 'capi').glob('libonnxruntime.so*')))";
    let output = python()?.args(["-c", find]).output().context("python")?;
    anyhow::ensure!(output.status.success(), "{}", crate::stderr(&output));
    Ok(PathBuf::from(crate::stdout(&output).trim()))
}
