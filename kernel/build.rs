//! Puts the source of the cell library, of the assistant and of the server into the binary, so that they can be built
//! wherever the binary goes.

use std::collections::hash_map::DefaultHasher;
use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::hash::Hasher;
use std::path::{Path, PathBuf};

/// A workspace inside of this one. Tests are found by cargo on its own and are not needed.
struct Bundle {
    name: &'static str,
    members: &'static str,
    trees: &'static [&'static str],
}

const BUNDLES: [Bundle; 3] = [
    Bundle {
        name: "cell",
        members: r#"members = ["kernel/cell", "lib", "lib/display"]"#,
        trees: &[
            "Cargo.lock",
            "examples",
            "kernel/cell/Cargo.toml",
            "kernel/cell/src",
            "lib/Cargo.toml",
            "lib/src",
            "lib/display/Cargo.toml",
            "lib/display/src",
        ],
    },
    Bundle {
        name: "assist",
        members: r#"members = ["kernel/assist"]"#,
        trees: &["Cargo.lock", "kernel/assist/Cargo.toml", "kernel/assist/src"],
    },
    // The library is among the files for the cells.
    Bundle {
        name: "serve",
        members: r#"members = ["lib", "lib/display", "lib/serve"]"#,
        trees: &["lib/serve/Cargo.toml", "lib/serve/src"],
    },
];

fn main() -> Result<(), Box<dyn Error>> {
    let kernel = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?);
    let workspace = kernel.parent().ok_or("the kernel's folder has no parent")?;
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-env=SCONCE_TARGET={}", std::env::var("TARGET")?);
    for bundle in &BUNDLES {
        pack(bundle, workspace)?;
    }
    Ok(())
}

/// Writes the list of a bundle's files, as Rust, and says under which hash they are known.
fn pack(bundle: &Bundle, workspace: &Path) -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    let mut files = Vec::new();
    for tree in bundle.trees {
        let path = workspace.join(tree);
        println!("cargo::rerun-if-changed={}", path.display());
        collect(&path, &mut files)?;
    }
    files.sort();

    let mut hash = DefaultHasher::new();
    let mut list = String::from("[\n");
    let manifest_path = workspace.join("Cargo.toml");
    println!("cargo::rerun-if-changed={}", manifest_path.display());
    let manifest = manifest(&fs::read_to_string(&manifest_path)?, bundle.members)?;
    hash.write(manifest.as_bytes());
    let own_manifest = out.join(format!("{}.toml", bundle.name));
    fs::write(&own_manifest, manifest)?;
    writeln!(list, "(\"Cargo.toml\", include_bytes!({own_manifest:?}).as_slice()),")?;
    for path in files {
        let name =
            path.strip_prefix(workspace)?.to_str().ok_or("a file name that is not UTF-8")?.replace('\\', "/");
        hash.write(name.as_bytes());
        hash.write(&fs::read(&path)?);
        writeln!(list, "({name:?}, include_bytes!({path:?}).as_slice()),")?;
    }
    list.push(']');
    fs::write(out.join(format!("{}.in", bundle.name)), list)?;
    println!("cargo::rustc-env=SCONCE_{}_HASH={:016x}", bundle.name.to_uppercase(), hash.finish());
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

/// The workspace's manifest with only these members.
fn manifest(workspace: &str, members: &str) -> Result<String, Box<dyn Error>> {
    let mut found = false;
    let lines = workspace.lines().filter_map(|line| {
        if line.starts_with("members = ") {
            found = true;
            Some(members)
        } else {
            (!line.starts_with("default-members = ")).then_some(line)
        }
    });
    let manifest = lines.collect::<Vec<_>>().join("\n") + "\n";
    if found { Ok(manifest) } else { Err("the workspace's manifest has no line `members = …`".into()) }
}
