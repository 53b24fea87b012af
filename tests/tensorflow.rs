//! A Python environment with TensorFlow and LiteRT.

use std::process::Command;

use anyhow::Result;

use crate::python::python_of;

/// A command of the environment's Python, in the repository's root.
pub fn python() -> Result<Command> {
    python_of("python-tensorflow", "requirements-tensorflow.txt")
}
