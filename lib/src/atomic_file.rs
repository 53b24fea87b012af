//! Files that are whole or not there.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Error, Result};

/// Writes a file beside its place, brings it to the disk and moves it there: whatever happens on the way, at
/// `path` is all of the new file or all of what was there before.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    write_with(path, |file| file.write_all(bytes))
}

/// The same with what `content` writes, piece by piece.
pub(crate) fn write_with(path: &Path, content: impl FnOnce(&mut File) -> io::Result<()>) -> Result<()> {
    replace(path, content).map_err(|source| Error::Io { op: "write", path: path.to_owned(), source })
}

fn replace(path: &Path, content: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let name = path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no file name"))?;
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    let (mut file, temporary) = create_beside(&folder, name.to_owned())?;
    let moved = content(&mut file).and_then(|()| file.sync_all()).and_then(|()| fs::rename(&temporary, path));
    if let Err(error) = moved {
        // What counts is the first error; a leftover temporary file does no harm.
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    // The move itself is only certain once the folder is on the disk. Not every system can open one.
    if let Ok(folder) = File::open(&folder) {
        let _ = folder.sync_all();
    }
    Ok(())
}

/// A new file of a name that nobody else has.
fn create_beside(folder: &Path, name: OsString) -> io::Result<(File, PathBuf)> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    /// So many names in a row are taken only by a fault of another kind.
    const TRIES: usize = 10_000;
    let mut taken = None;
    for _ in 0..TRIES {
        let mut temporary = OsString::from(".");
        temporary.push(&name);
        temporary.push(format!(".{}-{}.tmp", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
        let temporary = folder.join(temporary);
        match OpenOptions::new().write(true).create_new(true).open(&temporary) {
            Ok(file) => return Ok((file, temporary)),
            // Left by a process of the same number that was killed: in containers numbers soon come again.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => taken = Some(error),
            Err(error) => return Err(error),
        }
    }
    Err(taken.unwrap_or_else(|| io::ErrorKind::AlreadyExists.into()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_replaced_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        write(&path, b"one").unwrap();
        write(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(names(folder.path()), ["a.txt"]);
    }

    #[test]
    fn what_cannot_be_written_leaves_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        // A folder cannot be replaced by a file.
        let path = folder.path().join("taken");
        fs::create_dir(&path).unwrap();
        let error = write(&path, b"new").unwrap_err().to_string();
        assert!(error.contains("write") && error.contains("taken"), "{error}");
        assert_eq!(names(folder.path()), ["taken"]);
        let nowhere = folder.path().join("missing").join("a.txt");
        assert!(write(&nowhere, b"new").unwrap_err().to_string().contains("missing"));
    }

    #[test]
    fn files_left_by_a_killed_process_do_not_stand_in_the_way() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        for count in 0..500 {
            let left = format!(".a.txt.{}-{count}.tmp", std::process::id());
            fs::write(folder.path().join(left), b"half").unwrap();
        }
        write(&path, b"whole").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        assert_eq!(names(folder.path()).len(), 501);
    }
}
