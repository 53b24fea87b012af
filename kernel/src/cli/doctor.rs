//! `sconce doctor`: checks what the kernel needs, and says how to mend what is missing.

use std::fmt::Write as _;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::kernelspec::{self, Owner};
use super::toolchain::{self, OLDEST};
use super::{CliError, jupyter_folders};
use crate::engine::{CacheDir, Toolchain, prepared};

/// What preparing the cell library takes on disk, with room for a session's cells.
const ROOM_TO_PREPARE: u64 = 1 << 30;

/// What is left for the libraries of cells once it is prepared.
const ROOM_FOR_CELLS: u64 = 256 << 20;

/// One thing that was looked at.
struct Check {
    what: &'static str,
    found: Found,
}

enum Found {
    /// As it should be.
    Ok(String),
    /// Nothing is wrong; this is how to get what is not there yet.
    ToDo { state: String, command: String },
    /// The kernel cannot work.
    Problem { state: String, mend: String },
}

/// Prints one line for each check; an error if one of them found a problem.
pub fn command() -> Result<(), CliError> {
    let mut checks = vec![tool("rustc"), tool("cargo"), linker()];
    match CacheDir::from_env() {
        Ok(cache) => {
            let is_prepared = prepared(&cache).is_some();
            checks.push(cache_folder(cache.path(), is_prepared));
            checks.push(preparation(is_prepared));
            checks.push(assistant(cache.assistant_program(), rust_source()));
        }
        Err(error) => checks.push(Check {
            what: "cache folder",
            found: Found::Problem {
                state: error.to_string(),
                mend: "set SCONCE_CACHE_DIR to a folder that you may write to".to_owned(),
            },
        }),
    }
    checks.push(kernelspec(&jupyter_folders::search_path()));
    let mut stdout = anstream::stdout().lock();
    stdout.write_all(report(&checks).as_bytes()).map_err(CliError::new)?;
    match checks.iter().filter(|check| matches!(check.found, Found::Problem { .. })).count() {
        0 => Ok(()),
        1 => Err(CliError::new("1 problem, see above")),
        count => Err(CliError::new(format!("{count} problems, see above"))),
    }
}

fn report(checks: &[Check]) -> String {
    let mut text = String::new();
    for Check { what, found } in checks {
        // Writing to a string cannot fail.
        let _ = match found {
            Found::Ok(state) => writeln!(text, "\u{1b}[32mok\u{1b}[0m       {what}: {state}"),
            Found::ToDo { state, command } => {
                writeln!(text, "\u{1b}[33mto do\u{1b}[0m    {what}: {state}\n         -> {command}")
            }
            Found::Problem { state, mend } => {
                writeln!(text, "\u{1b}[1;31mproblem\u{1b}[0m  {what}: {state}\n         -> {mend}")
            }
        };
    }
    text
}

fn tool(program: &'static str) -> Check {
    let mend = match program {
        "rustc" => "install Rust from https://rustup.rs, or put its bin folder on the PATH",
        _ => "it comes with Rust: install that from https://rustup.rs, or put its bin folder on the PATH",
    };
    let found = match toolchain::version_line(program) {
        Err(error) => Found::Problem { state: error.to_string(), mend: mend.to_owned() },
        Ok(line) => match toolchain::parse_version(&line) {
            Some(version) if toolchain::is_recent(version) => Found::Ok(line),
            _ => Found::Problem {
                state: format!("{line} is older than {OLDEST}"),
                mend: "update it: rustup update stable".to_owned(),
            },
        },
    };
    Check { what: program, found }
}

fn linker() -> Check {
    let found = match toolchain::version_line("cc") {
        Ok(line) => Found::Ok(line),
        Err(error) => Found::Problem {
            state: error.to_string(),
            mend: match std::env::consts::OS {
                "macos" => "install the command line tools: xcode-select --install".to_owned(),
                _ => "install a C compiler, e.g. apt install gcc, dnf install gcc".to_owned(),
            },
        },
    };
    Check { what: "linker", found }
}

fn cache_folder(folder: &Path, is_prepared: bool) -> Check {
    let needed = if is_prepared { ROOM_FOR_CELLS } else { ROOM_TO_PREPARE };
    let problem = |state: String| Found::Problem {
        state,
        mend: "make room or mend its permissions, or set SCONCE_CACHE_DIR to another folder".to_owned(),
    };
    let written = std::fs::create_dir_all(folder).and_then(|()| tempfile::tempfile_in(folder).map(drop));
    let found = match (written, free_space(folder)) {
        (Err(error), _) => problem(format!("cannot write to {}: {error}", folder.display())),
        (Ok(()), Some(free)) if free < needed => problem(format!(
            "{} has {} free, {} are needed",
            folder.display(),
            megabytes(free),
            megabytes(needed)
        )),
        (Ok(()), Some(free)) => Found::Ok(format!("{}, {} free", folder.display(), megabytes(free))),
        (Ok(()), None) => Found::Ok(folder.display().to_string()),
    };
    Check { what: "cache folder", found }
}

