//! Cargo as a program: how it is called, and what it says while it builds.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::mpsc;

use serde_json::Value;

/// Cargo in a folder, with what it builds in another. What a surrounding cargo or a person set for other
/// builds does not change this one; nor does the package that a surrounding cargo runs: build scripts that ask
/// for it, such as ring's, would run again for each, and all that stands on them be compiled again.
pub fn cargo(folder: &Path, target: &Path) -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(folder).env("CARGO_TARGET_DIR", target);
    for name in
        ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET", "CARGO_INCREMENTAL", "RUSTC_WRAPPER"]
    {
        command.env_remove(name);
    }
    let of_package = ["CARGO_MANIFEST_", "CARGO_PKG_", "CARGO_CRATE_NAME", "CARGO_BIN_", "OUT_DIR"];
    for (name, _) in std::env::vars_os() {
        if of_package.iter().any(|start| name.to_string_lossy().starts_with(start)) {
            command.env_remove(name);
        }
    }
    command
}

/// A line that cargo writes.
pub enum Line {
    /// On stdout: a message in JSON.
    Message(String),
    /// On stderr: for a person.
    Log(String),
}

/// Both of cargo's streams as they come; ends when both have.
pub fn read_lines(child: &mut Child) -> mpsc::Receiver<Line> {
    let (sender, receiver) = mpsc::channel();
    let messages = sender.clone();
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    std::thread::spawn(move || {
        for line in stdout.into_iter().flat_map(|stream| BufReader::new(stream).lines().map_while(Result::ok))
        {
            let _ = messages.send(Line::Message(line));
        }
    });
    std::thread::spawn(move || {
        for line in stderr.into_iter().flat_map(|stream| BufReader::new(stream).lines().map_while(Result::ok))
        {
            let _ = sender.send(Line::Log(line));
        }
    });
    receiver
}

/// Whether a line tells how far cargo is.
pub fn is_progress(line: &str) -> bool {
    let line = line.trim_start();
    ["Compiling", "Download", "Updating", "Locking"].iter().any(|start| line.starts_with(start))
}

/// A library that cargo has built.
#[derive(Debug, Clone)]
pub struct Built {
    /// The package's id.
    pub package: String,
    /// The name that code uses.
    pub name: String,
    /// The library.
    pub path: PathBuf,
    /// Its metadata alone, which other libraries are compiled against.
    pub metadata: Option<PathBuf>,
    /// The package's features that are on.
    pub features: Vec<String>,
    /// It is linked to by what runs, not by a build script or a macro.
    pub linked: bool,
}

impl Built {
    /// The library that a message of cargo tells of, if code can link to it.
    pub fn read(message: &Value) -> Option<Built> {
        let kinds = message["target"]["kind"].as_array()?;
        let is = |wanted: &[&str]| kinds.iter().any(|kind| wanted.iter().any(|wanted| kind == wanted));
        let wanted = if is(&["dylib", "proc-macro"]) {
            std::env::consts::DLL_EXTENSION
        } else if is(&["lib", "rlib"]) {
            "rlib"
        } else {
            return None;
        };
        let files: Vec<PathBuf> =
            message["filenames"].as_array()?.iter().filter_map(Value::as_str).map(PathBuf::from).collect();
        let file = |wanted: &str| {
            files.iter().find(|path| path.extension().is_some_and(|extension| extension == wanted)).cloned()
        };
        let features = message["features"].as_array().into_iter().flatten();
        Some(Built {
            package: message["package_id"].as_str().unwrap_or_default().to_owned(),
            name: message["target"]["name"].as_str()?.replace('-', "_"),
            path: file(wanted)?,
            metadata: file("rmeta"),
            features: features.filter_map(Value::as_str).map(str::to_owned).collect(),
            linked: !is(&["proc-macro"]) && message["profile"]["opt_level"] != "0",
        })
    }

    /// The package's name and version, of its id.
    pub fn package(&self) -> (String, String) {
        name_and_version(&self.package)
    }
}

/// `serde` and `1.0.228` of `registry+https://…#serde@1.0.228`; where a folder's name is the package's, of
/// `path+file:///…/serde#1.0.228`.
pub fn name_and_version(id: &str) -> (String, String) {
    let (place, rest) = id.rsplit_once('#').unwrap_or(("", id));
    let (name, version) = rest.split_once('@').unwrap_or_else(|| {
        let place = place.split('?').next().unwrap_or_default();
        (place.rsplit('/').next().unwrap_or_default(), rest)
    });
    (name.to_owned(), version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_is_not_told_of_the_package_that_runs() {
        let command = cargo(Path::new("."), Path::new("target"));
        let handed_on: Vec<_> = command.get_envs().filter(|(_, value)| value.is_some()).collect();
        assert_eq!(handed_on.len(), 1, "{handed_on:?}");
        for name in ["CARGO_MANIFEST_DIR", "CARGO_PKG_NAME", "CARGO_PKG_VERSION", "OUT_DIR"] {
            assert!(std::env::var_os(name).is_some(), "cargo tells a test of {name}");
            assert!(command.get_envs().any(|(removed, value)| removed == name && value.is_none()), "{name}");
        }
    }

    #[test]
    fn ids_name_packages() {
        for (id, name, version) in [
            ("registry+https://example.org/index#serde@1.0.228", "serde", "1.0.228"),
            ("path+file:///a/b/my-crate#0.1.0", "my-crate", "0.1.0"),
            ("path+file:///a/b#my-crate@0.1.0", "my-crate", "0.1.0"),
            ("git+https://example.org/a/thing?rev=1#0.2.0", "thing", "0.2.0"),
        ] {
            assert_eq!(name_and_version(id), (name.to_owned(), version.to_owned()));
        }
    }
}
