//! What to say when crates cannot be had.

use std::path::Path;

use super::super::Failure;
use super::super::session::failure;

/// How many of cargo's lines an error shows.
const LINES: usize = 60;

/// A folder or file of the cache that cannot be used.
pub fn cannot(path: &Path, error: &std::io::Error) -> Failure {
    made(&format!("{} cannot be used: {error}; `sconce doctor` checks the cache", path.display()), &[])
}

/// Cargo could not be run.
pub fn lost(why: &str) -> Failure {
    made(&format!("cargo could not be run: {why}; `sconce doctor` checks what cells need"), &[])
}

/// A package without a library.
pub fn no_library(package: &str) -> Failure {
    made(&format!("the package `{package}` has no library that code could name"), &[])
}

/// What cargo said, without what a person has no use for.
pub fn said(log: &[String]) -> Failure {
    if let Some(ours) = log.iter().find_map(|line| line.strip_prefix("sconce: ")) {
        return second_copy(ours);
    }
    let noise = |line: &str| {
        let line = line.trim_start();
        line.is_empty()
            || line.starts_with("Finished")
            || line.contains("substitute.sh")
            || line.starts_with("warning: build failed, waiting")
    };
    let lines: Vec<String> = log.iter().filter(|line| !noise(line)).map(|line| ours_out(line)).collect();
    let start = lines.iter().position(|line| line.starts_with("error")).unwrap_or(0);
    let first = lines.get(start).map_or("it did not say why", |line| line.trim_start_matches("error: "));
    let mut message = format!("cargo failed: {first}");
    let all = log.join("\n").to_lowercase();
    if ["could not resolve", "failed to download", "download of", "spurious network", "couldn't connect"]
        .iter()
        .any(|sign| all.contains(sign))
    {
        message.push_str(
            "; is there a network? `:offline 1` makes cargo choose among what was downloaded before",
        );
    }
    made(&message, &lines[start..lines.len().min(start + LINES)])
}

/// The manifest and the folders of ours mean nothing to the reader.
fn ours_out(line: &str) -> String {
    match line.find("package `sconce-deps v0.0.0") {
        Some(at) if line.trim_start().starts_with("...") || line.contains("required by") => {
            format!("{}this session", &line[..at])
        }
        _ => line.to_owned(),
    }
}

/// A crate that must not be there twice.
pub fn second_copy(why: &str) -> Failure {
    made(
        &format!(
            "{why}. Two copies of candle do not know each other's tensors and give wrong gradients; take a crate that \
             goes with the session's version, or change the version asked for"
        ),
        &[],
    )
}

fn made(message: &str, lines: &[String]) -> Failure {
    let mut text = format!("\x1b[1;31mDependencyError\x1b[0m: {message}");
    if lines.len() > 1 {
        text.push('\n');
        text.push_str(&lines.join("\n"));
    }
    failure("DependencyError", message, &text)
}
