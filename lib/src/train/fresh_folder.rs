//! A folder of its own for each run, so that no run writes over another.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// So many runs of one name are a mistake of another kind.
const MOST: usize = 100_000;

/// Makes the folder, or, where there is one already that `is_taken`, the first of `name-2`, `name-3`, … that is free.
/// Folders above it are made too.
pub(super) fn fresh(
    op: &str,
    folder: &Path,
    is_taken: impl Fn(&Path) -> io::Result<bool>,
) -> Result<PathBuf> {
    let refused = |expected: &str, hint: &str| Error::Argument {
        op: op.into(),
        expected: expected.into(),
        got: format!("{:?}", folder.display().to_string()),
        hint: hint.into(),
    };
    let Some(name) = folder.file_name() else {
        return Err(refused("a folder with a name of its own", "For example \"runs/first\"."));
    };
    if let Some(above) = folder.parent().filter(|above| *above != Path::new("")) {
        fs::create_dir_all(above).map_err(|source| Error::Io {
            op: "create",
            path: above.to_owned(),
            source,
        })?;
    }
    for number in 1..=MOST {
        let path = match number {
            1 => folder.to_owned(),
            _ => {
                let mut numbered = OsString::from(name);
                numbered.push(format!("-{number}"));
                folder.with_file_name(numbered)
            }
        };
        let io = |source| Error::Io { op: "create", path: path.clone(), source };
        // Making it is what claims it: of two processes only one succeeds.
        match fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(io(error)),
            Err(_) if !path.is_dir() => {}
            Err(_) => {
                if !is_taken(&path).map_err(io)? {
                    return Ok(path);
                }
            }
        }
    }
    Err(refused("a name with fewer than 100000 runs", "Take another name, or clear old runs away."))
}
