use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::cache::Slot;
use super::cargo::Built;
use super::graph::Graph;
use super::watch::Build;
use super::{CacheDir, PrepareError, Prepared, Progress, Shared, Toolchain};

/// The library that all others go into.
const CELL: &str = "sconce_cell";

/// Prepares the cell library unless that is done. Two processes that do it at once wait for each other; one
/// that is stopped half-way leaves what it has built for the next, and nothing that counts as prepared.
pub fn prepare(cache: &CacheDir, progress: &mut dyn FnMut(Progress)) -> Result<Prepared, PrepareError> {
    let toolchain = Toolchain::find()?;
    toolchain.check_tools()?;
    let slot = cache.slot(&toolchain);
    let mut say = |message: &str| progress(Progress { done: 0, total: 0, message: message.to_owned() });
    let _lock = slot.lock(&mut || say("waiting: another process prepares the cell library"))?;
    if let Some(prepared) = slot.read() {
        return Ok(prepared);
    }
    say("reading the list of crates");
    slot.write_source()?;
    let build = Build {
        what: "the cell library",
        package: "sconce-cell",
        features: &["sconce-cell/transformers"],
        source: slot.source(),
        target: slot.target(),
    };
    let graph = Graph::read(&build, &toolchain)?;
    let crates = run(&build, &graph, progress)?;
    let prepared = collect(&build, &slot, &toolchain, &graph, crates)?;
    slot.write(&prepared)?;
    Ok(prepared)
}

/// The libraries, and the worker.
fn run(
    build: &Build,
    graph: &Graph,
    progress: &mut dyn FnMut(Progress),
) -> Result<(Vec<Built>, PathBuf), PrepareError> {
    // The library and the cells share one std, which is kept beside them; the worker finds both there, also
    // where LD_LIBRARY_PATH has others of their names: an old-style rpath goes before it.
    let flags = "-Cprefer-dynamic\x1f-Clink-arg=-Wl,--disable-new-dtags,-rpath,$ORIGIN";
    let mut built = Vec::new();
    let mut worker = None;
    for message in build.run(flags, graph.packages.len(), progress)? {
        if let Some(program) = message["executable"].as_str() {
            worker = Some(PathBuf::from(program));
        } else if let Some(library) = Built::read(&message) {
            built.push(library);
        }
    }
    let worker = worker.ok_or_else(|| build.failed("cargo built everything but the worker"))?;
    Ok((built, worker))
}

fn collect(
    build: &Build,
    slot: &Slot,
    toolchain: &Toolchain,
    graph: &Graph,
    (mut built, worker): (Vec<Built>, PathBuf),
) -> Result<Prepared, PrepareError> {
    let mut crates = BTreeMap::new();
    let mut shared = Vec::new();
    for library in &mut built {
        library.path = slot.keep(&library.path)?;
        // A crate that macros use as well is built twice; code names the one that runs.
        if library.linked || !crates.contains_key(&library.name) {
            crates.insert(library.name.clone(), library.path.clone());
        }
        if let Some(metadata) = library.metadata.as_ref().filter(|_| library.linked) {
            let (package, version) = library.package();
            let metadata = slot.keep(metadata)?;
            let (library, features) = (library.path.clone(), library.features.clone());
            shared.push(Shared { package, version, features, library, metadata });
        }
    }
    // Of several versions of a crate, code names the one that the cell library names.
    let mut nameable = BTreeSet::from([CELL.to_owned()]);
    for (name, package) in &graph.direct {
        let of_package = built.iter().filter(|library| library.package == *package);
        if let Some(library) = of_package.max_by_key(|library| library.linked) {
            crates.insert(name.clone(), library.path.clone());
            nameable.insert(name.clone());
        }
    }
    if !crates.contains_key(CELL) {
        return Err(build.failed("cargo built everything but the cell library itself"));
    }
    for library in toolchain.std_libraries() {
        slot.keep(&library)?;
    }
    Ok(Prepared {
        rustc: toolchain.rustc.clone(),
        worker: slot.keep(&worker)?,
        crates,
        nameable,
        shared,
        dependencies: slot.libraries(),
    })
}
