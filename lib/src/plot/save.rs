//! Pictures to files, the format told by the file's ending.

use std::path::Path;

use crate::{Error, Result};

/// Writes `svg` to a path that ends with `.svg`, and to one that ends with `.png` what `png` gives, for
/// pictures that have a bitmap.
pub(super) fn save(
    path: &Path,
    what: &'static str,
    svg: impl FnOnce() -> Result<String>,
    png: Option<&dyn Fn() -> Result<Vec<u8>>>,
) -> Result<()> {
    let ending = path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
    let bytes = match (ending.as_deref(), png) {
        (Some("svg"), _) => svg()?.into_bytes(),
        (Some("png"), Some(png)) => png()?,
        (_, png) => {
            let expected = if png.is_some() {
                "a path that ends with .svg or .png"
            } else {
                "a path that ends with .svg"
            };
            return Err(Error::Argument {
                op: format!("saving {what}"),
                expected: expected.into(),
                got: format!("{}", path.display()),
                hint: "The ending names the format.".into(),
            });
        }
    };
    std::fs::write(path, bytes).map_err(|source| Error::Io { op: "write", path: path.to_owned(), source })
}
