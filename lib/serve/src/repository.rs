//! The models in a folder: `NAME/VERSION/model.safetensors`, found by looking again and again.
//!
//! A new version is loaded and warmed beside the old one, then requests go to it; the old one answers what it has.
//! What cannot be loaded is left aside, with a line in the log, until its files change.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crate::failure::{Failure, Reason, short};
use crate::metrics::{Metrics, VersionState};
use crate::settings::{Settings, Versions};
use crate::version::{Fingerprint, Version};

/// Which version a request names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// None: the highest.
    Latest,
    /// A number.
    Number(u64),
    /// A name from the model's settings.
    Label(String),
}

/// A model with the versions that answer.
#[derive(Clone, Default)]
pub struct Served {
    /// Its settings, as they were read last.
    pub settings: Settings,
    /// The versions that answer.
    pub versions: BTreeMap<u64, Arc<Version>>,
    /// Why others do not.
    pub broken: BTreeMap<u64, String>,
}

type Models = BTreeMap<String, Arc<Served>>;

/// The models in a folder.
pub struct Repository {
    folder: PathBuf,
    metrics: Arc<Metrics>,
    models: RwLock<Arc<Models>>,
    /// What the files looked like that could not be loaded. Held during a look, of which there is one at a time.
    refused: Mutex<HashMap<PathBuf, Option<Fingerprint>>>,
}

impl Repository {
    /// Of a folder, in which nothing has been looked for yet.
    #[must_use]
    pub fn new(folder: PathBuf, metrics: Arc<Metrics>) -> Repository {
        Repository { folder, metrics, models: RwLock::default(), refused: Mutex::default() }
    }

    /// All models.
    #[must_use]
    pub fn models(&self) -> Arc<Models> {
        Arc::clone(&self.models.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What answers a request.
    ///
    /// # Errors
    /// [`Reason::NotFound`].
    pub fn find(&self, model: &str, wanted: &Wanted) -> Result<Arc<Version>, Failure> {
        let models = self.models();
        let model_name = short(model);
        let missing = |text: String| Failure::new(Reason::NotFound, text);
        let served = models.get(model).filter(|served| !served.versions.is_empty());
        let served = served.ok_or_else(|| missing(format!("no model {model_name:?} is served")))?;
        let versions = || served.versions.keys().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let number = match wanted {
            Wanted::Latest => served.versions.keys().next_back().copied(),
            Wanted::Number(number) => Some(*number),
            Wanted::Label(label) => Some(*served.settings.labels.get(label).ok_or_else(|| {
                let known: Vec<&str> = served.settings.labels.keys().map(String::as_str).collect();
                let (label, known) = (short(label), known.join(", "));
                missing(format!("model {model_name:?} has no label {label:?}; its labels: {known}"))
            })?),
        };
        let version = number.and_then(|number| served.versions.get(&number));
        version.cloned().ok_or_else(|| {
            let number = number.unwrap_or_default();
            missing(format!("model {model_name:?} serves no version {number}; its versions: {}", versions()))
        })
    }

    /// The versions that are there.
    #[must_use]
    pub fn states(&self) -> Vec<VersionState> {
        let models = self.models();
        let versions = models.values().flat_map(|served| served.versions.values());
        let state = |version: &Arc<Version>| VersionState {
            model: version.model.clone(),
            version: version.number,
            waiting: version.waiting(),
        };
        versions.map(state).collect()
    }

    /// Looks into the folder, and loads and unloads what has changed. This takes as long as loading does.
    pub fn look(&self) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            // A file system that is away for a moment is no reason to stop serving.
            Err(error) => {
                if refused.insert(self.folder.clone(), None).is_none() {
                    tracing::error!(folder = %self.folder.display(), %error, "the folder of models cannot be read");
                }
                return;
            }
        };
        refused.remove(&self.folder);
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| is_name(name) && self.folder.join(name).is_dir())
            .collect();
        names.sort();
        for name in &names {
            self.look_at(name, &mut refused);
        }
        let gone = |name: &String| !names.contains(name);
        if self.models().keys().any(gone) {
            let mut models = (*self.models()).clone();
            models.retain(|name, _| !gone(name));
            self.publish(models);
        }
    }

    fn publish(&self, models: Models) {
        let old = {
            let mut place = self.models.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *place, Arc::new(models))
        };
        // Unloading takes a while: not under the lock.
        drop(old);
    }

    fn look_at(&self, name: &str, refused: &mut HashMap<PathBuf, Option<Fingerprint>>) {
        let folder = self.folder.join(name);
        let old = self.models().get(name).cloned().unwrap_or_default();
        let settings = match Settings::read(&folder) {
            Ok(settings) => settings,
            Err(problem) => {
                let fingerprint = Fingerprint::of(&folder, &folder).ok();
                if refused.insert(folder, fingerprint.clone()) != Some(fingerprint) {
                    tracing::error!(model = name, problem, "settings that cannot be used are left aside");
                }
                return;
            }
        };
        let numbers = match numbers(&folder) {
            Ok(numbers) => numbers,
            Err(error) => {
                if folder.is_dir() && refused.insert(folder, None) != Some(None) {
                    tracing::error!(model = name, %error, "a model's folder that cannot be read is left as it was");
                }
                return;
            }
        };
        refused.remove(&folder);
        let most = match &settings.versions {
            Versions::Latest(count) => *count,
            Versions::Specific(_) | Versions::All => usize::MAX,
        };
        let mut new = Served { settings, ..Served::default() };
        for &number in numbers.iter().rev() {
            if let Versions::Specific(wanted) = &new.settings.versions
                && !wanted.contains(&number)
            {
                continue;
            }
            if new.versions.len() >= most {
                break;
            }
            let known = old.versions.get(&number);
            match self.version(name, number, &folder, known, &new.settings, refused) {
                Ok(version) => drop(new.versions.insert(number, version)),
                Err(problem) => {
                    new.broken
                        .insert(number, problem.or(old.broken.get(&number).cloned()).unwrap_or_default());
                    // What it was before answers on.
                    new.versions.extend(known.map(|known| (number, Arc::clone(known))));
                }
            }
        }
        let kept = |(number, version): (&u64, &Arc<Version>)| {
            old.versions.get(number).is_some_and(|old| Arc::ptr_eq(old, version))
        };
        let unchanged = new.versions.len() == old.versions.len()
            && new.versions.iter().all(kept)
            && new.broken == old.broken
            && new.settings == old.settings;
        if !unchanged || !self.models().contains_key(name) {
            let mut models = (*self.models()).clone();
            models.insert(name.to_owned(), Arc::new(new));
            self.publish(models);
        }
    }

    /// A version, the one that is `known` if nothing has changed; the problem where it cannot be loaded, none where
    /// that was said before.
    fn version(
        &self,
        model: &str,
        number: u64,
        folder: &Path,
        known: Option<&Arc<Version>>,
        settings: &Settings,
        refused: &mut HashMap<PathBuf, Option<Fingerprint>>,
    ) -> Result<Arc<Version>, Option<String>> {
        let path = folder.join(number.to_string());
        let fingerprint = match Fingerprint::of(folder, &path) {
            Ok(fingerprint) => fingerprint,
            Err(error) => {
                let problem = format!("{}: {error}", path.display());
                if refused.insert(path, None) != Some(None) {
                    tracing::error!(
                        model,
                        version = number,
                        problem,
                        "a version that cannot be read is left aside"
                    );
                }
                return Err(Some(problem));
            }
        };
        if let Some(known) = known.filter(|known| known.fingerprint == fingerprint) {
            // It is back: the next problem is told again.
            refused.remove(&path);
            return Ok(Arc::clone(known));
        }
        if refused.get(&path) == Some(&Some(fingerprint.clone())) {
            return Err(None);
        }
        match Version::load(model, number, &path, fingerprint.clone(), settings, &self.metrics) {
            Ok(version) => {
                refused.remove(&path);
                Ok(Arc::new(version))
            }
            Err(problem) => {
                tracing::error!(
                    model,
                    version = number,
                    problem,
                    "a version that cannot be loaded is left aside"
                );
                refused.insert(path, Some(fingerprint));
                Err(Some(problem))
            }
        }
    }
}

