//! Builds the crates of `:dep` lines with cargo, and makes one dynamic library of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::super::prepare::cargo::{Built, Line, cargo, is_progress, name_and_version, read_lines};
use super::super::prepare::{Prepared, lock_file};
use super::super::session::interrupted;
use super::super::{Failure, Interrupter};
use super::failed::{self, cannot};
use super::layer::{Layer, Named, fingerprint};
use super::progress::ProgressLine;

/// Stands in for rustc while cargo builds.
const SUBSTITUTE: &str = include_str!("substitute.sh");
/// The async runtime of a tokio that is not the cell library's.
const RUNTIME: &str = include_str!("runtime.in");
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
struct Places {
    /// What is shared by all builds of a cell library.
    all: PathBuf,
    /// What is kept of this one.
    own: PathBuf,
}

impl Places {
    fn source(&self) -> PathBuf {
        self.own.join("source")
    }

    fn libraries(&self) -> PathBuf {
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
    let below = order.below.last().and_then(|layer| layer.folder.parent());
    let known = below.map(|folder| fs::read(folder.join("source/Cargo.lock"))).transpose()?;
    fs::write(source.join("Cargo.lock"), known.as_deref().unwrap_or_else(|| lock_file()))?;

    let script = places.all.join("substitute.sh");
    if fs::read(&script).is_ok_and(|known| known == SUBSTITUTE.as_bytes()) {
        return Ok(());
    }
    fs::write(&script, SUBSTITUTE)?;
    fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
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
    fs::write(places.all.join("shared"), list)
}

/// What cargo has decided on.
struct Graph {
    /// The packages by the names that code uses.
    direct: BTreeMap<String, String>,
    /// The folders of those whose source is the user's.
    sources: Vec<PathBuf>,
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
fn run(mut command: Command, interrupter: &Interrupter, take: &mut dyn FnMut(Line)) -> Result<(), Failure> {
    // A group of its own, so that an interrupt ends the compilers with cargo.
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn().map_err(|error| failed::lost(&error.to_string()))?;
    interrupter.outside(child.id());
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

fn collect(
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
        use std::os::unix::fs::MetadataExt;
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
