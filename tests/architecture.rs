//! Who may depend on whom, and what files may look like: the rules of ARCHITECTURE.md.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use sconce_tests::{cargo, root};
use serde_json::Value;

/// Where files of code may not grow beyond, in lines: what one sitting can hold.
const LONGEST_FILE: usize = 420;

/// The crates of the resolved workspace, with what they depend on when they are used, not tested.
struct Graph {
    direct: HashMap<String, BTreeSet<String>>,
}

impl Graph {
    fn read() -> Graph {
        let output = cargo().args(["metadata", "--format-version", "1", "--locked"]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
        let packages = metadata["packages"].as_array().unwrap();
        let names: HashMap<&str, &str> = packages
            .iter()
            .map(|package| (package["id"].as_str().unwrap(), package["name"].as_str().unwrap()))
            .collect();
        let mut direct: HashMap<String, BTreeSet<String>> = HashMap::new();
        for node in metadata["resolve"]["nodes"].as_array().unwrap() {
            let dependencies = node["deps"].as_array().unwrap().iter();
            let used = dependencies.filter(|dependency| {
                dependency["dep_kinds"].as_array().unwrap().iter().any(|kind| kind["kind"].is_null())
            });
            let used = used.map(|dependency| names[dependency["pkg"].as_str().unwrap()].to_owned());
            direct.entry(names[node["id"].as_str().unwrap()].to_owned()).or_default().extend(used);
        }
        Graph { direct }
    }

    fn direct(&self, name: &str) -> BTreeSet<&str> {
        self.direct[name].iter().map(String::as_str).collect()
    }

    /// Crates of this workspace that `name` depends on directly.
    fn own(&self, name: &str) -> BTreeSet<&str> {
        self.direct(name).into_iter().filter(|name| name.starts_with("sconce")).collect()
    }

    fn all(&self, name: &str) -> BTreeSet<&str> {
        let mut found = BTreeSet::new();
        let mut open: Vec<&String> = self.direct[name].iter().collect();
        while let Some(name) = open.pop() {
            if found.insert(name.as_str()) {
                open.extend(&self.direct[name]);
            }
        }
        found
    }
}

#[test]
fn crates_depend_only_downwards() {
    let graph = Graph::read();
    assert_eq!(graph.direct("sconce-display"), BTreeSet::from(["serde"]));
    assert_eq!(graph.own("sconce"), BTreeSet::from(["sconce-display"]));
    assert_eq!(graph.own("sconce-cell"), BTreeSet::from(["sconce", "sconce-display"]));
    assert_eq!(graph.own("sconce-kernel"), BTreeSet::from(["sconce-display"]));
}

#[test]
fn the_server_stands_on_the_library_and_nobody_on_the_server() {
    let graph = Graph::read();
    assert_eq!(graph.own("sconce-serve"), BTreeSet::from(["sconce"]));
    let server = graph.all("sconce-serve");
    for name in ["tonic", "axum", "tokio"] {
        assert!(server.contains(name), "is the rule still right?");
    }
    for name in ["sconce", "sconce-display", "sconce-cell", "sconce-kernel", "sconce-assist"] {
        let all = graph.all(name);
        for foreign in ["sconce-serve", "axum", "tonic"] {
            assert!(!all.contains(foreign), "{name} depends on {foreign}");
        }
    }
}

#[test]
fn only_the_assistant_knows_rust_analyzer() {
    let graph = Graph::read();
    assert_eq!(graph.own("sconce-assist"), BTreeSet::new());
    assert!(graph.direct("sconce-assist").contains("ra_ap_ide"), "is the rule still right?");
    for name in ["sconce-kernel", "sconce-cell", "sconce"] {
        let foreign: Vec<&str> =
            graph.all(name).into_iter().filter(|name| name.starts_with("ra_ap_")).collect();
        assert_eq!(foreign, Vec::<&str>::new(), "{name} depends on rust-analyzer");
    }
    let assistant = graph.all("sconce-assist");
    assert!(!assistant.iter().any(|name| name.starts_with("candle")), "sconce-assist depends on candle");
}

#[test]
fn the_kernel_holds_no_tensors_and_the_library_no_kernel() {
    let graph = Graph::read();
    let kernel = graph.all("sconce-kernel");
    for heavy in ["candle-core", "candle-nn", "candle-transformers", "sconce", "image", "plotters"] {
        assert!(!kernel.contains(heavy), "sconce-kernel depends on {heavy}");
    }
    let library = graph.all("sconce");
    for foreign in ["sconce-kernel", "evcxr", "zeromq", "tokio", "hyper", "clap"] {
        assert!(!library.contains(foreign), "sconce depends on {foreign}");
    }
}

/// Every Rust file under a folder, in a fixed order.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if path.file_name().is_some_and(|name| name != "target") {
                    open.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// The code of a file without its comments and its tests at the end.
fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The modules of the own crate that code names: `a` and `b` in `crate::a::X` and `use crate::{a, b::Y}`.
fn named_modules(code: &str) -> BTreeSet<String> {
    let mut modules = BTreeSet::new();
    for (index, _) in code.match_indices("crate::") {
        let rest = &code[index + "crate::".len()..];
        let Some(list) = rest.strip_prefix('{') else {
            modules.extend(first_name(rest));
            continue;
        };
        let mut depth = 0;
        let mut start = 0;
        for (at, char) in list.char_indices() {
            match char {
                '{' => depth += 1,
                '}' if depth > 0 => depth -= 1,
                ',' | '}' if depth == 0 => {
                    modules.extend(first_name(list[start..at].trim_start()));
                    start = at + 1;
                    if char == '}' {
                        break;
                    }
                }
                _ => {}
            }
        }
    }
    modules
}

fn first_name(path: &str) -> Option<String> {
    let name: String = path.chars().take_while(|char| char.is_alphanumeric() || *char == '_').collect();
    (!name.is_empty()).then_some(name)
}

/// The files of a module: its folder, or its one file.
fn module_files(source: &Path, module: &str) -> Vec<PathBuf> {
    let file = source.join(module).with_extension("rs");
    let folder = source.join(module);
    match (file.is_file(), folder.is_dir()) {
        (true, _) => vec![file],
        (false, true) => rust_files(&folder),
        (false, false) => Vec::new(),
    }
}

/// Holds `module` to not naming any of `forbidden`, as a module of its crate.
fn assert_sees_none_of(source: &str, module: &str, forbidden: &[&str]) {
    let files = module_files(&root().join(source), module);
    assert!(!files.is_empty(), "{source}/{module} is gone: is the rule still right?");
    for file in files {
        let named = named_modules(&code(&file));
        for forbidden in forbidden {
            assert!(!named.contains(*forbidden), "{} names crate::{forbidden}", file.display());
        }
    }
}

#[test]
fn names_are_found_in_paths_and_lists() {
    let names =
        named_modules("use crate::{a, b::{C, D}, e::f};\nlet x = crate::g::h(); pub(crate) fn i() {}");
    assert_eq!(names.iter().map(String::as_str).collect::<Vec<_>>(), ["a", "b", "e", "g"]);
}

#[test]
fn the_parts_of_the_kernel_keep_apart() {
    let source = "kernel/src";
    assert_sees_none_of(source, "engine", &["jupyter", "notebook", "cli", "mime", "assist"]);
    assert_sees_none_of(source, "assist", &["jupyter", "notebook", "cli", "mime"]);
    assert_sees_none_of(source, "jupyter", &["notebook", "cli"]);
    assert_sees_none_of(source, "notebook", &["jupyter", "cli"]);
    assert_sees_none_of(source, "repl", &["jupyter", "notebook", "cli", "mime"]);
    assert_sees_none_of(source, "mime", &["engine", "jupyter", "notebook", "cli"]);
}

#[test]
fn the_parts_of_the_library_keep_apart() {
    let source = "lib/src";
    let side_by_side = ["nn", "data", "losses", "optim", "metrics"];
    for module in side_by_side {
        let others: Vec<&str> =
            side_by_side.into_iter().filter(|other| *other != module).chain(["train"]).collect();
        assert_sees_none_of(source, module, &others);
    }
    assert_sees_none_of(source, "ops", &["nn", "data", "losses", "optim", "metrics", "train"]);
    assert_sees_none_of(source, "plot", &["nn", "data", "losses", "optim", "metrics", "train", "ops"]);
    assert_sees_none_of(source, "models", &["data", "losses", "optim", "metrics", "train"]);
    assert_sees_none_of(source, "explain", &["data", "losses", "optim", "metrics", "models", "train"]);
    assert_sees_none_of(source, "compress", &["losses", "optim", "metrics", "models", "explain"]);
    let beside_export = ["data", "losses", "optim", "metrics", "models", "explain", "train", "predict"];
    assert_sees_none_of(source, "export", &beside_export);
    for module in ["nn", "ops", "plot", "data", "losses", "optim", "metrics", "models", "transforms"] {
        assert_sees_none_of(source, module, &["explain", "compress", "export"]);
    }
    for module in ["explain", "compress", "train"] {
        assert_sees_none_of(source, module, &["export"]);
    }
    for module in ["nn", "ops", "plot", "data", "losses", "optim", "metrics", "models", "transforms", "train"]
    {
        assert_sees_none_of(source, module, &["predict"]);
    }
    let under_live =
        ["nn", "ops", "plot", "progress", "data", "losses", "optim", "metrics", "models", "transforms"];
    for module in under_live {
        assert_sees_none_of(source, module, &["live"]);
    }
    let above_live = ["nn", "ops", "data", "losses", "optim", "metrics", "models", "explain", "train"];
    assert_sees_none_of(source, "live", &above_live);
    for module in ["checkpoint", "pickle", "download"] {
        let above = ["nn", "data", "losses", "optim", "metrics", "models", "train"];
        assert_sees_none_of(source, module, &above);
    }
    for module in ["nn", "ops", "plot", "data", "losses", "optim", "metrics"] {
        assert_sees_none_of(source, module, &["models"]);
    }
    for file in module_files(&root().join(source), "plot") {
        assert!(!code(&file).contains("candle"), "{} sees tensors, not plain data", file.display());
    }
}

/// `sconce` carries the source of these crates without their tests and benchmarks. Cargo refuses a manifest that names
/// one of those by its name alone, where it finds no file.
#[test]
fn what_a_manifest_names_it_says_where_to_find() {
    for manifest in
        ["lib/Cargo.toml", "lib/display/Cargo.toml", "lib/serve/Cargo.toml", "kernel/cell/Cargo.toml"]
    {
        let text = fs::read_to_string(root().join(manifest)).unwrap();
        let sections = text.split("\n[").filter(|section| {
            ["[test]]", "[bench]]", "[example]]"].iter().any(|kind| section.starts_with(kind))
        });
        for section in sections {
            assert!(section.lines().any(|line| line.starts_with("path = ")), "{manifest}: [{section}");
        }
    }
}

#[test]
fn a_file_holds_one_idea_and_says_which() {
    let mut wrong = Vec::new();
    for folder in ["kernel", "lib", "tests", "examples"] {
        for file in rust_files(&root().join(folder)) {
            let lines = fs::read_to_string(&file).unwrap().lines().count();
            if lines > LONGEST_FILE {
                wrong.push(format!("{} has {lines} lines", file.display()));
            }
            let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            if ["util", "utils", "helper", "helpers", "common", "base", "misc"].contains(&stem) {
                wrong.push(format!("{}: the name says nothing", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
