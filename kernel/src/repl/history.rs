//! What was typed, over sessions.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use reedline::FileBackedHistory;

/// So many cells are remembered.
const CAPACITY: usize = 10_000;

/// Why the history is not there: what was tried, and what the system said.
#[derive(Debug, thiserror::Error)]
#[error("history is not kept: {}: {error}; SCONCE_HISTORY names another file", path.display())]
pub struct HistoryError {
    path: PathBuf,
    error: io::Error,
}

/// The file: `SCONCE_HISTORY`, else one in the user's data folder. None where the variable is empty or `off`, or where
/// there is no home.
#[must_use]
pub fn default_path() -> Option<PathBuf> {
    crate::history::place("SCONCE_HISTORY", "history.txt")
}

/// The history in a file, which nobody but the user can read.
///
/// # Errors
/// If the file cannot be made, read or written.
pub fn open(path: &Path) -> Result<FileBackedHistory, HistoryError> {
    let wrong = |error: io::Error| HistoryError { path: path.to_owned(), error };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(wrong)?;
    }
    OpenOptions::new().append(true).create(true).mode(0o600).open(path).map_err(wrong)?;
    FileBackedHistory::with_file(CAPACITY, path.to_owned()).map_err(|error| wrong(io::Error::other(error)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::PermissionsExt;

    use reedline::{History, HistoryItem, SearchDirection, SearchQuery};

    use super::*;

    #[test]
    fn cells_are_found_again_in_the_next_session() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep").join("history");
        let cell = "fn f() {\n    1\n}";
        let mut history = open(&path).unwrap();
        history.save(HistoryItem::from_command_line(cell)).unwrap();
        history.sync().unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let history = open(&path).unwrap();
        let found = history.search(SearchQuery::everything(SearchDirection::Backward, None)).unwrap();
        assert_eq!(found.iter().map(|item| item.command_line.as_str()).collect::<Vec<_>>(), [cell]);
    }

    #[test]
    fn a_file_that_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let message = open(folder.path()).unwrap_err().to_string();
        assert!(message.contains(&folder.path().display().to_string()), "{message}");
        assert!(message.contains("SCONCE_HISTORY"), "{message}");
    }
}
