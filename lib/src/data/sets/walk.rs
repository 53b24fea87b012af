//! All image files below a folder, whatever else lies there.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::{self, DirEntry};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;
use sconce_display::interrupt;

use super::names::Names;
use crate::progress::{Progress, Unit};
use crate::{Error, Result};

/// So many names are read between two looks at the interrupt flag.
const LOOK: u64 = 4096;
/// So many of the files that were left out are named.
const EXAMPLES: usize = 5;

/// What lay in the folders and is no sample.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ignored {
    /// Names that begin with a dot.
    pub hidden: usize,
    /// Files whose names do not end as those of images do.
    pub other: usize,
    /// Files beside the folders of the classes, whose class nobody knows.
    pub outside: usize,
    /// Links to nothing.
    pub dangling: usize,
    /// Links to folders that were read already, as those of a loop.
    pub repeated: usize,
    /// Some of them.
    pub examples: Vec<PathBuf>,
}

impl Ignored {
    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.hidden + self.other + self.outside + self.dangling + self.repeated
    }

    fn note(&mut self, example: PathBuf) {
        if self.examples.len() < EXAMPLES {
            self.examples.push(example);
        }
    }

    pub(super) fn add(&mut self, other: Ignored) {
        self.hidden += other.hidden;
        self.other += other.other;
        self.outside += other.outside;
        self.dangling += other.dangling;
        self.repeated += other.repeated;
        other.examples.into_iter().for_each(|example| self.note(example));
    }

    /// Takes note of what lies beside the classes' folders.
    pub(super) fn add_beside(&mut self, name: OsString) {
        if is_hidden(&name) {
            self.hidden += 1
        } else {
            self.outside += 1
        }
        self.note(name.into());
    }
}

impl fmt::Display for Ignored {
    /// `3 left out (2 hidden, 1 no image), such as .cache`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = [
            (self.hidden, "hidden"),
            (self.other, "without an image's ending"),
            (self.outside, "beside the classes"),
            (self.dangling, "links to nothing"),
            (self.repeated, "links to folders read already"),
        ];
        let kinds: Vec<String> =
            kinds.iter().filter(|(n, _)| *n > 0).map(|(n, kind)| format!("{n} {kind}")).collect();
        write!(f, "{} left out", self.count())?;
        if !kinds.is_empty() {
            write!(f, " ({})", kinds.join(", "))?;
        }
        let examples: Vec<String> = self.examples.iter().map(|path| path.display().to_string()).collect();
        if examples.is_empty() { Ok(()) } else { write!(f, ", such as {}", examples.join(", ")) }
    }
}

/// A folder that is still to be read.
#[derive(Debug, Clone)]
pub(super) struct Open {
    /// Whose it is; a folder is read once for each.
    pub(super) class: u32,
    /// Below the root.
    pub(super) folder: PathBuf,
}

/// A folder with its image files, in order.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) class: u32,
    /// Below the root.
    pub(super) folder: PathBuf,
    pub(super) names: Names,
}

/// What one folder holds.
struct Listed {
    names: Names,
    folders: Vec<PathBuf>,
    ignored: Ignored,
    /// Device and number of the folder itself, by which a loop is known.
    identity: (u64, u64),
}

/// Reads these folders and all below them, side by side. Folders come in the order of class and path.
///
/// # Errors
/// When a folder cannot be read; [`Error::Interrupted`].
pub(super) fn walk(root: &Path, start: Vec<Open>, endings: &[String]) -> Result<(Vec<Found>, Ignored)> {
    let mut found = Vec::new();
    let mut ignored = Ignored::default();
    let mut seen = HashSet::new();
    let mut progress = Progress::start("reading folders", Unit::Files, None);
    let read = AtomicU64::new(0);
    let mut open = start;
    // Level by level, so that of two ways to a folder the shorter one is taken, in every run the same.
    while !open.is_empty() {
        let mut next = Vec::new();
        // In rounds, so that the progress is seen within a level.
        for round in open.chunks(256) {
            let listed: Vec<Result<Listed>> =
                round.par_iter().map(|open| list(root, &open.folder, endings, &read)).collect();
            for (open, listed) in round.iter().zip(listed) {
                let listed = listed?;
                if !seen.insert((open.class, listed.identity)) {
                    ignored.repeated += 1;
                    ignored.note(open.folder.clone());
                    continue;
                }
                ignored.add(listed.ignored);
                next.extend(listed.folders.into_iter().map(|folder| Open { class: open.class, folder }));
                if listed.names.len() > 0 {
                    found.push(Found { class: open.class, folder: open.folder.clone(), names: listed.names });
                }
            }
            progress.at(read.load(Ordering::Relaxed))?;
        }
        open = next;
    }
    found.sort_by(|a, b| (a.class, a.folder.as_os_str()).cmp(&(b.class, b.folder.as_os_str())));
    Ok((found, ignored))
}

fn list(root: &Path, folder: &Path, endings: &[String], read: &AtomicU64) -> Result<Listed> {
    let path = root.join(folder);
    let io = |source| Error::Io { op: "read", path: path.clone(), source };
    let metadata = fs::metadata(&path).map_err(io)?;
    let mut listed = Listed {
        names: Names::default(),
        folders: Vec::new(),
        ignored: Ignored::default(),
        identity: (metadata.dev(), metadata.ino()),
    };
    let mut since = 0;
    for entry in fs::read_dir(&path).map_err(io)? {
        let entry = entry.map_err(io)?;
        since += 1;
        if since == LOOK {
            read.fetch_add(since, Ordering::Relaxed);
            since = 0;
            if interrupt::requested() {
                return Err(Error::Interrupted { at: format!("in {}", path.display()) });
            }
        }
        take(&entry, folder, endings, &mut listed).map_err(io)?;
    }
    read.fetch_add(since, Ordering::Relaxed);
    listed.names = listed.names.sorted();
    listed.folders.sort();
    Ok(listed)
}

/// Puts one entry of a folder where it belongs.
fn take(entry: &DirEntry, folder: &Path, endings: &[String], listed: &mut Listed) -> std::io::Result<()> {
    let name = entry.file_name();
    if is_hidden(&name) {
        listed.ignored.hidden += 1;
        listed.ignored.note(folder.join(name));
        return Ok(());
    }
    // Known from the folder itself, without a look at the file, unless it is a link.
    let mut kind = entry.file_type()?;
    if kind.is_symlink() {
        match fs::metadata(entry.path()) {
            Ok(metadata) => kind = metadata.file_type(),
            Err(_) => {
                listed.ignored.dangling += 1;
                listed.ignored.note(folder.join(name));
                return Ok(());
            }
        }
    }
    if kind.is_dir() {
        listed.folders.push(folder.join(name));
    } else if kind.is_file() && ends_with(&name, endings) {
        listed.names.push(&name);
    } else {
        listed.ignored.other += 1;
        listed.ignored.note(folder.join(name));
    }
    Ok(())
}

pub(super) fn is_hidden(name: &OsStr) -> bool {
    name.as_bytes().first() == Some(&b'.')
}

/// Whether what follows the last dot is one of these, in whatever case.
pub(super) fn ends_with(name: &OsStr, endings: &[String]) -> bool {
    let bytes = name.as_bytes();
    let Some(dot) = bytes.iter().rposition(|&byte| byte == b'.') else { return false };
    endings.iter().any(|ending| bytes[dot + 1..].eq_ignore_ascii_case(ending.as_bytes()))
}
