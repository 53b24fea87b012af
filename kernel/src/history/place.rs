//! Where histories are kept.

use std::ffi::OsString;
use std::path::PathBuf;

/// The file that `variable` names, else `name` in the user's data folder. None where the variable is empty or
/// `off`, or where there is no home.
#[must_use]
pub fn place(variable: &str, name: &str) -> Option<PathBuf> {
    if let Some(path) = std::env::var_os(variable) {
        return (!path.is_empty() && path != "off").then(|| path.into());
    }
    let folder = |value: OsString| (!value.is_empty()).then(|| PathBuf::from(value));
    let data = std::env::var_os("XDG_DATA_HOME").and_then(folder).or_else(|| {
        let home = folder(std::env::home_dir()?.into())?;
        Some(home.join(if cfg!(target_os = "macos") {
            "Library/Application Support"
        } else {
            ".local/share"
        }))
    })?;
    Some(data.join("sconce").join(name))
}
