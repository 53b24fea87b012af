//! Archives are unpacked, and nothing of them outside their folder.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use tar::EntryType;
use zip::ZipArchive;

use super::below;
use crate::progress::{Progress, Unit, bytes};
use crate::{Error, Result};

/// The kind of file in the mode that a zip keeps: links, and all kinds.
const LINK: u32 = 0o120_000;
const KIND: u32 = 0o170_000;

/// How much an archive may unpack to: a small one can hold a huge file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExtractLimits {
    /// Bytes of all files together.
    pub max_bytes: u64,
    /// Files and folders.
    pub max_files: u64,
}

impl Default for ExtractLimits {
    /// 256 GiB, ten million files.
    fn default() -> ExtractLimits {
        ExtractLimits { max_bytes: 256 << 30, max_files: 10_000_000 }
    }
}

/// Unpacks a `.zip`, `.tar`, `.tar.gz` or `.tgz` into `folder`, which is made. Files that are there already
/// are replaced.
///
/// # Errors
/// When the archive is damaged or of another kind; when an entry is a link or a device, or its path leaves
/// the folder; when it holds more than `limits` allow; when a file cannot be written; [`Error::Interrupted`].
/// Nothing of it is then in the folder.
pub fn extract(archive: impl AsRef<Path>, folder: impl AsRef<Path>, limits: ExtractLimits) -> Result<()> {
    let (archive, folder) = (archive.as_ref(), folder.as_ref());
    let write = |path: &Path, source| Error::Io { op: "write", path: path.to_owned(), source };
    fs::create_dir_all(folder).map_err(|source| write(folder, source))?;
    // First beside everything: what is there is there whole.
    let beside = folder.join(format!(".unpacking-{}", std::process::id()));
    if beside.exists() {
        fs::remove_dir_all(&beside).map_err(|source| write(&beside, source))?;
    }
    fs::create_dir(&beside).map_err(|source| write(&beside, source))?;
    let mut unpacking = Unpacking {
        archive,
        folder: &beside,
        limits,
        bytes: 0,
        files: 0,
        progress: Progress::start(&format!("unpacking {}", name(archive)), Unit::Bytes, None),
    };
    let outcome = unpacking.all().and_then(|()| move_into(&beside, folder));
    // What counts is the first error.
    let _ = fs::remove_dir_all(&beside);
    outcome
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

struct Unpacking<'a> {
    archive: &'a Path,
    folder: &'a Path,
    limits: ExtractLimits,
    bytes: u64,
    files: u64,
    progress: Progress,
}

