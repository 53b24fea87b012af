//! Keeps the crates that cargo has built, and makes one dynamic library of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::super::Failure;
use super::super::prepare::cargo::{Built, name_and_version};
use super::build::{Graph, Order, Places, run};
use super::failed::{self, cannot};
use super::layer::{Layer, Named, fingerprint};

/// The async runtime of a tokio that is not the cell library's.
const RUNTIME: &str = include_str!("runtime.in");

/// Keeps what was built, and makes the layer of it.
pub fn collect(
    order: &Order<'_>,
    places: &Places,
    graph: &Graph,
    built: &[Built],
    search: &[String],
) -> Result<Layer, Failure> {
    let folder = places.libraries();
    let broken = |error: io::Error| cannot(&folder, &error);
    fs::create_dir_all(&folder).map_err(broken)?;
    let mut layer = Layer {
        library: None,
        folder: folder.clone(),
        names: BTreeMap::new(),
        crates: BTreeMap::new(),
        packages: BTreeSet::new(),
        has_runtime: false,
        sources: BTreeMap::new(),
    };
    for source in &graph.sources {
        layer.sources.insert(source.clone(), fingerprint(source).map_err(|error| cannot(source, &error))?);
    }
    let mut kept: BTreeMap<&str, PathBuf> = BTreeMap::new();
    for library in built {
        let path = match place(order, &library.path) {
            Some(path) => path,
            None => {
                if let Some(metadata) = &library.metadata {
                    keep(metadata, &folder).map_err(broken)?;
                }
                if library.linked {
                    layer.packages.insert(library.package());
                }
                keep(&library.path, &folder).map_err(broken)?
            }
        };
        layer.crates.insert(library.name.clone(), path.clone());
        // A package that a macro and the session need is there twice; the session's is the one to name.
        if library.linked || !kept.contains_key(library.package.as_str()) {
            kept.insert(&library.package, path);
        }
    }
    for (name, id) in &graph.direct {
        let (package, version) = name_and_version(id);
        let Some(path) = kept.get(id.as_str()) else {
            return Err(failed::no_library(&package));
        };
        let mut of_package = built.iter().filter(|library| library.package == *id);
        let features = of_package.clone().find(|library| library.linked).or_else(|| of_package.next());
        let features = features.map(|library| library.features.clone()).unwrap_or_default();
        layer.names.insert(name.clone(), Named { path: path.clone(), package, version, features });
    }
    link(order, places, &mut layer, search)?;
    Ok(layer)
}

/// Where a library is already: in the cell library, or in a layer below.
fn place(order: &Order<'_>, path: &Path) -> Option<PathBuf> {
    let real = fs::canonicalize(path).ok()?;
    if real.parent() == fs::canonicalize(&order.prepared.dependencies).ok().as_deref() {
        return Some(order.prepared.dependencies.join(real.file_name()?));
    }
    // A crate has one file name as long as neither its source nor its features change.
    order.below.iter().map(|layer| layer.folder.join(path.file_name().unwrap_or_default())).find(|kept| {
        let same =
            |(one, other): (fs::Metadata, fs::Metadata)| one.ino() == other.ino() && one.dev() == other.dev();
        fs::metadata(kept).ok().zip(fs::metadata(&real).ok()).is_some_and(same)
    })
}

fn keep(file: &Path, folder: &Path) -> io::Result<PathBuf> {
    let kept = folder.join(file.file_name().ok_or(io::ErrorKind::InvalidInput)?);
    let _ = fs::remove_file(&kept);
    // A link costs no room; a file system without links gets a copy.
    fs::hard_link(file, &kept).or_else(|_| fs::copy(file, &kept).map(|_| ()))?;
    Ok(kept)
}

/// Makes one dynamic library of what is neither in the cell library nor in a layer below.
fn link(order: &Order<'_>, places: &Places, layer: &mut Layer, search: &[String]) -> Result<(), Failure> {
    let own: Vec<(&String, &Named)> = layer
        .names
        .iter()
        .filter(|(_, named)| named.path.parent() == Some(&layer.folder))
        .filter(|(_, named)| named.path.extension().is_some_and(|extension| extension == "rlib"))
        .collect();
    if own.is_empty() {
        return Ok(());
    }
    let key = places.own.file_name().unwrap_or_default().to_string_lossy().replace('-', "_");
    let name = format!("sconce_deps_{key}");
    let file = format!("lib{name}{}", std::env::consts::DLL_SUFFIX);
    let mut text = String::from("extern crate sconce_cell as _;\n");
    let mut rustc = Command::new(&order.prepared.rustc);
    for (below, library) in order.below.iter().filter_map(|layer| layer.library.as_ref()) {
        text.push_str(&format!("extern crate {below} as _;\n"));
        rustc.arg("--extern").arg(format!("{below}={}", library.display()));
    }
    for (name, named) in &own {
        text.push_str(&format!("extern crate {name} as _;\n"));
        rustc.arg("--extern").arg(format!("{name}={}", named.path.display()));
    }
    let runtime =
        own.iter().find(|(_, named)| named.package == "tokio").and_then(|(name, named)| runtime(name, named));
    text.push_str(runtime.as_deref().unwrap_or_default());
    layer.has_runtime = runtime.is_some();
    let root = places.source().join("deps.rs");
    fs::write(&root, text).map_err(|error| cannot(&root, &error))?;

    let library = layer.folder.join(&file);
    rustc.arg(&root).args([
        "--crate-name",
        &name,
        "--edition",
        "2024",
        "--crate-type",
        "dylib",
        "--cap-lints=allow",
    ]);
    rustc.args(["-C", "prefer-dynamic", "-C", "opt-level=2", "-C", "strip=debuginfo", "-o"]).arg(&library);
    rustc.arg("-C").arg(format!("link-arg=-Wl,-soname,{file}"));
    for (name, path) in &order.prepared.crates {
        if name == "sconce_cell" {
            rustc.arg("--extern").arg(format!("{name}={}", path.display()));
        }
    }
    let folders = order.below.iter().map(|layer| &layer.folder);
    for folder in folders.chain([&layer.folder, &order.prepared.dependencies]) {
        rustc.arg("-L").arg(format!("dependency={}", folder.display()));
    }
    for path in search {
        rustc.arg("-L").arg(path);
    }
    run(rustc, order.interrupter, &mut |_| {})?;
    layer.library = Some((name, library));
    Ok(())
}

/// The source of a runtime for this tokio, where its features allow one.
fn runtime(name: &str, tokio: &Named) -> Option<String> {
    let has = |feature: &str| tokio.features.iter().any(|on| on == feature);
    let (builder, enter) = match tokio.version.split('.').collect::<Vec<_>>()[..] {
        ["0", "2", ..] if has("rt-core") => ("new().basic_scheduler()", "handle.enter(|| poll())"),
        ["1", ..] if has("rt") => ("new_current_thread()", "{ let _entered = handle.enter(); poll() }"),
        _ => return None,
    };
    Some(RUNTIME.replace("TOKIO", name).replace("BUILDER", builder).replace("ENTER", enter))
}
