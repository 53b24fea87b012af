//! `:dep`: crates that a session brings in.
//!
//! Each new set of lines becomes a layer over the cell library: cargo builds the crates with the library's own
//! lock, a stand-in for rustc gives it the library's crates instead of building them again, and what is left
//! becomes one dynamic library. Cells link to it, and so the worker loads it with the first cell that does.

mod build;
mod collect;
mod failed;
mod layer;
mod progress;
mod spec;
mod versions;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hasher};
use std::path::{Path, PathBuf};

use self::build::{Order, build};
use self::failed::second_copy;
pub use self::layer::Layer;
use self::layer::fingerprint;
use self::progress::ProgressLine;
use self::spec::Spec;
use super::commands::refuse;
use super::hints::Gone;
use super::names::Names;
use super::prepare::{Prepared, Shared};
use super::session::{Session, note_output};
use super::{Failure, Output};

/// The crates that a session has brought in.
#[derive(Debug, Default)]
pub struct Deps {
    specs: Vec<Spec>,
    layers: Vec<Layer>,
    /// Cargo stays off the network.
    pub(super) offline: bool,
    /// What `:build_env` set.
    pub(super) environment: BTreeMap<String, String>,
}

impl Deps {
    /// The dependencies as lines of a manifest, with absolute paths; in the order they came.
    #[must_use]
    pub fn lines(&self) -> String {
        self.specs.iter().map(|spec| spec.line() + "\n").collect()
    }

    /// The crate that has the async runtime of the latest tokio that `:dep` brought.
    pub(super) fn runtime(&self) -> Option<&str> {
        let layer = self.layers.iter().rev().find(|layer| layer.has_runtime)?;
        layer.library.as_ref().map(|(name, _)| name.as_str())
    }

    /// Whether a `:dep` line asks for nothing that is not there; an error if it cannot be had.
    fn has(&self, spec: &Spec, prepared: &Prepared) -> Result<bool, Failure> {
        let name = spec.crate_name();
        let Some(known) = self.specs.iter().find(|known| known.crate_name() == name) else {
            return in_cell_library(spec, prepared);
        };
        let layer = self.layers.iter().find(|layer| layer.names.contains_key(&name));
        let named = layer.and_then(|layer| layer.names.get(&name));
        if known == spec {
            return match layer.and_then(Layer::changed_source) {
                None => Ok(true),
                Some(folder) => Err(refuse(&format!(
                    "the source in {} has changed since `{}` was loaded, and a running worker cannot take it anew; \
                     `:clear` forgets everything, then `:dep` loads it as it is now",
                    folder.display(),
                    spec.name
                ))),
            };
        }
        let met = named.is_some_and(|named| spec.is_met_by(&named.package, &named.version, &named.features));
        if met {
            return Ok(true);
        }
        let version = named.map(|named| named.version.as_str()).unwrap_or_default();
        Err(refuse(&format!(
            "`{}` was asked for, and `{}` ({version}) is loaded, which a running worker cannot give back; `:clear` \
             forgets everything, then `:dep` loads the other",
            spec.line(),
            known.line()
        )))
    }
}

/// Whether a second copy of this package would do harm: tensors of one mean nothing to the other.
fn must_be_one(package: &str) -> bool {
    package.starts_with("candle-") || package.starts_with("sconce")
}

/// Whether the cell library has what is asked for; an error if it has another that must be the only one.
fn in_cell_library(spec: &Spec, prepared: &Prepared) -> Result<bool, Failure> {
    let name = spec.crate_name();
    let library = prepared.crates.get(&name).filter(|_| prepared.nameable.contains(&name));
    let is = |shared: &&Shared| Some(&shared.library) == library;
    let Some(shared) = prepared.shared.iter().find(is) else { return Ok(false) };
    if spec.is_met_by(&shared.package, &shared.version, &shared.features) {
        return Ok(true);
    }
    if must_be_one(&shared.package) {
        return Err(second_copy(&format!(
            "`{}` was asked for, and every session has {} {}",
            spec.line(),
            shared.package,
            shared.version
        )));
    }
    Ok(false)
}

impl Session {
    /// The crates that `:dep` brought in.
    #[must_use]
    pub fn deps(&self) -> &Deps {
        &self.deps
    }

