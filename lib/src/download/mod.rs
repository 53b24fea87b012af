//! Files from elsewhere: fetched once, checked, whole or not at all.

mod archive;
mod checksum;
mod transfer;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Component, Path, PathBuf};

use crate::progress::{Progress, Unit, bytes};
use crate::{Error, Result};
use transfer::{Event, Transfer};

pub use archive::{ExtractLimits, extract};
pub use checksum::Checksum;

/// How often a mirror is asked again after it broke off and something had come.
const RESUMES: usize = 20;

/// The environment variable that forbids the network: set, and neither empty nor 0.
const OFFLINE: &str = "SCONCE_OFFLINE";

/// Whether nothing may be fetched.
fn is_offline() -> bool {
    std::env::var_os(OFFLINE).is_some_and(|value| !value.is_empty() && value != "0")
}

/// Whether a public data set is fetched where it is not there yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Download {
    /// It is fetched once and kept.
    Yes,
    /// What is missing is an error that says which file to put where.
    #[default]
    No,
}

/// A file that others offer.
///
/// It comes into a file of its own beside its place, `.name.part`. What is there from an earlier, broken try
/// is kept and the rest asked for, if there is a checksum to prove that the two belong together. The file is
/// moved to its place when it is whole and its checksum right, so that it is there whole or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// Where it can be had, each tried in turn: `https://…` or `http://…`.
    pub urls: Vec<String>,
    /// What its bytes must amount to. `None` trusts the server, and begins anew after each break.
    pub checksum: Option<Checksum>,
    /// More bytes than this are refused.
    pub max_bytes: u64,
}

impl Remote {
    /// A file at one address, of at most 64 GiB.
    #[must_use]
    pub fn new(url: &str, checksum: Option<Checksum>) -> Remote {
        Remote { urls: vec![url.to_owned()], checksum, max_bytes: 64 << 30 }
    }

    /// The same file at one more address.
    #[must_use]
    pub fn mirror(mut self, url: &str) -> Remote {
        self.urls.push(url.to_owned());
        self
    }

    /// Fetches the file to `path`, unless it is there already with the right checksum. A bar shows how far it
    /// is.
    ///
    /// # Errors
    /// When no mirror gives the file, or the environment variable `SCONCE_OFFLINE` is set: the message says
    /// why, and what to fetch and put where by other means. When the file cannot be written, or another process is fetching it.
    /// [`Error::Interrupted`]; what has come is kept for the next call.
    pub fn fetch(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        if path.is_file() {
            match &self.checksum {
                Some(checksum) if !checksum.fits(&checksum.of_file(path)?) => {}
                _ => return Ok(()),
            }
        }
        if is_offline() {
            return Err(Error::Format {
                path: path.to_owned(),
                expected: "the file".into(),
                got: format!("nothing that fits there, and no network, as {OFFLINE} says"),
                hint: self.by_hand(path),
            });
        }
        let part = part_of(path)?;
        let file = lock(&part)?;
        let mut problems = Vec::new();
        for url in &self.urls {
            match self.fetch_from(url, &file, &part, path) {
                Ok(()) => return Ok(()),
                Err(Problem::Ours(error)) => return Err(error),
                Err(Problem::Theirs(problem)) => problems.push(format!("{url}: {problem}")),
            }
        }
        // Nothing that could be gone on with is no reason to leave a file.
        if file.metadata().is_ok_and(|metadata| metadata.len() == 0) {
            let _ = fs::remove_file(&part);
        }
        Err(Error::Format {
            path: path.to_owned(),
            expected: "a file that can be downloaded".into(),
            got: if problems.is_empty() { "no address".into() } else { problems.join("; ") },
            hint: self.by_hand(path),
        })
    }

    /// What to do without this machine's network.
    pub(crate) fn by_hand(&self, path: &Path) -> String {
        let url = self.urls.first().map_or("its source", String::as_str);
        let checksum = self.checksum.as_ref().map_or(String::new(), |checksum| format!(" ({checksum})"));
        format!("Fetch {url}{checksum} by other means and put it at {}.", path.display())
    }

