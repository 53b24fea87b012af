//! A small workspace with a library that cells can name.

use std::fs;

use sconce_assist::wire::Crates;
use tempfile::TempDir;

const LIBRARY: &str = r#"
//! A library that cells can name.

/// How a cell fails.
pub struct Failed;

/// Numbers in a row.
pub struct Row { pub length: usize, hidden: u8 }

impl Row {
    /// As many zeros.
    ///
    /// None for 0.
    pub fn zeros(length: usize) -> Row { Row { length, hidden: 0 } }
    /// One more.
    pub fn grown(&self) -> Row { Row { length: self.length + 1, hidden: self.hidden } }
}

pub mod shapes { pub struct Circle; pub fn circle() -> Circle { Circle } }
"#;

/// The workspace, as long as its folder is kept.
pub fn workspace() -> (TempDir, Crates) {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write(
        "Cargo.toml",
        "[package]\nname = \"small\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[lib]\nname = \"sconce_cell\"\n\
         path = \"src/lib.rs\"\n[[bin]]\nname = \"worker\"\npath = \"src/worker.rs\"\n",
    );
    write("src/lib.rs", LIBRARY);
    write("src/worker.rs", "fn main() {}\n");
    let root = folder.path().join("src/worker.rs");
    let crates = Crates { manifest: folder.path().join("Cargo.toml"), root };
    (folder, crates)
}