    /// Brings in crates: all lines at once, so that they agree on versions.
    pub(super) fn add_dependencies(
        &mut self,
        texts: &[&str],
        outputs: &mut dyn FnMut(Output),
    ) -> Result<(), Failure> {
        let folder = match self.folder_of_cells() {
            Some(folder) => folder,
            None => std::env::current_dir()
                .map_err(|error| refuse(&format!("there is no folder to be in: {error}")))?,
        };
        let mut new: Vec<Spec> = Vec::new();
        for text in texts {
            let spec = Spec::read(text, &folder)?;
            if let Some(twice) = new.iter().find(|other| other.crate_name() == spec.crate_name()) {
                if *twice != spec {
                    return Err(refuse(&format!("`{}` and `{}` are one name", twice.line(), spec.line())));
                }
            } else if !self.deps.has(&spec, &self.prepared)? {
                new.push(spec);
            }
        }
        if new.is_empty() {
            return Ok(());
        }
        let layer = self.layer(&new, outputs)?;
        for (package, version) in &layer.packages {
            if self
                .deps
                .layers
                .iter()
                .any(|below| below.packages.contains(&(package.clone(), version.clone())))
            {
                outputs(note_output(&format!(
                    "{package} {version} is there twice now, with other features; its types are two. To have it once, \
                     `:clear` and put the `:dep` lines into one cell"
                )));
            }
        }
        self.drop_renamed(&layer, outputs);
        self.prepared.nameable.extend(layer.names.keys().cloned());
        for (name, path) in &layer.crates {
            self.prepared.crates.entry(name.clone()).or_insert_with(|| path.clone());
        }
        for (name, named) in &layer.names {
            self.prepared.crates.insert(name.clone(), named.path.clone());
        }
        self.deps.specs.extend(new);
        self.deps.layers.push(layer);
        self.rustc.link_with(self.prepared.clone(), self.deps.layers.clone());
        Ok(())
    }

    /// The layer for these lines: as it was built once, or built now.
    fn layer(&self, specs: &[Spec], outputs: &mut dyn FnMut(Output)) -> Result<Layer, Failure> {
        let mut lines: Vec<String> = specs.iter().map(Spec::line).collect();
        lines.sort();
        let all = self.original.dependencies.parent().unwrap_or(Path::new("")).join("deps");
        let mut hash = DefaultHasher::new();
        for layer in &self.deps.layers {
            hash.write(layer.folder.to_string_lossy().as_bytes());
        }
        for text in lines.iter().chain(self.deps.environment.iter().flat_map(|(name, value)| [name, value])) {
            hash.write(text.as_bytes());
            hash.write_u8(0);
        }
        for folder in specs.iter().filter_map(Spec::folder) {
            // A folder that cannot be read is cargo's to complain of.
            hash.write_u64(fingerprint(&folder).unwrap_or_default());
        }
        let key = format!("{:016x}", hash.finish());
        let mut progress = ProgressLine::new(outputs);
        let order = Order {
            prepared: &self.original,
            lines: &lines,
            below: &self.deps.layers,
            environment: &self.deps.environment,
            offline: self.deps.offline,
            interrupter: &self.interrupter,
        };
        let mut own: PathBuf = all.join(&key);
        let mut known = Layer::read(&own);
        let mut tries = 1;
        // Crates that a crate of the user's has in folders of their own may have changed.
        while known.as_ref().is_some_and(|layer| layer.changed_source().is_some()) {
            own = all.join(format!("{key}_{tries}"));
            known = Layer::read(&own);
            tries += 1;
        }
        let layer = match known {
            Some(layer) => Ok(layer),
            None => build(&order, all, own, &mut progress),
        };
        match &layer {
            Ok(layer) => {
                let names: Vec<String> = layer
                    .names
                    .values()
                    .map(|named| format!("{} {}", named.package, named.version))
                    .collect();
                progress.end(&format!("ready: {}", names.join(", ")));
            }
            Err(_) => progress.end("failed"),
        }
        layer
    }

    /// Variables whose types are of a crate that gives its name away go: they could not be named any more.
    fn drop_renamed(&mut self, layer: &Layer, outputs: &mut dyn FnMut(Output)) {
        let renamed: Names = layer
            .names
            .iter()
            .filter(|(name, named)| self.prepared.crates.get(*name).is_some_and(|path| *path != named.path))
            .map(|(name, _)| name.clone())
            .collect();
        let stale: Vec<String> = self
            .variables
            .iter()
            .filter(|(_, variable)| variable.is_stale(&renamed))
            .map(|(name, _)| name.clone())
            .collect();
        let mut keys = Vec::new();
        for name in stale {
            let what = format!("`{name}` was of a crate whose name `:dep` gave to another version");
            outputs(note_output(&format!("{what}, and went away")));
            keys.extend(self.variables.remove(&name).map(|variable| variable.key));
            self.gone.insert(name, Gone::because(what));
        }
        self.forget(keys, outputs);
    }

    /// Forgets the crates; a running worker has them until it ends. Whether there were any.
    pub(super) fn forget_dependencies(&mut self) -> bool {
        if self.deps.layers.is_empty() {
            return false;
        }
        self.deps.specs.clear();
        self.deps.layers.clear();
        self.prepared = self.original.clone();
        self.rustc.link_with(self.prepared.clone(), Vec::new());
        true
    }
}
