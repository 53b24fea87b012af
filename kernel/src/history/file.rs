//! The file of the history: JSON, one line an entry, only ever added to.
//!
//! Several kernels may write to it at once: each takes a lock for the moment of writing. A line that was cut
//! off, by a full disk or a crash, is passed over, and what is added after it begins on a line of its own.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::Entry;

/// When a session begins with a larger file, in bytes, its older half is given up.
const LARGEST: u64 = 4 << 20;

#[derive(Debug)]
pub(super) struct HistoryFile {
    path: PathBuf,
}

impl HistoryFile {
    pub(super) fn new(path: &Path) -> HistoryFile {
        HistoryFile { path: path.to_owned() }
    }

    /// Writes the beginning of a session, and returns its number.
    pub(super) fn begin_session(&self) -> io::Result<u64> {
        let mut file = self.open()?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        if bytes.len() as u64 > LARGEST {
            let newer = newer_half(&bytes);
            // In place: others that write hold the path, and wait for the lock.
            file.set_len(0)?;
            file.seek(SeekFrom::Start(0))?;
            file.write_all(newer)?;
        }
        // Sessions are numbered as they begin: before the last beginning there is none higher.
        let mut last = 0;
        for line in bytes.rsplit(|byte| *byte == b'\n').filter_map(parse) {
            last = last.max(line.session());
            if matches!(line, Line::Session(_)) {
                break;
            }
        }
        let session = last + 1;
        write(&mut file, &json!({"session": session}))?;
        Ok(session)
    }

    /// Adds an entry.
    pub(super) fn append(&self, entry: &Entry) -> io::Result<()> {
        let Entry { session, line, source } = entry;
        write(&mut self.open()?, &json!({"session": session, "line": line, "source": source}))
    }

    /// All entries, in the order in which they were added.
    pub(super) fn read(&self) -> io::Result<Vec<Entry>> {
        let bytes = match fs::read(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            read => read?,
        };
        let lines = bytes.split(|byte| *byte == b'\n').filter_map(parse);
        Ok(lines.filter_map(|line| if let Line::Entry(entry) = line { Some(entry) } else { None }).collect())
    }

    /// The file, made where it is not there, and locked for as long as it is open. Only its owner reads it.
    fn open(&self) -> io::Result<File> {
        if let Some(folder) = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder)?;
        }
        let file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(&self.path)?;
        file.lock()?;
        Ok(file)
    }
}

enum Line {
    Session(u64),
    Entry(Entry),
}

impl Line {
    fn session(&self) -> u64 {
        match self {
            Line::Session(session) => *session,
            Line::Entry(entry) => entry.session,
        }
    }
}

fn parse(line: &[u8]) -> Option<Line> {
    let value: Value = serde_json::from_slice(line).ok()?;
    let session = value.get("session")?.as_u64()?;
    let entry = || {
        let (line, source) = (value.get("line")?.as_u64()?, value.get("source")?.as_str()?.to_owned());
        Some(Entry { session, line, source })
    };
    Some(entry().map_or(Line::Session(session), Line::Entry))
}

/// Adds a line in one piece, behind a line break.
fn write(file: &mut File, line: &Value) -> io::Result<()> {
    let mut last = [b'\n'];
    if file.seek(SeekFrom::End(0))? > 0 {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
    }
    let lead = if last == [b'\n'] { "" } else { "\n" };
    file.write_all(format!("{lead}{line}\n").as_bytes())
}

/// The newer half of a file, from the beginning of a line on.
fn newer_half(bytes: &[u8]) -> &[u8] {
    let half = &bytes[bytes.len() / 2..];
    match half.iter().position(|byte| *byte == b'\n') {
        Some(end) => &half[end + 1..],
        None => &[],
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn entry(session: u64, line: u64, source: &str) -> Entry {
        Entry { session, line, source: source.into() }
    }

    #[test]
    fn torn_lines_are_passed_over_and_nobody_else_may_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.jsonl");
        let file = HistoryFile::new(&path);
        assert_eq!(file.read().unwrap(), []);
        assert_eq!(file.begin_session().unwrap(), 1);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        file.append(&entry(1, 1, "a")).unwrap();
        let torn = b"{\"session\": 1, \"line\": 2, \"sou";
        OpenOptions::new().append(true).open(&path).unwrap().write_all(torn).unwrap();
        file.append(&entry(1, 3, "b")).unwrap();
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"\xff\n[1]\n{}\nnull\n\n").unwrap();
        assert_eq!(file.begin_session().unwrap(), 2);
        assert_eq!(file.read().unwrap(), [entry(1, 1, "a"), entry(1, 3, "b")]);
    }

    #[test]
    fn kernels_that_begin_and_write_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.jsonl");
        let sessions: Vec<_> = (0..8)
            .map(|_| {
                let file = HistoryFile::new(&path);
                std::thread::spawn(move || {
                    let session = file.begin_session().unwrap();
                    for line in 1..=50 {
                        file.append(&entry(session, line, &"x".repeat(line as usize * 100))).unwrap();
                    }
                    session
                })
            })
            .collect();
        let mut sessions: Vec<u64> = sessions.into_iter().map(|thread| thread.join().unwrap()).collect();
        sessions.sort_unstable();
        assert_eq!(sessions, (1..=8).collect::<Vec<_>>());
        let entries = HistoryFile::new(&path).read().unwrap();
        for session in sessions {
            let lines = entries.iter().filter(|entry| entry.session == session).map(|entry| entry.line);
            assert_eq!(lines.collect::<Vec<_>>(), (1..=50).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_large_file_loses_its_older_half() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.jsonl");
        let file = HistoryFile::new(&path);
        let source = "x".repeat(1 << 18);
        for line in 1..=17 {
            file.append(&entry(3, line, &source)).unwrap();
        }
        assert_eq!(file.begin_session().unwrap(), 4);
        let entries = file.read().unwrap();
        assert_eq!((entries.first().unwrap().line, entries.last().unwrap().line), (10, 17));
        assert!(fs::metadata(&path).unwrap().len() < LARGEST);
    }

    #[test]
    fn a_path_that_is_no_file_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert!(HistoryFile::new(folder.path()).begin_session().is_err());
    }
}
