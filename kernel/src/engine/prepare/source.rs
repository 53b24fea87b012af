//! The source that this program carries, and how it gets into a folder where cargo builds it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Files by path, with `/` between folders.
pub(super) type Source = &'static [(&'static str, &'static [u8])];

/// What the cell library is built from.
pub(super) const CELL: Source = &include!(concat!(env!("OUT_DIR"), "/cell.in"));

/// What the assistant is built from.
pub(super) const ASSIST: Source = &include!(concat!(env!("OUT_DIR"), "/assist.in"));

/// What the server is built from beyond [`CELL`], of which it takes the library.
pub(super) const SERVE: Source = &include!(concat!(env!("OUT_DIR"), "/serve.in"));

/// The versions of all crates that the cell library is made of.
pub(in super::super) fn lock_file() -> &'static [u8] {
    CELL.iter().find(|(name, _)| *name == "Cargo.lock").map_or(&[], |(_, content)| content)
}

/// Writes the files; one in a later part replaces that of its name in an earlier one. Those that are right stay as they
/// are, so that cargo sees them unchanged; others that an older source had are removed, because cargo would build them.
pub(super) fn write(parts: &[Source], root: &Path) -> io::Result<()> {
    let files: BTreeMap<&str, &[u8]> = parts.iter().flat_map(|part| part.iter().copied()).collect();
    for (name, content) in &files {
        let path = root.join(name);
        if fs::read(&path).is_ok_and(|known| known == *content) {
            continue;
        }
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut file = File::create(&path)?;
        file.write_all(content)?;
    }
    remove_strangers(&files, root, root)
}

fn remove_strangers(files: &BTreeMap<&str, &[u8]>, root: &Path, folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            remove_strangers(files, root, &path)?;
        } else {
            let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
            if name != "Cargo.lock" && !files.contains_key(name.as_str()) {
                fs::remove_file(&path)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_folder_holds_exactly_the_source() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("kernel/assist/src/bin")).unwrap();
        let (stranger, own_lock) = (root.join("kernel/assist/src/bin/old.rs"), root.join("Cargo.lock"));
        fs::write(&stranger, "fn main() {}").unwrap();
        write(&[ASSIST], root).unwrap();
        assert!(!stranger.exists() && own_lock.exists());
        for (name, content) in ASSIST {
            assert_eq!(fs::read(root.join(name)).unwrap(), *content, "{name}");
        }
        let main = root.join("kernel/assist/src/main.rs");
        let written = fs::metadata(&main).unwrap().modified().unwrap();
        write(&[ASSIST], root).unwrap();
        assert_eq!(fs::metadata(&main).unwrap().modified().unwrap(), written);
    }

    #[test]
    fn the_server_is_built_of_itself_and_the_library() {
        let folder = tempfile::tempdir().unwrap();
        write(&[CELL, SERVE], folder.path()).unwrap();
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        assert!(read("Cargo.toml").contains(r#"members = ["lib", "lib/display", "lib/serve"]"#));
        assert!(read("lib/serve/Cargo.toml").contains("sconce-serve") && !read("lib/Cargo.toml").is_empty());
        assert!(folder.path().join("lib/serve/src/page.html").exists());
        assert!(SERVE.iter().all(|(name, _)| *name == "Cargo.toml" || name.starts_with("lib/serve/")));
    }

    #[test]
    fn the_assistant_brings_neither_the_library_nor_the_kernel() {
        let manifest = ASSIST.iter().find(|(name, _)| *name == "Cargo.toml").unwrap().1;
        assert!(String::from_utf8_lossy(manifest).contains(r#"members = ["kernel/assist"]"#));
        assert!(
            ASSIST.iter().all(|(name, _)| name.starts_with("Cargo.") || name.starts_with("kernel/assist/"))
        );
    }
}
