//! What a package is made of, as cargo resolves it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::cargo::name_and_version;
use super::watch::Build;
use super::{PrepareError, Toolchain};

/// The crates of a package.
pub struct Graph {
    /// All packages it needs, by id, itself included.
    pub packages: BTreeSet<String>,
    /// The crates it names, by the name that code uses; the package's id.
    pub direct: BTreeMap<String, String>,
}

impl Graph {
    /// The crates of the package that is to be built.
    pub fn read(build: &Build, toolchain: &Toolchain) -> Result<Graph, PrepareError> {
        let host = toolchain.host().ok_or_else(|| build.failed("rustc -vV does not name its host"))?;
        let output = build
            .cargo()
            .args(["metadata", "--format-version=1", "--filter-platform", host])
            .args(build.feature_arguments())
            .output()
            .map_err(|error| build.cannot_start(&error))?;
        if !output.status.success() {
            return Err(build.failed(&String::from_utf8_lossy(&output.stderr)));
        }
        let metadata: Value = serde_json::from_slice(&output.stdout)
            .map_err(|error| build.failed(&format!("cargo metadata is not JSON: {error}")))?;
        Graph::of(&metadata, build.package)
            .ok_or_else(|| build.failed(&format!("cargo metadata does not list {}", build.package)))
    }

    fn of(metadata: &Value, package: &str) -> Option<Graph> {
        let nodes = metadata["resolve"]["nodes"].as_array()?;
        let node = |id: &str| nodes.iter().find(|node| node["id"] == id);
        let id = nodes
            .iter()
            .filter_map(|node| node["id"].as_str())
            .find(|id| id.starts_with("path+") && name_and_version(id).0 == package)?;
        let direct = dependencies(node(id)?).into_iter().collect();
        let mut packages = BTreeSet::new();
        let mut open = vec![id.to_owned()];
        while let Some(id) = open.pop() {
            if let Some(node) = node(&id)
                && packages.insert(id)
            {
                open.extend(dependencies(node).into_iter().map(|(_, id)| id));
            }
        }
        Some(Graph { packages, direct })
    }
}

/// What a package needs to be built, by the name that its code uses; the package's id.
fn dependencies(node: &Value) -> Vec<(String, String)> {
    let list = node["deps"].as_array().into_iter().flatten();
    list.filter(|dependency| {
        let mut kinds = dependency["dep_kinds"].as_array().into_iter().flatten();
        kinds.any(|kind| kind["kind"] != "dev")
    })
    .filter_map(|dependency| {
        Some((dependency["name"].as_str()?.to_owned(), dependency["pkg"].as_str()?.to_owned()))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    #[test]
    fn what_only_tests_need_is_left_out() {
        let dependency = |name: &str, kind: Option<&str>| json!({"name": name, "pkg": format!("registry+x#{name}@1.0.0"), "dep_kinds": [{"kind": kind}]});
        let root = "path+file:///source/kernel/assist#sconce-assist@0.1.0";
        let metadata = json!({"resolve": {"nodes": [
            {"id": root, "deps": [dependency("used", None), dependency("tempfile", Some("dev"))]},
            {"id": "registry+x#used@1.0.0", "deps": [dependency("builder", Some("build"))]},
            {"id": "registry+x#builder@1.0.0", "deps": []},
            {"id": "registry+x#tempfile@1.0.0", "deps": []},
        ]}});
        let graph = Graph::of(&metadata, "sconce-assist").unwrap();
        let packages: Vec<&str> = graph.packages.iter().map(String::as_str).collect();
        assert_eq!(packages, [root, "registry+x#builder@1.0.0", "registry+x#used@1.0.0"]);
        assert_eq!(graph.direct.keys().collect::<Vec<_>>(), ["used"]);
        assert!(Graph::of(&metadata, "sconce-cell").is_none());
    }
}
