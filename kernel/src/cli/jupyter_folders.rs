//! Where Jupyter looks for kernels.

use std::env;
use std::path::{Path, PathBuf};

use super::CliError;

/// The user's own Jupyter data folder: `JUPYTER_DATA_DIR`, or where the platform keeps such data.
pub fn user_data() -> Result<PathBuf, CliError> {
    if let Some(folder) = set_variable("JUPYTER_DATA_DIR") {
        return Ok(folder);
    }
    let home = || {
        env::home_dir().filter(|home| !home.as_os_str().is_empty()).ok_or_else(|| {
            CliError::new("there is no home folder to install into: HOME is not set")
                .help("set HOME or JUPYTER_DATA_DIR, or use --prefix")
        })
    };
    if cfg!(target_os = "macos") {
        return Ok(home()?.join("Library/Jupyter"));
    }
    if cfg!(windows)
        && let Some(data) = set_variable("APPDATA")
    {
        return Ok(data.join("jupyter"));
    }
    match set_variable("XDG_DATA_HOME") {
        Some(data) => Ok(data.join("jupyter")),
        None => Ok(home()?.join(".local/share/jupyter")),
    }
}

/// The data folder of an installation under `prefix`, e.g. a virtual environment.
#[must_use]
pub fn under_prefix(prefix: &Path) -> PathBuf {
    prefix.join("share/jupyter")
}

/// The prefix of the Python environment that is active in this shell.
#[must_use]
pub fn active_environment() -> Option<PathBuf> {
    set_variable("VIRTUAL_ENV").or_else(|| set_variable("CONDA_PREFIX"))
}

/// Every folder that a Jupyter started here looks through for `kernels/`, the first ones first.
#[must_use]
pub fn search_path() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> =
        env::var_os("JUPYTER_PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default();
    folders.extend(active_environment().map(|prefix| under_prefix(&prefix)));
    folders.extend(user_data().ok());
    folders.extend(["/usr/local", "/usr"].map(|prefix| under_prefix(Path::new(prefix))));
    folders
}

fn set_variable(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}
