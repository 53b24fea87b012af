//! `sconce install`: tells Jupyter of the kernel.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::{CliError, jupyter_folders, preparation};

/// Install the kernel into Jupyter, and prepare it.
#[derive(Debug, Args)]
pub struct InstallArguments {
    /// Into the user's own Jupyter data folder, or `JUPYTER_DATA_DIR`: the default.
    #[arg(long, group = "place")]
    user: bool,

    /// Into the Jupyter under this prefix, e.g. a virtual environment.
    #[arg(long, group = "place", value_name = "FOLDER")]
    prefix: Option<PathBuf>,

    /// Into the Python environment that is active in this shell.
    #[arg(long, group = "place")]
    sys_prefix: bool,

    /// The name under which Jupyter knows it.
    #[arg(long, default_value = "sconce", value_parser = kernel_name)]
    name: String,
}

/// Jupyter's rule for the names of kernels.
fn kernel_name(name: &str) -> Result<String, String> {
    let is_allowed = |char: char| char.is_ascii_alphanumeric() || "._-".contains(char);
    match !name.is_empty() && !name.starts_with('.') && name.chars().all(is_allowed) {
        true => Ok(name.to_owned()),
        false => Err("expected letters, digits, `.`, `_` and `-`".to_owned()),
    }
}

/// Does what the arguments say.
pub fn install(arguments: &InstallArguments) -> Result<(), CliError> {
    let data = data_folder(arguments)?;
    let folder = data.join("kernels").join(&arguments.name);
    let executable = std::env::current_exe()
        .map_err(|error| CliError::new(format!("cannot find the path of this program: {error}")))?;
    write_kernelspec(&folder, &executable, &arguments.name).map_err(|(path, error)| {
        CliError::new(format!("cannot write {}: {error}", path.display()))
            .help("choose a folder that you may write to, with --user or --prefix")
    })?;
    say(&format!("Installed the kernel `{}` in {}.\n", arguments.name, folder.display()))?;
    preparation::ensure()?;
    say("The cell library is ready.\n\
         Next: start `jupyter lab` and choose \"Rust (Sconce)\", or open a console with\n  \
         jupyter console --kernel ")?;
    say(&format!("{}\n", arguments.name))
}

fn data_folder(arguments: &InstallArguments) -> Result<PathBuf, CliError> {
    if let Some(prefix) = &arguments.prefix {
        return Ok(jupyter_folders::under_prefix(prefix));
    }
    if arguments.sys_prefix {
        return match jupyter_folders::active_environment() {
            Some(prefix) => Ok(jupyter_folders::under_prefix(&prefix)),
            None => Err(CliError::new(
                "no Python environment is active: neither VIRTUAL_ENV nor CONDA_PREFIX is set",
            )
            .help("activate one, or name its folder with --prefix")),
        };
    }
    jupyter_folders::user_data()
}

/// Writes `kernel.json` and the logo. On an error says which file it was.
fn write_kernelspec(folder: &Path, executable: &Path, name: &str) -> Result<(), (PathBuf, std::io::Error)> {
    let display_name = match name {
        "sconce" => "Rust (Sconce)".to_owned(),
        other => format!("Rust (Sconce: {other})"),
    };
    let spec = json!({
        "argv": [executable.to_string_lossy(), "kernel", "{connection_file}"],
        "display_name": display_name,
        "language": "rust",
        "interrupt_mode": "message",
        "metadata": {"debugger": false},
    });
    fs::create_dir_all(folder).map_err(|error| (folder.to_owned(), error))?;
    let files =
        [("kernel.json", format!("{spec:#}\n")), ("logo-svg.svg", include_str!("logo.svg").to_owned())];
    for (file, text) in files {
        let path = folder.join(file);
        fs::write(&path, text).map_err(|error| (path, error))?;
    }
    Ok(())
}

fn say(text: &str) -> Result<(), CliError> {
    std::io::stdout().write_all(text.as_bytes()).map_err(CliError::new)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_follow_jupyters_rule() {
        assert_eq!(kernel_name("my-rust_1.0"), Ok("my-rust_1.0".to_owned()));
        for bad in ["", "a b", "a/b", "..", "ä"] {
            assert!(kernel_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_kernelspec_starts_this_program() {
        let folder = tempfile::tempdir().unwrap();
        let kernel = folder.path().join("kernels/sconce");
        write_kernelspec(&kernel, Path::new("/some where/sconce"), "sconce").unwrap();
        let spec: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(kernel.join("kernel.json")).unwrap()).unwrap();
        assert_eq!(spec["argv"], json!(["/some where/sconce", "kernel", "{connection_file}"]));
        assert_eq!(spec["display_name"], "Rust (Sconce)");
        assert_eq!(spec["language"], "rust");
        assert_eq!(spec["interrupt_mode"], "message");
        assert!(fs::read_to_string(kernel.join("logo-svg.svg")).unwrap().starts_with("<svg"));
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let (path, _) = write_kernelspec(&file.path().join("kernels"), Path::new("x"), "sconce").unwrap_err();
        assert!(path.starts_with(file.path()));
    }
}
