//! The Rust toolchain and linker on the PATH.

use std::process::{Command, Stdio};

/// Whether cells can be compiled with this release: with the `rust-version` of this workspace, or a later one.
#[must_use]
pub fn is_recent(version: Version) -> bool {
    parse_release(OLDEST).is_none_or(|oldest| version >= oldest)
}

/// The oldest release that works, e.g. `1.95`.
pub const OLDEST: &str = env!("CARGO_PKG_RUST_VERSION");

/// A release of the toolchain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// The 1 of 1.95.0.
    pub major: u32,
    /// The 95 of 1.95.0.
    pub minor: u32,
    /// The 0 of 1.95.0.
    pub patch: u32,
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// What asking a program for its version can end with.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// It is not on the PATH.
    #[error("{program} is not on the PATH")]
    Missing {
        /// The program.
        program: String,
    },
    /// It did not run, or failed.
    #[error("{program} does not work: {message}")]
    Broken {
        /// The program.
        program: String,
        /// What the system or the program said.
        message: String,
    },
}

/// The first line of `program --version`.
pub fn version_line(program: &str) -> Result<String, ToolError> {
    let broken = |message: String| ToolError::Broken { program: program.to_owned(), message };
    let output = Command::new(program).arg("--version").stdin(Stdio::null()).output();
    let output = output.map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => ToolError::Missing { program: program.to_owned() },
        _ => broken(error.to_string()),
    })?;
    let first_line =
        |bytes: &[u8]| String::from_utf8_lossy(bytes).lines().next().unwrap_or_default().to_owned();
    match output.status.success() {
        true => Ok(first_line(&output.stdout)),
        false => Err(broken(format!("{}: {}", output.status, first_line(&output.stderr)))),
    }
}

/// The release in a line like `rustc 1.95.0 (59807616e 2026-04-14)`.
#[must_use]
pub fn parse_version(line: &str) -> Option<Version> {
    parse_release(line.split_whitespace().nth(1)?)
}

/// `1.95.0`, `1.95` or `1.97.0-nightly`.
fn parse_release(release: &str) -> Option<Version> {
    let numbers = release.split(['-', '+']).next()?;
    let mut parts = numbers.split('.').map(str::parse);
    let (major, minor) = (parts.next()?.ok()?, parts.next()?.ok()?);
    Some(Version { major, minor, patch: parts.next().map_or(Some(0), Result::ok)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_read_and_ordered() {
        let version = |line| parse_version(line).map(|version| version.to_string());
        assert_eq!(version("rustc 1.95.0 (59807616e 2026-04-14)").as_deref(), Some("1.95.0"));
        assert_eq!(version("cargo 1.97.0-nightly (abc 2026-05-01)").as_deref(), Some("1.97.0"));
        assert_eq!(version("rustc"), None);
        assert_eq!(version("gcc (Debian) 12"), None);
        assert!(parse_version("rustc 1.100.2").is_some_and(is_recent));
        assert!(parse_version(&format!("rustc {OLDEST}.0")).is_some_and(is_recent));
        assert!(!parse_version("rustc 1.84.9").is_some_and(is_recent));
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = version_line("no-such-program-here").err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), Some("no-such-program-here is not on the PATH"));
    }
}
