//! What the whole-system tests share: the built `sconce`, and how to call it.

pub mod onnxruntime;
pub mod python;
pub mod tensorflow;
pub mod triton;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// The repository's root.
#[must_use]
pub fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().map_or_else(|| package.to_owned(), Path::to_owned)
}

/// A `cargo` command in the repository's root: the cargo that runs the tests.
///
/// It is not told what cargo tells a test of its package. Build scripts that look at that, such as ring's, would be run
/// again, and all that stands on them compiled again, the library too.
#[must_use]
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        let of_package = ["CARGO_MANIFEST_", "CARGO_PKG_", "CARGO_CRATE_NAME", "CARGO_BIN_", "OUT_DIR"];
        if of_package.iter().any(|start| name.to_string_lossy().starts_with(start)) {
            command.env_remove(name);
        }
    }
    command
}

/// The path of the `sconce` program, which is built first.
///
/// A test of one package cannot ask cargo for the binary of another, so this asks a build where it put it.
pub fn sconce_path() -> Result<&'static Path> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let built = BUILT.get_or_init(|| build_sconce().map_err(|error| format!("{error:#}")));
    built.as_deref().map_err(|message| anyhow::anyhow!("{message}"))
}

fn build_sconce() -> Result<PathBuf> {
    // Of the workspace, and with a test: with the features of one package, or without those that tests ask for, all
    // crates would be compiled once more.
    let output = cargo()
        .args(["build", "--release", "--workspace", "--bin", "sconce", "--bin", "sconce-serve"])
        .args(["--test", "architecture", "--message-format=json"])
        .stderr(Stdio::inherit())
        .output()
        .context("cargo build")?;
    ensure!(output.status.success(), "cargo build: {}", output.status);
    let messages = String::from_utf8(output.stdout)?;
    let artifacts = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let executable = artifacts
        .filter(|message| message["target"]["name"] == "sconce")
        .find_map(|message| message["executable"].as_str().map(PathBuf::from));
    executable.context("cargo build named no executable `sconce`")
}

/// A `sconce` command, ready for arguments.
pub fn sconce() -> Result<Command> {
    let mut command = Command::new(sconce_path()?);
    command.stdin(Stdio::null());
    Ok(command)
}

/// Prepares the cell library in the user's own cache, so that it is built once for all tests and notebooks. The
/// assistant is left out: the one that cargo puts beside `sconce` is the one to test.
pub fn prepare() -> Result<()> {
    static PREPARED: OnceLock<Result<(), String>> = OnceLock::new();
    let prepared = PREPARED.get_or_init(|| {
        let status = sconce().and_then(|mut sconce| Ok(sconce.args(["prepare", "--no-assist"]).status()?));
        match status {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("sconce prepare: {status}")),
            Err(error) => Err(format!("sconce prepare: {error:#}")),
        }
    });
    prepared.clone().map_err(anyhow::Error::msg)
}

/// What a command wrote to stderr.
#[must_use]
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What a command wrote to stdout.
#[must_use]
pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The text of a notebook file with these code cells.
#[must_use]
pub fn notebook(sources: &[&str]) -> String {
    let cells: Vec<Value> = sources.iter().map(|source| code_cell(source, &[])).collect();
    notebook_of(&cells)
}

/// A code cell that has not run, with these tags.
#[must_use]
pub fn code_cell(source: &str, tags: &[&str]) -> Value {
    serde_json::json!({"cell_type": "code", "source": source, "metadata": {"tags": tags}, "outputs": [],
        "execution_count": null})
}

/// The text of a notebook file with these cells.
#[must_use]
pub fn notebook_of(cells: &[Value]) -> String {
    let kernelspec =
        serde_json::json!({"display_name": "Rust (Sconce)", "language": "rust", "name": "sconce"});
    let metadata = serde_json::json!({"kernelspec": kernelspec});
    serde_json::json!({"nbformat": 4, "nbformat_minor": 4, "metadata": metadata, "cells": cells}).to_string()
}
