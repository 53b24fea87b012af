//! The folder by which Jupyter knows a kernel: `kernel.json`, and logos.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// What stands beside `kernel.json`.
const LOGOS: [(&str, &[u8]); 3] = [
    ("logo-svg.svg", include_bytes!("logo.svg")),
    ("logo-32x32.png", include_bytes!("logo-32x32.png")),
    ("logo-64x64.png", include_bytes!("logo-64x64.png")),
];
const SPEC: &str = "kernel.json";

/// Whose kernelspec a folder holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// It starts this `sconce`.
    Sconce(PathBuf),
    /// It starts something else, or is damaged.
    Other,
    /// There is none.
    Nobody,
}

/// Whose kernelspec is in `folder`.
#[must_use]
pub fn owner(folder: &Path) -> Owner {
    let Ok(text) = fs::read_to_string(folder.join(SPEC)) else {
        return if folder.join(SPEC).exists() { Owner::Other } else { Owner::Nobody };
    };
    let spec: Value = serde_json::from_str(&text).unwrap_or_default();
    let program = spec.pointer("/argv/0").and_then(Value::as_str).map(PathBuf::from);
    match program {
        Some(program) if is_sconce(&program) => Owner::Sconce(program),
        _ => Owner::Other,
    }
}

fn is_sconce(program: &Path) -> bool {
    program.file_stem().and_then(|stem| stem.to_str()).is_some_and(|stem| stem.starts_with("sconce"))
}

/// The name that people see in Jupyter, where they did not choose one.
#[must_use]
pub fn default_display_name(name: &str) -> String {
    match name {
        "sconce" => "Rust (Sconce)".to_owned(),
        other => format!("Rust (Sconce: {other})"),
    }
}

/// Writes a kernelspec that starts `program`. On an error says which file it was.
///
/// # Errors
/// If the folder or a file in it cannot be written.
pub fn write(folder: &Path, program: &str, display_name: &str) -> Result<(), (PathBuf, io::Error)> {
    let spec = json!({
        "argv": [program, "kernel", "{connection_file}"],
        "display_name": display_name,
        "language": "rust",
        "interrupt_mode": "message",
        "metadata": {"debugger": false},
    });
    fs::create_dir_all(folder).map_err(|error| (folder.to_owned(), error))?;
    let text = format!("{spec:#}\n");
    // What makes it a kernel comes last.
    for (file, bytes) in LOGOS.into_iter().chain([(SPEC, text.as_bytes())]) {
        let path = folder.join(file);
        fs::write(&path, bytes).map_err(|error| (path, error))?;
    }
    Ok(())
}

/// Removes what [`write`] has written, and the folder if nothing else is in it. Returns whether it is gone.
///
/// # Errors
/// If a file cannot be removed.
pub fn remove(folder: &Path) -> io::Result<bool> {
    fs::remove_file(folder.join(SPEC))?;
    for (file, _) in LOGOS {
        match fs::remove_file(folder.join(file)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    match fs::remove_dir(folder) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn it_starts_the_program_and_goes_without_a_trace() {
        let data = tempfile::tempdir().unwrap();
        let folder = data.path().join("kernels/sconce");
        assert_eq!(owner(&folder), Owner::Nobody);
        write(&folder, "/some where/sconce", &default_display_name("sconce")).unwrap();
        let spec: Value = serde_json::from_str(&fs::read_to_string(folder.join(SPEC)).unwrap()).unwrap();
        assert_eq!(spec["argv"], json!(["/some where/sconce", "kernel", "{connection_file}"]));
        assert_eq!(spec["display_name"], "Rust (Sconce)");
        assert_eq!(spec["language"], "rust");
        assert_eq!(
            (&spec["interrupt_mode"], &spec["metadata"]["debugger"]),
            (&json!("message"), &json!(false))
        );
        for (logo, begin) in
            [("logo-svg.svg", &b"<svg"[..]), ("logo-32x32.png", b"\x89PNG"), ("logo-64x64.png", b"\x89PNG")]
        {
            assert!(fs::read(folder.join(logo)).unwrap().starts_with(begin), "{logo}");
        }
        assert_eq!(owner(&folder), Owner::Sconce("/some where/sconce".into()));
        assert!(remove(&folder).unwrap());
        assert!(!folder.exists());
    }

    #[test]
    fn what_is_not_ours_stays() {
        let data = tempfile::tempdir().unwrap();
        for text in ["{", "{\"argv\": [\"python\"]}", "{\"argv\": []}", "[]", "\u{0}"] {
            fs::write(data.path().join(SPEC), text).unwrap();
            assert_eq!(owner(data.path()), Owner::Other, "{text}");
        }
        let folder = data.path().join("kernel");
        write(&folder, "/bin/sconce", "Rust").unwrap();
        fs::write(folder.join("notes.txt"), "mine").unwrap();
        assert!(!remove(&folder).unwrap());
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let (path, _) = write(&file.path().join("kernels"), "x", "x").unwrap_err();
        assert!(path.starts_with(file.path()));
    }
}
