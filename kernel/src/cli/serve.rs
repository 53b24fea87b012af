//! Handing over to the server, a program of its own: it holds the library, and this one does not.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;

use super::CliError;
use super::preparation::build_server;
use crate::engine::CacheDir;

/// Serve models over HTTP and gRPC, by the program `sconce-serve`; `sconce serve --help` shows its options.
///
/// The program is the one beside `sconce` or on the PATH. Where there is none it is built, once, in minutes.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub struct ServeArguments {
    /// What `sconce-serve` takes: the folder of models, and options.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "MODELS_DIR [OPTIONS]")]
    arguments: Vec<OsString>,
}

/// `sconce serve`. On Unix the server takes this process's place, so that signals reach it.
pub fn serve(arguments: &ServeArguments) -> Result<(), CliError> {
    let cache = CacheDir::from_env()?;
    let program = match cache.server_program().or_else(|| on_path(std::env::var_os("PATH").as_ref())) {
        Some(program) => program,
        // Nobody waits minutes for a list of options.
        None if arguments.arguments.iter().any(|argument| argument == "--help" || argument == "-h") => {
            let text = "Usage: sconce serve MODELS_DIR [OPTIONS]\n\nThe options are those of the program \
                        `sconce-serve`, which is neither beside `sconce` nor on the PATH nor built:\n\
                        `sconce serve MODELS_DIR` builds it, once, in minutes, and then serves.\n";
            return std::io::stdout().write_all(text.as_bytes()).map_err(CliError::new);
        }
        None => build_server(&cache)?,
    };
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
        .help("remove that file: `sconce serve` then builds another")
}

/// The first program of that name on the path.
fn on_path(path: Option<&OsString>) -> Option<PathBuf> {
    let name = format!("sconce-serve{}", std::env::consts::EXE_SUFFIX);
    let folders = path.into_iter().flat_map(std::env::split_paths);
    folders.map(|folder| folder.join(&name)).find(|program| can_run(program))
}

/// Whether it is a file that may be run, as shells look at it.
#[cfg(unix)]
fn can_run(program: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    program.metadata().is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
}

/// Whether it is a file.
#[cfg(not(unix))]
fn can_run(program: &Path) -> bool {
    program.is_file()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_first_program_on_the_path_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let [first, second] = ["first", "second"].map(|name| {
            let folder = folder.path().join(name);
            std::fs::create_dir(&folder).unwrap();
            folder
        });
        let name = format!("sconce-serve{}", std::env::consts::EXE_SUFFIX);
        let path = std::env::join_paths([&first, &second]).unwrap();
        assert_eq!(on_path(Some(&path)), None);
        for place in [&second, &first] {
            std::fs::write(place.join(&name), "").unwrap();
            #[cfg(unix)]
            {
                use std::os::unix::fs::PermissionsExt as _;
                assert_ne!(on_path(Some(&path)), Some(place.join(&name)), "it may not be run");
                let may = std::fs::Permissions::from_mode(0o755);
                std::fs::set_permissions(place.join(&name), may).unwrap();
            }
            assert_eq!(on_path(Some(&path)), Some(place.join(&name)));
        }
        assert_eq!(on_path(None), None);
    }
}