    /// Tries one mirror, going on where it breaks off.
    fn fetch_from(&self, url: &str, file: &File, part: &Path, path: &Path) -> Result<(), Problem> {
        let mut tries = 0;
        loop {
            let before = length(file, part)?;
            let outcome = self.once(url, file, part, path);
            let after = length(file, part)?;
            match outcome {
                Ok(()) => {}
                Err(Problem::Theirs(_)) if after > before && tries < RESUMES && self.checksum.is_some() => {
                    tries += 1;
                    continue;
                }
                Err(problem) => return Err(problem),
            }
            if let Some(checksum) = &self.checksum {
                let found = checksum.of_file(part)?;
                if !checksum.fits(&found) {
                    file.set_len(0).map_err(|source| write_error(part, source))?;
                    // The beginning may have been of another version; the whole of it was not.
                    if before > 0 && tries < RESUMES {
                        tries = RESUMES;
                        continue;
                    }
                    return Err(Problem::Theirs(format!("expected {checksum}, got {found}")));
                }
            }
            file.sync_all().map_err(|source| write_error(part, source))?;
            fs::rename(part, path).map_err(|source| write_error(path, source))?;
            return Ok(());
        }
    }

    /// One request; what comes is added to the part.
    fn once(&self, url: &str, file: &File, part: &Path, path: &Path) -> Result<(), Problem> {
        let mut at = if self.checksum.is_some() { length(file, part)? } else { 0 };
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let mut progress = Progress::start(&format!("downloading {name}"), Unit::Bytes, None);
        let transfer = Transfer::start(url, at);
        let mut total = None;
        loop {
            match transfer.next(&mut || progress.at(at))? {
                Event::Begin { start, length: rest } => {
                    // A server that knows no ranges begins at 0.
                    at = start;
                    file.set_len(at).map_err(|source| write_error(part, source))?;
                    total = rest.and_then(|rest| at.checked_add(rest));
                    progress.total(total);
                }
                Event::Piece(piece) => {
                    at += piece.len() as u64;
                    if at > self.max_bytes || total.is_some_and(|total| total > self.max_bytes) {
                        file.set_len(0).map_err(|source| write_error(part, source))?;
                        return Err(Problem::Theirs(format!("more than {}", bytes(self.max_bytes))));
                    }
                    let mut end: &File = file;
                    end.write_all(&piece).map_err(|source| write_error(part, source))?;
                    progress.at(at)?;
                }
                Event::End => {
                    return match total {
                        Some(total) if at < total => Err(Problem::Theirs(format!(
                            "the connection was cut after {} of {}",
                            bytes(at),
                            bytes(total)
                        ))),
                        _ => Ok(()),
                    };
                }
                Event::Failed(problem) => {
                    let of = total.map_or(String::new(), |total| format!(" of {}", bytes(total)));
                    return Err(Problem::Theirs(format!("{problem}, after {}{of}", bytes(at))));
                }
                // All of it is there already, or more: which, the checksum tells.
                Event::NothingBehind => return Ok(()),
            }
        }
    }
}

/// Whose fault it is: where it is the server's, another one is asked.
enum Problem {
    Ours(Error),
    Theirs(String),
}

impl From<Error> for Problem {
    fn from(error: Error) -> Problem {
        Problem::Ours(error)
    }
}

fn write_error(path: &Path, source: io::Error) -> Error {
    Error::Io { op: "write", path: path.to_owned(), source }
}

fn length(file: &File, part: &Path) -> Result<u64> {
    Ok(file.metadata().map_err(|source| Error::Io { op: "read", path: part.to_owned(), source })?.len())
}

/// `folder/.name.part`; the folder is made.
fn part_of(path: &Path) -> Result<PathBuf> {
    let Some(name) = path.file_name() else {
        return Err(Error::Argument {
            op: "Remote::fetch".into(),
            expected: "the path of a file".into(),
            got: path.display().to_string(),
            hint: "Name the file, not its folder.".into(),
        });
    };
    let mut part = std::ffi::OsString::from(".");
    part.push(name);
    part.push(".part");
    let folder = path.parent().unwrap_or(Path::new(""));
    if folder != Path::new("") {
        fs::create_dir_all(folder).map_err(|source| write_error(folder, source))?;
    }
    Ok(folder.join(part))
}

/// The part, to which nobody else writes meanwhile.
fn lock(part: &Path) -> Result<File> {
    let file = OpenOptions::new()
        .append(true)
        .read(true)
        .create(true)
        .open(part)
        .map_err(|source| write_error(part, source))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(write_error(
            part,
            io::Error::new(
                io::ErrorKind::WouldBlock,
                "another process is downloading it; call again when it is done",
            ),
        )),
        // Not every file system can lock: then the checksum alone guards.
        Err(fs::TryLockError::Error(_)) => Ok(file),
    }
}

/// A path below a folder; `None` for one that is absolute, climbs out with `..`, or names nothing.
pub(crate) fn below(folder: &Path, path: &Path) -> Option<PathBuf> {
    let mut place = folder.to_owned();
    let mut named = false;
    for component in path.components() {
        match component {
            Component::Normal(part) => {
                place.push(part);
                named = true;
            }
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    named.then_some(place)
}
