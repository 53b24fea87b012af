use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::process::Stdio;

use serde_json::Value;

use super::cache::Slot;
use super::cargo::{self, Built, Line, is_progress, read_lines};
use super::{CacheDir, PrepareError, Prepared, Progress, Shared, Toolchain};

/// How many of cargo's last lines an error shows.
const LOG_LINES: usize = 30;

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
    let graph = Graph::read(&slot, &toolchain)?;
    let crates = build(&slot, &graph, progress)?;
    let prepared = collect(&slot, &toolchain, &graph, crates)?;
    slot.write(&prepared)?;
    Ok(prepared)
}

/// What the cell library is made of.
struct Graph {
    /// All packages it needs, by id.
    packages: BTreeSet<String>,
    /// The crates it names, by the name that code uses; the package's id.
    direct: BTreeMap<String, String>,
}

impl Graph {
    fn read(slot: &Slot, toolchain: &Toolchain) -> Result<Graph, PrepareError> {
        let host = toolchain.host().ok_or_else(|| failed("rustc -vV does not name its host".into()))?;
        let output = cargo(slot)
            .args(["metadata", "--format-version=1", "--filter-platform", host])
            .output()
            .map_err(cannot_start)?;
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        if !output.status.success() {
            return Err(failed(log));
        }
        let metadata: Value = serde_json::from_slice(&output.stdout)
            .map_err(|error| failed(format!("cargo metadata is not JSON: {error}")))?;
        let empty = Vec::new();
        let nodes = metadata["resolve"]["nodes"].as_array().unwrap_or(&empty);
        let node = |id: &str| nodes.iter().find(|node| node["id"] == id);
        let root = nodes.iter().find(|node| {
            node["id"].as_str().is_some_and(|id| id.contains("kernel/cell") || id.contains("sconce-cell"))
        });
        let root = root.ok_or_else(|| failed("cargo metadata does not list sconce-cell".into()))?;
        let dependencies = |node: &Value| -> Vec<(String, String)> {
            let list = node["deps"].as_array().into_iter().flatten();
            list.filter(|dependency| {
                let kinds = dependency["dep_kinds"].as_array().into_iter().flatten();
                kinds.into_iter().any(|kind| kind["kind"] != "dev")
            })
            .filter_map(|dependency| {
                Some((dependency["name"].as_str()?.to_owned(), dependency["pkg"].as_str()?.to_owned()))
            })
            .collect()
        };
        let direct = dependencies(root).into_iter().collect();
        let mut packages = BTreeSet::new();
        let mut open: Vec<String> = root["id"].as_str().map(str::to_owned).into_iter().collect();
        while let Some(id) = open.pop() {
            if let Some(node) = node(&id)
                && packages.insert(id)
            {
                open.extend(dependencies(node).into_iter().map(|(_, id)| id));
            }
        }
        Ok(Graph { packages, direct })
    }
}

fn build(
    slot: &Slot,
    graph: &Graph,
    progress: &mut dyn FnMut(Progress),
) -> Result<(Vec<Built>, PathBuf), PrepareError> {
    let mut command = cargo(slot);
    command.args(["build", "--release", "--package", "sconce-cell"]);
    command.args(["--message-format", "json-render-diagnostics"]);
    // The library and the cells share one std, which is kept beside them; the worker finds both there, also
    // where LD_LIBRARY_PATH has others of their names: an old-style rpath goes before it.
    let flags = "-Cprefer-dynamic\x1f-Clink-arg=-Wl,--disable-new-dtags,-rpath,$ORIGIN";
    command.env("CARGO_ENCODED_RUSTFLAGS", flags);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = child.as_mut().map_err(|error| failed(format!("cargo could not be started: {error}")))?;
    let lines = read_lines(child);

    let total = graph.packages.len();
    let mut done = BTreeSet::new();
    let mut built = Vec::new();
    let mut worker = None;
    let mut log = VecDeque::new();
    for line in lines {
        let text = match line {
            Line::Log(text) => {
                let message = text.trim().to_owned();
                if is_progress(&message) {
                    progress(Progress { done: done.len(), total, message });
                }
                if log.len() == LOG_LINES {
                    log.pop_front();
                }
                log.push_back(text);
                continue;
            }
            Line::Message(text) => text,
        };
        let Ok(message) = serde_json::from_str::<Value>(&text) else { continue };
        if message["reason"] != "compiler-artifact" {
            continue;
        }
        let package = message["package_id"].as_str().unwrap_or_default().to_owned();
        if let Some(program) = message["executable"].as_str() {
            worker = Some(PathBuf::from(program));
        } else if let Some(library) = Built::read(&message) {
            built.push(library);
        }
        if done.insert(package) {
            let name = message["target"]["name"].as_str().unwrap_or_default();
            progress(Progress { done: done.len(), total, message: format!("built {name}") });
        }
    }
    let status = child.wait().map_err(|error| failed(format!("cargo was lost: {error}")))?;
    match worker {
        Some(worker) if status.success() => Ok((built, worker)),
        _ => Err(failed(log.into_iter().collect::<Vec<_>>().join("\n"))),
    }
}

fn collect(
    slot: &Slot,
    toolchain: &Toolchain,
    graph: &Graph,
    (mut built, worker): (Vec<Built>, PathBuf),
) -> Result<Prepared, PrepareError> {
    let mut crates = BTreeMap::new();
    let mut shared = Vec::new();
    for library in &mut built {
        library.path = slot.keep(&library.path)?;
        crates.insert(library.name.clone(), library.path.clone());
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
        if let Some(library) = built.iter().find(|library| library.package == *package) {
            crates.insert(name.clone(), library.path.clone());
            nameable.insert(name.clone());
        }
    }
    if !crates.contains_key(CELL) {
        return Err(failed("cargo built everything but the cell library itself".into()));
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

fn cargo(slot: &Slot) -> std::process::Command {
    cargo::cargo(&slot.source(), &slot.target())
}

fn cannot_start(error: std::io::Error) -> PrepareError {
    failed(format!("cargo could not be started: {error}"))
}

/// The error for a build that failed with this log.
fn failed(log: String) -> PrepareError {
    let lower = log.to_lowercase();
    let reason = if lower.contains("no space left") || lower.contains("os error 28") {
        "the disk is full; the cell library needs about 1 GB: free some, or set SCONCE_CACHE_DIR to a folder with room"
    } else if lower.contains("failed to download")
        || lower.contains("could not resolve host")
        || lower.contains("network")
    {
        "crates could not be downloaded; check the network (or cargo's proxy settings) and try again"
    } else if lower.contains("linking with") {
        "the linker failed; see below"
    } else if lower.contains("signal: 9") {
        "the compiler was killed, most likely because memory ran out; close other programs and try again"
    } else {
        "cargo's last lines follow"
    };
    PrepareError::Build { reason: reason.to_owned(), log: log.trim_end().to_owned() }
}