impl Unpacking<'_> {
    fn all(&mut self) -> Result<()> {
        let file = BufReader::new(File::open(self.archive).map_err(|source| self.read_error(source))?);
        let name = name(self.archive).to_lowercase();
        if name.ends_with(".zip") {
            self.zip(file)
        } else if name.ends_with(".tar.gz") || name.ends_with(".tgz") {
            self.tar(MultiGzDecoder::new(file))
        } else if name.ends_with(".tar") {
            self.tar(file)
        } else {
            Err(self.wrong("a .zip, .tar, .tar.gz or .tgz", name))
        }
    }

    fn tar(&mut self, reader: impl Read) -> Result<()> {
        let mut tar = tar::Archive::new(reader);
        for entry in tar.entries().map_err(|error| self.damaged(&error))? {
            let mut entry = entry.map_err(|error| self.damaged(&error))?;
            let path = PathBuf::from(OsString::from_vec(entry.path_bytes().into_owned()));
            match entry.header().entry_type() {
                EntryType::Directory => self.make_folder(&path)?,
                EntryType::Regular | EntryType::Continuous => self.make_file(&path, &mut entry)?,
                // Facts for the whole archive, which are not files.
                EntryType::XGlobalHeader => {}
                other => return Err(self.refused(&path, &format!("{other:?}"))),
            }
        }
        Ok(())
    }

    fn zip(&mut self, file: BufReader<File>) -> Result<()> {
        let mut zip = ZipArchive::new(file).map_err(|error| self.damaged(&error))?;
        for at in 0..zip.len() {
            let mut entry = zip.by_index(at).map_err(|error| self.damaged(&error))?;
            let path = PathBuf::from(OsString::from_vec(entry.name_raw().to_vec()));
            if entry.unix_mode().is_some_and(|mode| mode & KIND == LINK) {
                return Err(self.refused(&path, "Symlink"));
            }
            if entry.is_dir() { self.make_folder(&path)? } else { self.make_file(&path, &mut entry)? }
        }
        Ok(())
    }

    fn make_folder(&mut self, path: &Path) -> Result<()> {
        self.count(path)?;
        let folder = self.place(path)?;
        fs::create_dir_all(&folder).map_err(|source| Error::Io { op: "create", path: folder, source })
    }

    fn make_file(&mut self, path: &Path, content: &mut dyn Read) -> Result<()> {
        self.count(path)?;
        let place = self.place(path)?;
        if let Some(folder) = place.parent() {
            fs::create_dir_all(folder).map_err(|source| Error::Io {
                op: "create",
                path: folder.to_owned(),
                source,
            })?;
        }
        // Nothing here is a link, since none is made: no entry can write through one.
        let mut file =
            File::create(&place).map_err(|source| Error::Io { op: "create", path: place.clone(), source })?;
        let mut piece = vec![0; 1 << 17];
        loop {
            let read = content.read(&mut piece).map_err(|error| self.damaged(&error))?;
            if read == 0 {
                return Ok(());
            }
            self.bytes += read as u64;
            if self.bytes > self.limits.max_bytes {
                let expected = format!("files of at most {}", bytes(self.limits.max_bytes));
                return Err(self.wrong(&expected, format!("more, in {}", path.display())));
            }
            io::Write::write_all(&mut file, &piece[..read]).map_err(|source| Error::Io {
                op: "write",
                path: place.clone(),
                source,
            })?;
            self.progress.at(self.bytes)?;
        }
    }

    fn count(&mut self, path: &Path) -> Result<()> {
        self.files += 1;
        if self.files > self.limits.max_files {
            let expected = format!("at most {} files", self.limits.max_files);
            return Err(self.wrong(&expected, format!("more, as {}", path.display())));
        }
        Ok(())
    }

    fn place(&self, path: &Path) -> Result<PathBuf> {
        below(self.folder, path).ok_or_else(|| {
            self.wrong("paths that stay in the folder", format!("an entry {}", path.display()))
        })
    }

    fn refused(&self, path: &Path, kind: &str) -> Error {
        self.wrong("files and folders", format!("{}, a {kind}", path.display()))
    }

    fn damaged(&self, error: &dyn std::error::Error) -> Error {
        self.wrong("a whole archive", error.to_string())
    }

    fn wrong(&self, expected: &str, got: String) -> Error {
        Error::Format {
            path: self.archive.to_owned(),
            expected: expected.into(),
            got,
            hint: "Nothing was unpacked. Fetch the archive again from a source you trust.".into(),
        }
    }

    fn read_error(&self, source: io::Error) -> Error {
        Error::Io { op: "read", path: self.archive.to_owned(), source }
    }
}

/// Moves everything in one folder into another, folders of the same name into each other.
fn move_into(from: &Path, to: &Path) -> Result<()> {
    let read = |source| Error::Io { op: "read", path: from.to_owned(), source };
    for entry in fs::read_dir(from).map_err(read)? {
        let entry = entry.map_err(read)?;
        let target = to.join(entry.file_name());
        let is_folder = entry.file_type().map_err(read)?.is_dir();
        // A link that somebody made there is replaced, not followed.
        if is_folder && fs::symlink_metadata(&target).is_ok_and(|metadata| metadata.is_dir()) {
            move_into(&entry.path(), &target)?;
        } else {
            fs::rename(entry.path(), &target).map_err(|source| Error::Io {
                op: "write",
                path: target.clone(),
                source,
            })?;
        }
    }
    Ok(())
}