/// Whether a folder's name is one that addresses can hold.
fn is_name(name: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    name.len() <= 200 && !name.starts_with('.') && name.bytes().all(good)
}

/// The folders in a model's folder whose names are numbers, in order.
fn numbers(folder: &Path) -> io::Result<Vec<u64>> {
    let names = fs::read_dir(folder)?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let number = |name: &String| name.parse::<u64>().ok().filter(|number| number.to_string() == *name);
    let mut numbers: Vec<u64> = names
        .filter_map(|name| number(&name))
        .filter(|number| folder.join(number.to_string()).is_dir())
        .collect();
    numbers.sort_unstable();
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use sconce::prelude::{Device, Model, Seed, Value};

    use super::*;

    #[test]
    fn each_outage_of_a_version_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let (model, away) = (folder.path().join("small"), folder.path().join("away"));
        fs::create_dir_all(model.join("1")).unwrap();
        let net = Model::build([1, 2, 2], |x: Value| x.flatten().linear(2)).unwrap();
        let net = net.init(Seed(1), &Device::Cpu).unwrap();
        net.save(model.join("1/model.safetensors")).unwrap();
        let repository = Repository::new(folder.path().into(), Arc::default());
        let (settings, mut refused) = (Settings::default(), HashMap::new());
        let mut look = |known: Option<&Arc<Version>>| {
            let found = repository.version("small", 1, &model, known, &settings, &mut refused);
            (found, refused.clone())
        };
        let known = look(None).0.unwrap();
        for _ in 0..2 {
            fs::rename(&model, &away).unwrap();
            let (found, refused) = look(Some(&known));
            assert!(found.is_err_and(|problem| problem.is_some()));
            assert_eq!(refused, HashMap::from([(model.join("1"), None)]));
            fs::rename(&away, &model).unwrap();
            let (found, refused) = look(Some(&known));
            assert!(Arc::ptr_eq(&found.unwrap(), &known));
            assert!(refused.is_empty(), "the next outage would not be told");
        }
    }
}