fn megabytes(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}

#[cfg(unix)]
fn free_space(folder: &Path) -> Option<u64> {
    let volume = rustix::fs::statvfs(folder).ok()?;
    volume.f_bavail.checked_mul(volume.f_frsize)
}

#[cfg(not(unix))]
fn free_space(_: &Path) -> Option<u64> {
    None
}

fn preparation(is_prepared: bool) -> Check {
    let found = match is_prepared {
        true => Found::Ok("prepared".to_owned()),
        false => Found::ToDo {
            state: "not prepared yet; the first notebook would wait for it".to_owned(),
            command: "sconce prepare".to_owned(),
        },
    };
    Check { what: "cell library", found }
}

/// Where the toolchain's standard library has its source; nothing where there is no toolchain.
fn rust_source() -> Option<PathBuf> {
    Some(Toolchain::find().ok()?.sysroot.join("lib/rustlib/src/rust/library"))
}

fn assistant(program: Option<PathBuf>, rust_source: Option<PathBuf>) -> Check {
    let found = match (program, rust_source) {
        (None, _) => Found::ToDo {
            state: "names only; methods, fields and paths take a build of some minutes, once".to_owned(),
            command: "sconce prepare".to_owned(),
        },
        (Some(_), Some(source)) if !source.is_dir() => Found::ToDo {
            state: format!("without the standard library: {} is not there", source.display()),
            command: "rustup component add rust-src (or the package rust-src of your system)".to_owned(),
        },
        (Some(program), _) => Found::Ok(program.display().to_string()),
    };
    Check { what: "help while typing", found }
}

fn kernelspec(folders: &[PathBuf]) -> Check {
    let specs: Vec<(PathBuf, PathBuf)> =
        folders.iter().flat_map(|folder| our_specs(&folder.join("kernels"))).collect();
    let found = match specs.iter().find(|(_, program)| !program.is_file()) {
        Some((spec, program)) => Found::Problem {
            state: format!("{} starts {}, which is gone", spec.display(), program.display()),
            mend: "install it again: sconce install".to_owned(),
        },
        None => match specs.first() {
            Some((spec, _)) => Found::Ok(spec.display().to_string()),
            None => Found::ToDo {
                state: "not installed; `sconce run` needs none".to_owned(),
                command: "sconce install".to_owned(),
            },
        },
    };
    Check { what: "Jupyter kernel", found }
}

/// The kernelspecs in a folder that start a `sconce`, and the program that each of them starts.
fn our_specs(kernels: &Path) -> Vec<(PathBuf, PathBuf)> {
    let entries = std::fs::read_dir(kernels).into_iter().flatten().flatten();
    let mut ours: Vec<_> = entries
        .filter_map(|entry| match kernelspec::owner(&entry.path()) {
            Owner::Sconce(program) => Some((entry.path().join("kernel.json"), program)),
            Owner::Other | Owner::Nobody => None,
        })
        .collect();
    ours.sort();
    ours
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_kernelspec_is_found_and_its_program_checked() {
        let data = tempfile::tempdir().unwrap();
        let folders = [data.path().to_owned()];
        assert!(matches!(kernelspec(&folders).found, Found::ToDo { .. }));
        let spec = |name: &str, program: &Path| {
            let folder = data.path().join("kernels").join(name);
            std::fs::create_dir_all(&folder).unwrap();
            let text = serde_json::json!({"argv": [program, "kernel"]}).to_string();
            std::fs::write(folder.join("kernel.json"), text).unwrap();
        };
        spec("python3", Path::new("python"));
        assert!(matches!(kernelspec(&folders).found, Found::ToDo { .. }));
        let program = data.path().join("sconce");
        spec("mine", &program);
        assert!(matches!(kernelspec(&folders).found, Found::Problem { .. }));
        std::fs::write(&program, "").unwrap();
        assert!(matches!(kernelspec(&folders).found, Found::Ok(_)));
    }

    #[test]
    fn the_assistant_is_there_or_what_it_takes_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let (there, missing) = (folder.path().to_owned(), folder.path().join("none"));
        let command = |found| match found {
            Found::ToDo { command, .. } => command,
            Found::Ok(_) | Found::Problem { .. } => String::new(),
        };
        assert_eq!(command(assistant(None, Some(there.clone())).found), "sconce prepare");
        let found = assistant(Some(there.clone()), Some(missing)).found;
        assert!(command(found).starts_with("rustup component add rust-src"));
        assert!(matches!(assistant(Some(there.clone()), Some(there)).found, Found::Ok(_)));
    }

    #[test]
    fn a_cache_folder_that_is_a_file_is_a_problem() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let Found::Problem { state, .. } = cache_folder(file.path(), true).found else {
            panic!("no problem")
        };
        assert!(state.contains(&file.path().display().to_string()), "{state}");
    }
}
