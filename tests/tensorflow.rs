//! A Python environment with TensorFlow and LiteRT.

use std::process::Command;

use anyhow::Result;

use crate::python::environment;
use crate::root;

/// A command of the environment's Python, in the repository's root.
pub fn python() -> Result<Command> {
    let environment = environment("python-tensorflow", "requirements-tensorflow.txt")?;
    let mut command = Command::new(environment.join("bin/python"));
    command.current_dir(root()).env("PYTHONDONTWRITEBYTECODE", "1");
    Ok(command)
}
