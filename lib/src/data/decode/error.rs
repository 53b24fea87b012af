//! What can be wrong with the bytes of an image.

use std::error::Error as _;
use std::io;
use std::path::Path;

use ::image::ImageError;

use super::DecodeConfig;
use crate::{Error, ImageProblem};

/// A problem whose file is not named yet.
#[derive(Debug)]
pub(super) struct Bad {
    problem: ImageProblem,
    got: String,
    hint: &'static str,
}

impl Bad {
    pub(super) fn at(self, path: &Path) -> Error {
        Error::Image {
            path: path.to_owned(),
            problem: self.problem,
            got: self.got,
            hint: self.hint.to_owned(),
        }
    }
}

pub(super) fn empty() -> Bad {
    Bad { problem: ImageProblem::Empty, got: "0 bytes".into(), hint: "Fetch or write the file again." }
}

pub(super) fn not_an_image(bytes: &[u8]) -> Bad {
    Bad {
        problem: ImageProblem::NotAnImage,
        got: format!("it starts with `{}`", bytes[..bytes.len().min(8)].escape_ascii()),
        hint: "Read are JPEG, PNG, WebP, BMP, GIF, TIFF and PNM.",
    }
}

pub(super) fn unsupported(got: String) -> Bad {
    Bad {
        problem: ImageProblem::Unsupported,
        got,
        hint: "Convert it to PNG, which loses nothing, or to JPEG.",
    }
}

pub(super) fn truncated(got: String) -> Bad {
    Bad { problem: ImageProblem::Truncated, got, hint: "Fetch the file again, or leave it out." }
}

pub(super) fn damaged(got: String) -> Bad {
    Bad { problem: ImageProblem::Damaged, got, hint: "Fetch the file again, or leave it out." }
}

const RAISE: &str = "Raise the limits of `DecodeConfig` if the file is trusted.";

pub(super) fn too_many_bytes(length: u64, config: DecodeConfig) -> Bad {
    let got = format!("a file of {length} bytes, where at most {} are allowed", config.max_bytes);
    Bad { problem: ImageProblem::TooLarge, got, hint: RAISE }
}

pub(super) fn too_many_pixels([height, width]: [usize; 2], bytes: u64, config: DecodeConfig) -> Bad {
    let got = format!(
        "{height} x {width} pixels, {bytes} bytes, where at most {} pixels and {} bytes are allowed",
        config.max_pixels, config.max_bytes
    );
    Bad { problem: ImageProblem::TooLarge, got, hint: RAISE }
}

/// What the crate `image` has to complain of.
pub(super) fn of_image(error: &ImageError) -> Bad {
    if ends_early(error) {
        return truncated(error.to_string());
    }
    match error {
        ImageError::Unsupported(error) => unsupported(error.to_string()),
        ImageError::Limits(error) => {
            Bad { problem: ImageProblem::TooLarge, got: error.to_string(), hint: RAISE }
        }
        error => damaged(error.to_string()),
    }
}

/// Whether the cause of the cause is that there are no more bytes.
fn ends_early(error: &ImageError) -> bool {
    if let ImageError::IoError(error) = error {
        return error.kind() == io::ErrorKind::UnexpectedEof;
    }
    let mut cause = error.source();
    while let Some(error) = cause {
        if error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::UnexpectedEof) {
            return true;
        }
        cause = error.source();
    }
    // Some decoders say it in words only.
    let words = error.to_string().to_lowercase();
    ["unexpected end", "unexpected eof", "end of file", "failed to fill whole buffer"]
        .iter()
        .any(|phrase| words.contains(phrase))
}
