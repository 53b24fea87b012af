//! Builds the crates of `:dep` lines with cargo.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::super::prepare::Prepared;
use super::super::prepare::cargo::{Built, Line, cargo, is_progress, read_lines};
use super::super::session::interrupted;
use super::super::{Failure, Interrupter};
use super::collect::collect;
use super::failed::{self, cannot, second_copy};
use super::layer::Layer;
use super::progress::ProgressLine;
use super::{must_be_one, versions};

/// Stands in for rustc while cargo builds.
const SUBSTITUTE: &str = include_str!("substitute.sh");
/// How often to look whether another process is done, or this one is interrupted.
const LOOK: Duration = Duration::from_millis(50);

/// What to build, and with what.
pub struct Order<'a> {
    /// The cell library.
    pub prepared: &'a Prepared,
    /// The lines of the manifest.
    pub lines: &'a [String],
    /// The layers that are loaded, in order.
    pub below: &'a [Layer],
    /// Environment variables of `:build_env`.
    pub environment: &'a BTreeMap<String, String>,
    /// Cargo stays off the network.
    pub offline: bool,
    /// Ends cargo.
    pub interrupter: &'a Interrupter,
}

/// The folders of a build.
pub(super) struct Places {
    /// What is shared by all builds of a cell library.
    all: PathBuf,
    /// What is kept of this one.
    pub(super) own: PathBuf,
}

impl Places {
    pub(super) fn source(&self) -> PathBuf {
        self.own.join("source")
    }

    pub(super) fn libraries(&self) -> PathBuf {
        self.own.join("lib")
    }
}

/// Builds in `own`, a folder inside `all`, unless that was done meanwhile. Two processes wait for each other.
pub fn build(
    order: &Order<'_>,
    all: PathBuf,
    own: PathBuf,
    progress: &mut ProgressLine<'_>,
) -> Result<Layer, Failure> {
    let places = Places { all, own };
    let _lock = lock(&places, order.interrupter, progress)?;
    if let Some(layer) = Layer::read(&places.own) {
        return Ok(layer);
    }
    write_source(order, &places).map_err(|error| cannot(&places.own, &error))?;
    let graph = Graph::read(order, &places, progress)?;
    let (built, search) = compile(order, &places, &graph, progress)?;
    let layer = collect(order, &places, &graph, &built, &search)?;
    layer.write(&places.own).map_err(|error| cannot(&places.own, &error))?;
    Ok(layer)
}

fn lock(
    places: &Places,
    interrupter: &Interrupter,
    progress: &mut ProgressLine<'_>,
) -> Result<File, Failure> {
    let open = || {
        fs::create_dir_all(&places.all)?;
        File::options().create(true).truncate(false).write(true).open(places.all.join("lock"))
    };
    let file = open().map_err(|error| cannot(&places.all, &error))?;
    while let Err(error) = file.try_lock() {
        match error {
            fs::TryLockError::WouldBlock => progress.say("waiting: another notebook builds crates"),
            fs::TryLockError::Error(error) => return Err(cannot(&places.all, &error)),
        }
        if interrupter.asked() > 0 {
            return Err(interrupted("nothing was built"));
        }
        std::thread::sleep(LOOK);
    }
    Ok(file)
}

fn write_source(order: &Order<'_>, places: &Places) -> io::Result<()> {
    let source = places.source();
    fs::create_dir_all(&source)?;
    let manifest = format!(
        "[package]\nname = \"sconce-deps\"\nversion = \"0.0.0\"\nedition = \"2024\"\npublish = false\n\n\
         [lib]\npath = \"lib.rs\"\n\n[workspace]\n\n[profile.release]\ndebug = false\n\n[dependencies]\n{}\n",
        order.lines.join("\n")
    );
    fs::write(source.join("Cargo.toml"), manifest)?;
    fs::write(source.join("lib.rs"), "")?;
    // The versions that are loaded already are the ones to take.
    fs::write(source.join("Cargo.lock"), versions::lock(order.below)?)?;

    let script = places.all.join("substitute.sh");
    if fs::read(&script).is_ok_and(|known| known == SUBSTITUTE.as_bytes()) {
        return Ok(());
    }
    let mut list = String::new();
    for shared in &order.prepared.shared {
        let stem = shared.library.file_stem().unwrap_or_default().to_string_lossy();
        list.push_str(&format!(
            "{} {} {stem} {}\n",
            shared.package,
            shared.version,
            shared.features.join(" ")
        ));
    }
    fs::write(places.all.join("shared"), list)?;
    // Last: where the script is, the list is.
    let mut file = File::options().create(true).truncate(true).write(true).mode(0o755).open(&script)?;
    file.write_all(SUBSTITUTE.as_bytes())
}

/// What cargo has decided on.
pub(super) struct Graph {
    /// The packages by the names that code uses.
    pub(super) direct: BTreeMap<String, String>,
    /// The folders of those whose source is the user's.
    pub(super) sources: Vec<PathBuf>,
    packages: usize,
}

