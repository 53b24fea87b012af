//! From a file to a [`Notebook`]. Whatever is wrong with the file is said here, before anything runs.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::document::{Cell, CellKind, Notebook};
use super::lines;

/// Why a file could not be read as a Rust notebook.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// There is no such file.
    #[error("{} does not exist", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The system refused.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The bytes are not text.
    #[error("{} is not UTF-8 text: byte {offset} (line {line}) is 0x{byte:02x}", path.display())]
    NotUtf8 {
        /// The file.
        path: PathBuf,
        /// Of the first wrong byte, from 0.
        offset: usize,
        /// Of the first wrong byte, from 1.
        line: usize,
        /// The wrong byte.
        byte: u8,
    },
    /// The text is not JSON.
    #[error("{}:{}:{}: not JSON: {message}", path.display(), line, column)]
    NotJson {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
        /// What the parser wanted.
        message: String,
    },
    /// The JSON is not a notebook.
    #[error("{} is not a notebook: {message}", path.display())]
    NotANotebook {
        /// The file.
        path: PathBuf,
        /// What is missing or of the wrong type.
        message: String,
    },
    /// A notebook in a format that is not nbformat 4.
    #[error("{} is in nbformat {major}, only nbformat 4 can be read", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// The format that it says it has.
        major: u64,
    },
    /// A notebook of another language.
    #[error("{} is for another kernel: it wants {kernel}, and this one runs Rust", path.display())]
    OtherKernel {
        /// The file.
        path: PathBuf,
        /// What it wants, e.g. ``the kernel `python3` (Python 3, python)``.
        kernel: String,
    },
}

impl ReadError {
    /// What to do about it.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            ReadError::Missing { .. } => "check the path; it is looked up from the current folder".to_owned(),
            ReadError::Io { .. } => "the path must name a notebook file that you may read".to_owned(),
            ReadError::NotUtf8 { .. } | ReadError::NotJson { .. } => {
                "the file may be damaged or no notebook: a notebook is JSON in UTF-8".to_owned()
            }
            ReadError::NotANotebook { .. } => {
                "a notebook is a JSON object with `nbformat`, `nbformat_minor`, `metadata` and `cells`"
                    .to_owned()
            }
            ReadError::Version { path, .. } => {
                format!("convert it: jupyter nbconvert --to notebook --nbformat 4 {}", path.display())
            }
            ReadError::OtherKernel { path, .. } => format!(
                "run it with its own kernel: jupyter nbconvert --to notebook --execute {}",
                path.display()
            ),
        }
    }
}

impl Notebook {
    /// Reads a Rust notebook of nbformat 4.0 or later from a file.
    ///
    /// Fields that are not known are kept. A notebook that names neither kernel nor language counts as Rust;
    /// the stock Rust kernel's notebooks are accepted too.
    pub fn read(path: &Path) -> Result<Notebook, ReadError> {
        let bytes = std::fs::read(path).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => ReadError::Missing { path: path.to_owned() },
            _ => ReadError::Io { path: path.to_owned(), source },
        })?;
        let text = std::str::from_utf8(&bytes).map_err(|error| {
            let offset = error.valid_up_to();
            let line = 1 + bytes[..offset].iter().filter(|&&byte| byte == b'\n').count();
            ReadError::NotUtf8 { path: path.to_owned(), offset, line, byte: bytes[offset] }
        })?;
        Notebook::parse(text, path)
    }

    /// Reads a notebook from its JSON text; `path` stands in the errors.
    pub fn parse(text: &str, path: &Path) -> Result<Notebook, ReadError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let root: Value = serde_json::from_str(text).map_err(|error| {
            // serde_json appends the position, which the error states in front.
            let message = error.to_string();
            let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(what, _)| what);
            ReadError::NotJson {
                path: path.to_owned(),
                line: error.line(),
                column: error.column(),
                message: message.to_owned(),
            }
        })?;
        let notebook = from_json(root, path)?;
        match other_kernel(&notebook) {
            Some(kernel) => Err(ReadError::OtherKernel { path: path.to_owned(), kernel }),
            None => Ok(notebook),
        }
    }
}

