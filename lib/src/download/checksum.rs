//! What the bytes of a file amount to.

use std::fmt::{self, Write as _};
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use md5::Md5;
use sha2::{Digest, Sha256};

use crate::{Error, Result};

/// What the bytes of a file must amount to, in hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checksum {
    /// 64 digits.
    Sha256(String),
    /// The first digits of a SHA-256, as the names of PyTorch's own checkpoints have them:
    /// `resnet18-f37072fd.pth`.
    Sha256Start(String),
    /// 32 digits. It tells a damaged file from a good one, not a forged one: for sets that publish no other.
    Md5(String),
}

impl Checksum {
    /// The digits, in lower case.
    pub(super) fn hex(&self) -> String {
        match self {
            Checksum::Sha256(hex) | Checksum::Sha256Start(hex) | Checksum::Md5(hex) => {
                hex.trim().to_lowercase()
            }
        }
    }

    /// Whether `found`, the digits of a file, are these.
    pub(super) fn fits(&self, found: &str) -> bool {
        match self {
            // No digits at all would fit every file.
            Checksum::Sha256Start(_) => !self.hex().is_empty() && found.starts_with(&self.hex()),
            Checksum::Sha256(_) | Checksum::Md5(_) => found == self.hex(),
        }
    }

    /// All the digits of a file.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn of_file(&self, path: &Path) -> Result<String> {
        match self {
            Checksum::Sha256(_) | Checksum::Sha256Start(_) => digest::<Sha256>(path),
            Checksum::Md5(_) => digest::<Md5>(path),
        }
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Checksum::Sha256(_) => "SHA-256",
            Checksum::Sha256Start(_) => "SHA-256 starting with",
            Checksum::Md5(_) => "MD5",
        };
        write!(f, "{kind} {}", self.hex())
    }
}

fn digest<D: Digest>(path: &Path) -> Result<String> {
    let io = |source| Error::Io { op: "read", path: path.to_owned(), source };
    let mut file = File::open(path).map_err(io)?;
    let mut digest = D::new();
    let mut piece = vec![0; 1 << 18];
    loop {
        let read = file.read(&mut piece).map_err(io)?;
        if read == 0 {
            break;
        }
        digest.update(&piece[..read]);
    }
    let mut hex = String::new();
    for byte in digest.finalize() {
        // Writing to a String does not fail.
        let _ = write!(hex, "{byte:02x}");
    }
    Ok(hex)
}
