//! Puts the source of the cell library into the binary, so that it can be built wherever the binary goes.

use std::collections::hash_map::DefaultHasher;
use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::hash::Hasher;
use std::path::{Path, PathBuf};

/// What the cell library is built from. Tests are found by cargo on its own and are not needed.
const TREES: [&str; 8] = [
    "Cargo.lock",
    "examples",
    "kernel/cell/Cargo.toml",
    "kernel/cell/src",
    "lib/Cargo.toml",
    "lib/src",
    "lib/display/Cargo.toml",
    "lib/display/src",
];

const MEMBERS: &str = r#"members = ["kernel/cell", "lib", "lib/display"]"#;

fn main() -> Result<(), Box<dyn Error>> {
    let kernel = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?);
    let workspace = kernel.parent().ok_or("the kernel's folder has no parent")?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    println!("cargo::rerun-if-changed=build.rs");

    let mut files = Vec::new();
    for tree in TREES {
        let path = workspace.join(tree);
        println!("cargo::rerun-if-changed={}", path.display());
        collect(&path, &mut files)?;
    }
    files.sort();

    let mut hash = DefaultHasher::new();
    let mut list = String::from("[\n");
    let manifest_path = workspace.join("Cargo.toml");
    println!("cargo::rerun-if-changed={}", manifest_path.display());
    let manifest = manifest(&fs::read_to_string(&manifest_path)?)?;
    hash.write(manifest.as_bytes());
    fs::write(out.join("Cargo.toml"), manifest)?;
    writeln!(list, "(\"Cargo.toml\", include_bytes!({:?}).as_slice()),", out.join("Cargo.toml"))?;
    for path in files {
        let name =
            path.strip_prefix(workspace)?.to_str().ok_or("a file name that is not UTF-8")?.replace('\\', "/");
        hash.write(name.as_bytes());
        hash.write(&fs::read(&path)?);
        writeln!(list, "({name:?}, include_bytes!({path:?}).as_slice()),")?;
    }
    list.push(']');
    fs::write(out.join("source.in"), list)?;
    println!("cargo::rustc-env=SCONCE_SOURCE_HASH={:016x}", hash.finish());
    Ok(())
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            collect(&entry?.path(), files)?;
        }
    } else if path.exists() {
        files.push(path.to_owned());
    }
    Ok(())
}

/// The workspace's manifest with only the members that the cell library needs.
fn manifest(workspace: &str) -> Result<String, Box<dyn Error>> {
    let mut found = false;
    let lines = workspace.lines().filter_map(|line| {
        if line.starts_with("members = ") {
            found = true;
            Some(MEMBERS)
        } else {
            (!line.starts_with("default-members = ")).then_some(line)
        }
    });
    let manifest = lines.collect::<Vec<_>>().join("\n") + "\n";
    if found { Ok(manifest) } else { Err("the workspace's manifest has no line `members = …`".into()) }
}
