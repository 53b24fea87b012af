//! A Python environment with Triton's clients.

use std::process::Command;
use std::sync::OnceLock;

use anyhow::Result;

use crate::python::environment;

/// A command of the environment's Python.
pub fn python() -> Result<Command> {
    static MADE: OnceLock<Result<std::path::PathBuf, String>> = OnceLock::new();
    let make =
        || environment("python-triton", "requirements-triton.txt").map_err(|error| format!("{error:#}"));
    let made = MADE.get_or_init(make).as_ref().map_err(|message| anyhow::anyhow!("{message}"))?;
    let mut command = Command::new(made.join("bin/python"));
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    Ok(command)
}