fn from_json(root: Value, path: &Path) -> Result<Notebook, ReadError> {
    let wrong = |message: String| ReadError::NotANotebook { path: path.to_owned(), message };
    let Value::Object(mut fields) = root else {
        return Err(wrong(format!("its top level is {}, not an object", kind_of(&root))));
    };
    let major = fields.get("nbformat").ok_or_else(|| wrong("it has no `nbformat`".to_owned()))?;
    let major = major.as_u64().ok_or_else(|| wrong(format!("its `nbformat` is {major}, not a number")))?;
    if major != 4 {
        return Err(ReadError::Version { path: path.to_owned(), major });
    }
    if fields.get("metadata").is_some_and(|metadata| !metadata.is_object()) {
        return Err(wrong("its `metadata` is not an object".to_owned()));
    }
    let Some(Value::Array(cells)) = fields.shift_remove("cells") else {
        return Err(wrong("it has no list `cells`".to_owned()));
    };
    let cells = cells
        .into_iter()
        .enumerate()
        .map(|(index, cell)| {
            read_cell(cell).map_err(|message| wrong(format!("cell {}: {message}", index + 1)))
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Notebook { fields, cells })
}

fn read_cell(cell: Value) -> Result<Cell, String> {
    let Value::Object(mut fields) = cell else {
        return Err(format!("it is {}, not an object", kind_of(&cell)));
    };
    let kind = match fields.get("cell_type").and_then(Value::as_str) {
        Some("code") => CellKind::Code,
        Some("markdown") => CellKind::Markdown,
        Some("raw") => CellKind::Raw,
        Some(other) => return Err(format!("its `cell_type` is `{other}`, not code, markdown or raw")),
        None => return Err("it has no `cell_type`".to_owned()),
    };
    if kind == CellKind::Code && fields.get("outputs").is_some_and(|outputs| !outputs.is_array()) {
        return Err("its `outputs` are not a list".to_owned());
    }
    if fields.get("metadata").is_some_and(|metadata| !metadata.is_object()) {
        return Err("its `metadata` is not an object".to_owned());
    }
    lines::join_cell(&mut fields);
    match fields.get("source") {
        Some(Value::String(_)) => Ok(Cell { kind, fields }),
        Some(_) => Err("its `source` is neither text nor a list of lines".to_owned()),
        None => Err("it has no `source`".to_owned()),
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// The kernel that the notebook wants, in words, unless that is a Rust one.
fn other_kernel(notebook: &Notebook) -> Option<String> {
    let metadata = notebook.metadata()?;
    let text = |table: &str, key: &str| metadata.get(table)?.get(key)?.as_str();
    let name = text("kernelspec", "name");
    // Editors write the language beside the kernel's name; hand-made files often hold only one of them.
    let language = text("kernelspec", "language").or_else(|| text("language_info", "name"));
    match (language, name) {
        (Some(language), _) if language.eq_ignore_ascii_case("rust") => None,
        (None, None | Some("rust" | "sconce")) => None,
        (language, name) => {
            let details: Vec<&str> =
                [text("kernelspec", "display_name"), language].into_iter().flatten().collect();
            Some(match name {
                Some(name) if details.is_empty() => format!("the kernel `{name}`"),
                Some(name) => format!("the kernel `{name}` ({})", details.join(", ")),
                None => format!("a kernel for {}", details.join(", ")),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn parse(text: &str) -> Result<Notebook, ReadError> {
        Notebook::parse(text, Path::new("x.ipynb"))
    }

    fn error(text: &str) -> String {
        parse(text).unwrap_err().to_string()
    }

    #[test]
    fn sources_are_text_or_lines() {
        let notebook = parse(
            r#"{"nbformat": 4, "nbformat_minor": 0, "metadata": {}, "cells": [
                {"cell_type": "code", "source": ["let a = 1;\n", "a"], "metadata": {"tags": ["x"]}},
                {"cell_type": "markdown", "source": "text"}]}"#,
        )
        .unwrap();
        assert_eq!(notebook.cells()[0].source(), "let a = 1;\na");
        assert!(notebook.cells()[0].has_tag("x") && !notebook.cells()[0].has_tag("y"));
        assert_eq!(notebook.cells()[1].source(), "text");
        assert_eq!(notebook.cells()[1].kind(), CellKind::Markdown);
    }

    #[test]
    fn errors_name_the_place() {
        assert_eq!(error("{\n \"nbformat\" 4}"), "x.ipynb:2:13: not JSON: expected `:`");
        assert_eq!(error("[]"), "x.ipynb is not a notebook: its top level is a list, not an object");
        assert_eq!(error("{}"), "x.ipynb is not a notebook: it has no `nbformat`");
        assert_eq!(error(r#"{"nbformat": 4}"#), "x.ipynb is not a notebook: it has no list `cells`");
        assert_eq!(
            error(r#"{"nbformat": 4, "cells": [{"cell_type": "code", "source": ""}, {"cell_type": "x"}]}"#),
            "x.ipynb is not a notebook: cell 2: its `cell_type` is `x`, not code, markdown or raw"
        );
        assert_eq!(
            error(r#"{"nbformat": 4, "cells": [{"cell_type": "code", "source": [1]}]}"#),
            "x.ipynb is not a notebook: cell 1: its `source` is neither text nor a list of lines"
        );
        assert_eq!(
            error(r#"{"nbformat": 3, "worksheets": []}"#),
            "x.ipynb is in nbformat 3, only nbformat 4 can be read"
        );
        assert!(error(&"[".repeat(100_000)).contains("recursion limit"));
    }

    #[test]
    fn the_kernel_must_be_for_rust() {
        let of =
            |metadata: &str| parse(&format!(r#"{{"nbformat": 4, "cells": [], "metadata": {metadata}}}"#));
        for rust in [
            "{}",
            r#"{"kernelspec": {"name": "rust"}}"#,
            r#"{"kernelspec": {"name": "sconce"}}"#,
            r#"{"kernelspec": {"name": "my-own", "language": "rust"}}"#,
            r#"{"language_info": {"name": "Rust"}}"#,
        ] {
            assert!(of(rust).is_ok(), "{rust}");
        }
        let python =
            r#"{"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}"#;
        assert_eq!(
            of(python).unwrap_err().to_string(),
            "x.ipynb is for another kernel: it wants the kernel `python3` (Python 3, python), and this one runs Rust"
        );
        let bare = of(r#"{"kernelspec": {"name": "julia-1.9"}}"#).unwrap_err().to_string();
        assert!(bare.contains("the kernel `julia-1.9`,"), "{bare}");
        let language = of(r#"{"language_info": {"name": "r"}}"#).unwrap_err().to_string();
        assert!(language.contains("a kernel for r,"), "{language}");
    }
}
