//! What was executed, in this session and in earlier ones, for clients that ask for it.
//!
//! Knows nothing of protocols. `file` keeps it on disk.

mod file;
mod glob;
mod place;

use std::collections::HashSet;
use std::io;
use std::path::Path;

pub use place::place;

use file::HistoryFile;
use glob::Glob;

/// One executed cell.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Entry {
    /// The session it ran in, from 1.
    pub session: u64,
    /// Its number there, from 1.
    pub line: u64,
    /// Its source.
    pub source: String,
}

/// The cells of this session, and those of all others if they are kept in a file.
#[derive(Debug)]
pub struct History {
    session: u64,
    /// Those of this session, oldest first: they are there even if the file is lost.
    entries: Vec<Entry>,
    file: Option<HistoryFile>,
}

impl History {
    /// A history of this session alone.
    #[must_use]
    pub fn in_memory() -> History {
        History { session: 1, entries: Vec::new(), file: None }
    }

    /// A history that is kept in a file. This session gets a number that no other has.
    ///
    /// # Errors
    /// If the file cannot be made, read or written.
    pub fn open(path: &Path) -> io::Result<History> {
        let file = HistoryFile::new(path);
        let session = file.begin_session()?;
        Ok(History { session, entries: Vec::new(), file: Some(file) })
    }

    /// The number of this session.
    #[must_use]
    pub fn session(&self) -> u64 {
        self.session
    }

    /// Adds a cell of this session.
    ///
    /// # Errors
    /// If it cannot be written to the file; it is remembered for this session nevertheless.
    pub fn push(&mut self, line: u64, source: String) -> io::Result<()> {
        let entry = Entry { session: self.session, line, source };
        let written = self.file.as_ref().map_or(Ok(()), |file| file.append(&entry));
        self.entries.push(entry);
        written
    }

    /// The newest `count` cells of all sessions, oldest first.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn tail(&self, count: usize) -> io::Result<Vec<Entry>> {
        Ok(newest(self.all()?, count))
    }

    /// The cells of one session whose number is in `lines`. The session is counted from the first one, or, from 0
    /// downwards, from this one: 0 is this, -1 the one before.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn range(&self, session: i64, lines: std::ops::Range<u64>) -> io::Result<Vec<Entry>> {
        let wanted = match session {
            1.. => Some(session.unsigned_abs()),
            _ => self.session.checked_sub(session.unsigned_abs()),
        };
        let mut entries = match wanted {
            Some(session) if session == self.session => self.entries.clone(),
            _ => self.all()?,
        };
        entries.retain(|entry| Some(entry.session) == wanted && lines.contains(&entry.line));
        Ok(entries)
    }

    /// The newest `count` cells whose whole source matches a pattern, in which `*` stands for any text and `?`
    /// for one character. With [`Unique::Yes`] only the newest of equal ones.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn search(&self, pattern: &str, unique: Unique, count: usize) -> io::Result<Vec<Entry>> {
        let glob = Glob::new(pattern);
        let mut entries = self.all()?;
        entries.retain(|entry| glob.matches(&entry.source));
        if unique == Unique::Yes {
            let mut seen = HashSet::new();
            let keep: Vec<bool> =
                entries.iter().rev().map(|entry| seen.insert(entry.source.clone())).collect();
            let mut keep = keep.into_iter().rev();
            entries.retain(|_| keep.next().unwrap_or(true));
        }
        Ok(newest(entries, count))
    }

    /// All cells in the order in which they ran.
    fn all(&self) -> io::Result<Vec<Entry>> {
        let Some(file) = &self.file else { return Ok(self.entries.clone()) };
        let mut entries = file.read()?;
        // A file that another session made smaller, or that is gone, does not take this session's away.
        if entries.iter().filter(|entry| entry.session == self.session).count() != self.entries.len() {
            entries.retain(|entry| entry.session != self.session);
            entries.extend(self.entries.iter().cloned());
        }
        Ok(entries)
    }
}

/// Whether equal cells count once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unique {
    /// The newest of them.
    Yes,
    /// Each.
    No,
}

fn newest(mut entries: Vec<Entry>, count: usize) -> Vec<Entry> {
    entries.split_off(entries.len().saturating_sub(count))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn of(entries: io::Result<Vec<Entry>>) -> Vec<(u64, u64, String)> {
        entries.unwrap().into_iter().map(|entry| (entry.session, entry.line, entry.source)).collect()
    }

    fn entry(session: u64, line: u64, source: &str) -> (u64, u64, String) {
        (session, line, source.to_owned())
    }

    fn push(history: &mut History, sources: &[&str]) {
        for (line, source) in (1..).zip(sources) {
            history.push(line, (*source).to_owned()).unwrap();
        }
    }

    #[test]
    fn sessions_follow_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/history.jsonl");
        let mut first = History::open(&path).unwrap();
        push(&mut first, &["let a = 1;", "a"]);
        let mut second = History::open(&path).unwrap();
        assert_eq!((first.session(), second.session()), (1, 2));
        push(&mut second, &["a\n+ \"ü\"", "a"]);
        // The first one goes on beside the second one.
        first.push(3, "b".into()).unwrap();
        let expected = [entry(2, 2, "a"), entry(1, 3, "b")];
        assert_eq!(of(second.tail(2)), expected);
        assert_eq!(of(first.tail(2)), expected);
        assert_eq!(of(second.tail(99)).len(), 5);
        assert_eq!(of(second.range(0, 1..2)), [entry(2, 1, "a\n+ \"ü\"")]);
        assert_eq!(of(second.range(-1, 2..9)), [entry(1, 2, "a"), entry(1, 3, "b")]);
        assert_eq!(of(first.range(2, 0..u64::MAX)).len(), 2);
        assert_eq!(of(second.range(-2, 0..9)), []);
        assert_eq!(of(second.range(7, 0..9)), []);
        assert_eq!(of(second.range(i64::MIN, 0..9)), []);
        assert_eq!(of(second.search("a", Unique::No, 9)), [entry(1, 2, "a"), entry(2, 2, "a")]);
        assert_eq!(of(second.search("a", Unique::Yes, 9)), [entry(2, 2, "a")]);
        assert_eq!(of(second.search("*?=*", Unique::No, 9)), [entry(1, 1, "let a = 1;")]);
        assert_eq!(of(second.search("*", Unique::Yes, 1)), [entry(1, 3, "b")]);
    }

    #[test]
    fn this_session_is_remembered_without_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.jsonl");
        let mut history = History::open(&path).unwrap();
        push(&mut history, &["a", "b"]);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(of(history.tail(9)), [entry(1, 1, "a"), entry(1, 2, "b")]);
        push(&mut history, &["c"]);
        assert_eq!(of(history.tail(9)).len(), 3);
        let mut alone = History::in_memory();
        push(&mut alone, &["a"]);
        assert_eq!(of(alone.tail(9)), [entry(1, 1, "a")]);
    }
}
