//! Handing over to the server, a program of its own: it holds the library, and this one does not.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;

use super::CliError;

/// Serve models over HTTP and gRPC, by the program `sconce-serve`; `sconce serve --help` shows its options.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub struct ServeArguments {
    /// What `sconce-serve` takes: the folder of models, and options.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "MODELS_DIR [OPTIONS]")]
    arguments: Vec<OsString>,
}

/// `sconce serve`. On Unix the server takes this process's place, so that signals reach it.
pub fn serve(arguments: &ServeArguments) -> Result<(), CliError> {
    let program = find(std::env::current_exe().ok().as_deref(), std::env::var_os("PATH").as_ref());
    let program = program.ok_or_else(|| {
        CliError::new("the program sconce-serve is neither beside sconce nor on the PATH").help(
            "build it in the repository with `cargo build --release -p sconce-serve`, which puts it into \
             target/release, or put it on the PATH with `cargo install --path lib/serve`",
        )
    })?;
    let mut command = Command::new(&program);
    command.args(&arguments.arguments);
    run(&mut command, &program)
}

#[cfg(unix)]
fn run(command: &mut Command, program: &Path) -> Result<(), CliError> {
    use std::os::unix::process::CommandExt as _;
    // It returns only where it fails.
    Err(failed(program, &command.exec()))
}

#[cfg(not(unix))]
fn run(command: &mut Command, program: &Path) -> Result<(), CliError> {
    let status = command.status().map_err(|error| failed(program, &error))?;
    match status.success() {
        true => Ok(()),
        false => Err(CliError::new(format!("{}: {status}", program.display()))),
    }
}

fn failed(program: &Path, error: &std::io::Error) -> CliError {
    CliError::new(format!("{}: {error}", program.display()))
        .help("build it anew with `cargo build --release -p sconce-serve`")
}

/// The program beside this one, as cargo puts it, else the first on the path.
fn find(own: Option<&Path>, path: Option<&OsString>) -> Option<PathBuf> {
    let name = format!("sconce-serve{}", std::env::consts::EXE_SUFFIX);
    let beside = own.map(|own| own.with_file_name(&name));
    let on_path = path.into_iter().flat_map(std::env::split_paths).map(|folder| folder.join(&name));
    beside.into_iter().chain(on_path).find(|program| program.is_file())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_program_beside_this_one_goes_before_the_path() {
        let folder = tempfile::tempdir().unwrap();
        let [beside, first, second] = ["beside", "first", "second"].map(|name| {
            let folder = folder.path().join(name);
            std::fs::create_dir(&folder).unwrap();
            folder
        });
        let name = format!("sconce-serve{}", std::env::consts::EXE_SUFFIX);
        let own = beside.join("sconce");
        let path = std::env::join_paths([&first, &second]).unwrap();
        assert_eq!(find(Some(&own), Some(&path)), None);
        for place in [&second, &first, &beside] {
            std::fs::write(place.join(&name), "").unwrap();
            assert_eq!(find(Some(&own), Some(&path)), Some(place.join(&name)));
        }
        assert_eq!(find(None, None), None);
    }
}
