//! Pictures that Markdown names by their files: they go into the page.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The folder of a notebook, and what could not be taken from it.
pub(super) struct Files {
    folder: PathBuf,
    problems: Vec<String>,
}

impl Files {
    pub(super) fn in_folder(folder: &Path) -> Files {
        Files { folder: folder.to_owned(), problems: Vec::new() }
    }

    /// What takes the place of the address of a picture: itself, if it lies beside the notebook.
    pub(super) fn picture(&mut self, address: &str) -> String {
        if address.starts_with("data:") || address.starts_with('#') {
            return address.to_owned();
        }
        if address.contains("://") || address.starts_with("//") {
            self.problem(format!(
                "the picture {address} is not in the page, which will look for it on the network"
            ));
            return address.to_owned();
        }
        let path = self.folder.join(decoded(address.split(['?', '#']).next().unwrap_or_default()));
        let Some(mime) = mime_of(&path) else {
            self.problem(format!(
                "the picture {address} is not in the page: its name does not end like a picture's"
            ));
            return address.to_owned();
        };
        match std::fs::read(&path) {
            Ok(bytes) => data(mime, &bytes),
            Err(error) => {
                self.problem(format!(
                    "the picture {address} is not in the page: {}: {error}",
                    path.display()
                ));
                address.to_owned()
            }
        }
    }

    pub(super) fn problem(&mut self, problem: String) {
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    pub(super) fn into_problems(self) -> Vec<String> {
        self.problems
    }
}

/// An address that holds what it stands for.
pub(super) fn data(mime: &str, bytes: &[u8]) -> String {
    format!("data:{mime};base64,{}", STANDARD.encode(bytes))
}

fn mime_of(path: &Path) -> Option<&'static str> {
    let extension = path.extension()?.to_str()?.to_ascii_lowercase();
    Some(match extension.as_str() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "avif" => "image/avif",
        "bmp" => "image/bmp",
        "svg" => "image/svg+xml",
        _ => return None,
    })
}

/// An address without its `%20`s.
fn decoded(address: &str) -> String {
    let bytes = address.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while index < bytes.len() {
        let digits = bytes.get(index + 1..index + 3).filter(|_| bytes[index] == b'%');
        let code = digits
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        decoded.push(code.unwrap_or(bytes[index]));
        index += if code.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&decoded).into_owned()
}
