//! A build by cargo, watched: how far it is, what it made, and why it failed.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::cargo::{self, Line, is_progress, read_lines};
use super::{PrepareError, Progress};

/// How many of cargo's last lines an error shows.
const LOG_LINES: usize = 30;

/// A package, and where it is built.
pub struct Build {
    /// What it is, for a person.
    pub what: &'static str,
    /// The package.
    pub package: &'static str,
    /// Features that it is built with: none, or `package/feature`.
    pub features: &'static [&'static str],
    /// The folder with the source.
    pub source: PathBuf,
    /// The folder that cargo builds in.
    pub target: PathBuf,
}

impl Build {
    /// Cargo in the source.
    pub fn cargo(&self) -> Command {
        cargo::cargo(&self.source, &self.target)
    }

    /// The features as arguments of cargo.
    pub fn feature_arguments(&self) -> impl Iterator<Item = &'static str> {
        self.features.iter().flat_map(|feature| ["--features", feature])
    }

    /// Builds it, and gives cargo's messages on all that it made. `total` is how many packages there are.
    pub fn run(
        &self,
        flags: &str,
        total: usize,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Vec<Value>, PrepareError> {
        let mut command = self.cargo();
        command.args(["build", "--release", "--package", self.package]);
        command.args(self.feature_arguments());
        command.args(["--message-format", "json-render-diagnostics"]);
        command.env("CARGO_ENCODED_RUSTFLAGS", flags);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| self.cannot_start(&error))?;

        let mut done = BTreeSet::new();
        let mut artifacts = Vec::new();
        let mut log = VecDeque::new();
        for line in read_lines(&mut child) {
            let text = match line {
                Line::Log(text) => {
                    let message = text.trim().to_owned();
                    if is_progress(&message) {
                        progress(Progress { done: done.len(), total, message });
                    }
                    if log.len() == LOG_LINES {
                        log.pop_front();
                    }
                    log.push_back(text);
                    continue;
                }
                Line::Message(text) => text,
            };
            let Ok(message) = serde_json::from_str::<Value>(&text) else { continue };
            if message["reason"] != "compiler-artifact" {
                continue;
            }
            if done.insert(message["package_id"].as_str().unwrap_or_default().to_owned()) {
                let name = message["target"]["name"].as_str().unwrap_or_default();
                progress(Progress { done: done.len(), total, message: format!("built {name}") });
            }
            artifacts.push(message);
        }
        let status = child.wait().map_err(|error| self.failed(&format!("cargo was lost: {error}")))?;
        match status.success() {
            true => Ok(artifacts),
            false => Err(self.failed(&log.into_iter().collect::<Vec<_>>().join("\n"))),
        }
    }

    /// The error for cargo that does not start.
    pub fn cannot_start(&self, error: &io::Error) -> PrepareError {
        self.failed(&format!("cargo could not be started: {error}"))
    }

    /// The error for a build that failed with this log.
    pub fn failed(&self, log: &str) -> PrepareError {
        let lower = log.to_lowercase();
        let reason = if lower.contains("no space left") || lower.contains("os error 28") {
            "the disk is full; about 1 GB is needed: free some, or set SCONCE_CACHE_DIR to a folder with room"
        } else if lower.contains("failed to download")
            || lower.contains("could not resolve host")
            || lower.contains("network")
        {
            "crates could not be downloaded; check the network (or cargo's proxy settings) and try again"
        } else if lower.contains("linking with") {
            "the linker failed; see below"
        } else if lower.contains("signal: 9") {
            "the compiler was killed, most likely because memory ran out; close other programs and try again"
        } else {
            "cargo's last lines follow"
        };
        PrepareError::Build { what: self.what, reason: reason.to_owned(), log: log.trim_end().to_owned() }
    }
}