impl Graph {
    fn read(order: &Order<'_>, places: &Places, progress: &mut ProgressLine<'_>) -> Result<Graph, Failure> {
        progress.say("choosing versions");
        let mut command = start(order, places);
        command.args(["metadata", "--format-version=1"]);
        let mut text = String::new();
        run(command, order.interrupter, &mut |line| match line {
            Line::Message(line) => text = line,
            Line::Log(line) if is_progress(&line) => progress.say(line.trim()),
            Line::Log(_) => {}
        })?;
        let metadata: Value = serde_json::from_str(&text)
            .map_err(|error| failed::lost(&format!("it wrote no JSON: {error}")))?;
        let packages = metadata["packages"].as_array().map_or(&[][..], Vec::as_slice);
        for package in packages {
            let said = |field: &str| package[field].as_str().unwrap_or_default();
            only_one(order.prepared, said("name"), said("version"))?;
        }
        let nodes = metadata["resolve"]["nodes"].as_array().map_or(&[][..], Vec::as_slice);
        let root = &metadata["resolve"]["root"];
        let root = nodes.iter().find(|node| node["id"] == *root);
        let direct = root.and_then(|root| root["deps"].as_array()).into_iter().flatten();
        let direct = direct.filter_map(|dependency| {
            Some((dependency["name"].as_str()?.to_owned(), dependency["pkg"].as_str()?.to_owned()))
        });
        let sources = packages.iter().filter(|package| package["source"].is_null()).filter_map(|package| {
            let folder = Path::new(package["manifest_path"].as_str()?).parent()?;
            (folder != places.source()).then(|| folder.to_owned())
        });
        Ok(Graph { direct: direct.collect(), sources: sources.collect(), packages: packages.len() })
    }
}

/// Refuses another version of what must be in a session once. (The stand-in for rustc finds the rest: features.)
fn only_one(prepared: &Prepared, name: &str, version: &str) -> Result<(), Failure> {
    let mut held = prepared.shared.iter().filter(|shared| shared.package == name);
    if !must_be_one(name) || held.clone().any(|shared| shared.version == version) {
        return Ok(());
    }
    held.next().map_or(Ok(()), |held| {
        Err(second_copy(&format!(
            "{name} {version} is needed for it, and every session has {}",
            held.version
        )))
    })
}

fn start(order: &Order<'_>, places: &Places) -> Command {
    let mut command = cargo(&places.source(), &places.all.join("target"));
    command.envs(order.environment);
    command
        .env("RUSTC_WRAPPER", places.all.join("substitute.sh"))
        .env("SCONCE_SHARED", places.all.join("shared"))
        .env("SCONCE_LIBRARIES", &order.prepared.dependencies)
        // Set and empty: flags of a person's configuration are for other builds.
        .env("CARGO_ENCODED_RUSTFLAGS", "");
    if order.offline {
        command.arg("--offline");
    }
    command
}

/// Runs cargo to its end. A failure has what it said, without its progress.
pub(super) fn run(
    mut command: Command,
    interrupter: &Interrupter,
    take: &mut dyn FnMut(Line),
) -> Result<(), Failure> {
    // A group of its own, so that an interrupt ends the compilers with cargo: at once, since cargo may have been
    // started where interrupts are ignored, and is whole again the next time.
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn().map_err(|error| failed::lost(&error.to_string()))?;
    interrupter.compiling(child.id());
    let mut log = Vec::new();
    for line in read_lines(&mut child) {
        if let Line::Log(text) = &line
            && !is_progress(text)
        {
            log.push(text.clone());
        }
        take(line);
    }
    let status: io::Result<ExitStatus> = child.wait();
    if interrupter.compiled() {
        return Err(interrupted("what cargo had built is kept for the next time"));
    }
    let status = status.map_err(|error| failed::lost(&error.to_string()))?;
    if status.success() { Ok(()) } else { Err(failed::said(&log)) }
}

/// Has cargo build everything; returns the libraries and where foreign ones are to be looked for.
fn compile(
    order: &Order<'_>,
    places: &Places,
    graph: &Graph,
    progress: &mut ProgressLine<'_>,
) -> Result<(Vec<Built>, Vec<String>), Failure> {
    let mut command = start(order, places);
    command.args(["build", "--release", "--message-format", "json-render-diagnostics"]);
    let mut done = BTreeSet::new();
    let (mut built, mut search) = (Vec::new(), Vec::new());
    run(command, order.interrupter, &mut |line| match line {
        Line::Log(line) if is_progress(&line) => {
            progress.say(&format!("{}/{} {}", done.len(), graph.packages, line.trim()));
        }
        Line::Log(_) => {}
        Line::Message(text) => {
            let Ok(message) = serde_json::from_str::<Value>(&text) else { return };
            let paths = message["linked_paths"].as_array().into_iter().flatten();
            search.extend(paths.filter_map(Value::as_str).map(str::to_owned));
            if message["reason"] == "compiler-artifact" {
                done.insert(message["package_id"].as_str().unwrap_or_default().to_owned());
                built.extend(Built::read(&message).filter(|library| library.name != "sconce_deps"));
            }
        }
    })?;
    Ok((built, search))
}
