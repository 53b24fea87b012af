//! `sconce install` and `sconce uninstall`: tell Jupyter of the kernel, and that it is gone.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use super::kernelspec::{self, Owner};
use super::preparation::{self, Parts};
use super::{CliError, jupyter_folders};

/// Install the kernel into Jupyter, and prepare it.
#[derive(Debug, Args)]
pub struct InstallArguments {
    #[command(flatten)]
    place: Place,

    /// The name under which Jupyter knows it.
    #[arg(long, default_value = "sconce", value_parser = kernel_name)]
    name: String,

    /// The name that people see.
    #[arg(long, value_name = "TEXT")]
    display_name: Option<String>,

    /// Leave the preparation to the first notebook, which then waits for it.
    #[arg(long)]
    no_prepare: bool,

    #[command(flatten)]
    parts: Parts,
}

/// Take the kernel out of Jupyter. The prepared cell library stays.
#[derive(Debug, Args)]
pub struct UninstallArguments {
    #[command(flatten)]
    place: Place,

    /// The name under which Jupyter knows it.
    #[arg(long, default_value = "sconce", value_parser = kernel_name)]
    name: String,
}

/// Which of Jupyter's folders is meant.
#[derive(Debug, Args)]
#[group(multiple = false)]
struct Place {
    /// The user's own Jupyter data folder, or `JUPYTER_DATA_DIR`: the default.
    #[arg(long)]
    user: bool,

    /// That of the Jupyter under this prefix, e.g. a virtual environment.
    #[arg(long, value_name = "FOLDER")]
    prefix: Option<PathBuf>,

    /// That of the Python environment that is active in this shell.
    #[arg(long)]
    sys_prefix: bool,
}

/// Jupyter's rule for the names of kernels.
fn kernel_name(name: &str) -> Result<String, String> {
    let is_allowed = |char: char| char.is_ascii_alphanumeric() || "._-".contains(char);
    match !name.is_empty() && !name.starts_with('.') && name.chars().all(is_allowed) {
        true => Ok(name.to_owned()),
        false => Err("expected letters, digits, `.`, `_` and `-`".to_owned()),
    }
}

/// Does what the arguments of `sconce install` say.
pub fn install(arguments: &InstallArguments) -> Result<(), CliError> {
    let InstallArguments { place, name, display_name, no_prepare, parts } = arguments;
    let data = place.data_folder()?;
    let folder = data.join("kernels").join(name);
    if kernelspec::owner(&folder) == Owner::Other {
        return Err(CliError::new(format!("{} holds another kernel", folder.display()))
            .help("choose another name with --name, or remove that kernel first"));
    }
    let program = std::env::current_exe()
        .map_err(|error| CliError::new(format!("cannot find the path of this program: {error}")))?;
    let program = program.to_str().ok_or_else(|| {
        CliError::new(format!("{} is not UTF-8, and kernel.json must be", program.display()))
            .help("move the program to a path without such characters")
    })?;
    let display_name = display_name.clone().unwrap_or_else(|| kernelspec::default_display_name(name));
    kernelspec::write(&folder, program, &display_name).map_err(|(path, error)| {
        CliError::new(format!("cannot write {}: {error}", path.display()))
            .help("choose a folder that you may write to, with --user or --prefix")
    })?;
    say(&format!("Installed the kernel `{name}` in {}.\n", folder.display()))?;
    for warning in warnings(&data, name, &jupyter_folders::search_path()) {
        warn(&warning);
    }
    if *no_prepare {
        return say("Not prepared: `sconce prepare` does that, or the first notebook, which then waits.\n");
    }
    preparation::ensure()?;
    say(&format!(
        "The cell library is ready.\n\
         Next: start `jupyter lab` and choose \"{display_name}\", or open a console with\n  \
         jupyter console --kernel {name}\n"
    ))?;
    // Last, and after the word that all else is ready: it takes longest and nothing waits for it.
    preparation::ensure_assistant(*parts)
}

/// Does what the arguments of `sconce uninstall` say.
pub fn uninstall(arguments: &UninstallArguments) -> Result<(), CliError> {
    let UninstallArguments { place, name } = arguments;
    let folder = place.data_folder()?.join("kernels").join(name);
    match kernelspec::owner(&folder) {
        Owner::Sconce(_) => {}
        Owner::Other => {
            return Err(CliError::new(format!("{} holds another program's kernel", folder.display()))
                .help("name the kernel with --name; `jupyter kernelspec remove` removes any kernel"));
        }
        Owner::Nobody => {
            let error = CliError::new(format!("no kernel is installed in {}", folder.display()));
            let found = jupyter_folders::search_path()
                .into_iter()
                .find(|data| matches!(kernelspec::owner(&data.join("kernels").join(name)), Owner::Sconce(_)));
            return Err(match found {
                Some(data) => error.help(format!(
                    "there is one in {}: choose its place with --prefix, --sys-prefix or JUPYTER_DATA_DIR",
                    data.join("kernels").join(name).display()
                )),
                None => error.help("`jupyter kernelspec list` shows all kernels and their folders"),
            });
        }
    }
    let gone = kernelspec::remove(&folder)
        .map_err(|error| CliError::new(format!("cannot remove {}: {error}", folder.display())))?;
    say(&format!("Removed the kernel `{name}` from {}.\n", folder.display()))?;
    match gone {
        true => Ok(()),
        false => say("The folder stays: it holds files that are not the kernel's.\n"),
    }
}

impl Place {
    /// The Jupyter data folder.
    fn data_folder(&self) -> Result<PathBuf, CliError> {
        if let Some(prefix) = &self.prefix {
            return Ok(jupyter_folders::under_prefix(prefix));
        }
        if self.sys_prefix {
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
}

/// Why a Jupyter started from here would not start the kernel of this name in `data`.
fn warnings(data: &Path, name: &str, search_path: &[PathBuf]) -> Vec<String> {
    let Some(at) = search_path.iter().position(|folder| folder == data) else {
        let data = data.display();
        return vec![format!(
            "only a Jupyter of that prefix looks into {data}; for another one, add it to JUPYTER_PATH"
        )];
    };
    let earlier = search_path[..at].iter().map(|folder| folder.join("kernels").join(name));
    let shadow = earlier.filter(|folder| kernelspec::owner(folder) != Owner::Nobody);
    shadow
        .map(|folder| format!("Jupyter finds another kernel `{name}` first, in {}", folder.display()))
        .collect()
}

fn warn(text: &str) {
    // With stderr closed there is nobody to tell.
    let _ = writeln!(anstream::stderr().lock(), "\u{1b}[1;33mwarning\u{1b}[0m: {text}");
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
    fn a_place_that_jupyter_overlooks_is_warned_of() {
        let root = tempfile::tempdir().unwrap();
        let [first, second, elsewhere] = ["first", "second", "elsewhere"].map(|name| root.path().join(name));
        let search = [first.clone(), second.clone()];
        assert!(warnings(&first, "sconce", &search).is_empty());
        assert!(warnings(&second, "sconce", &search).is_empty());
        kernelspec::write(&first.join("kernels/sconce"), "/bin/sconce", "Rust").unwrap();
        assert!(warnings(&first, "sconce", &search).is_empty());
        assert!(warnings(&second, "other", &search).is_empty());
        let shadowed = warnings(&second, "sconce", &search);
        assert!(shadowed[0].contains("first/kernels/sconce"), "{shadowed:?}");
        assert!(warnings(&elsewhere, "sconce", &search)[0].contains("JUPYTER_PATH"));
    }
}
