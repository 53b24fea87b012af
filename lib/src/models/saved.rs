use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use candle_core::Device;
use serde::{Deserialize, Serialize};

use super::config::ModelConfig;
use super::registry::{create, entry};
use crate::nn::{Loading, Model};
use crate::{Error, Result, Seed, atomic_file};

/// The version of the description that is written.
const VERSION: u32 = 1;
/// More bytes than any description has.
const MOST_BYTES: u64 = 64 << 20;

/// A model with what is needed to build it again. [`SavedModel::save`] writes it, [`open`] reads it.
#[derive(Debug, Clone)]
pub struct SavedModel {
    /// The model.
    pub net: Model,
    /// The name of its architecture: `resnet18`.
    pub name: String,
    /// What it was built with.
    pub config: ModelConfig,
    /// The names of its classes in their order; may be empty.
    pub classes: Vec<String>,
}

/// The file beside the weights.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    sconce: u32,
    model: String,
    config: ModelConfig,
    classes: Vec<String>,
}

impl SavedModel {
    /// Writes the weights to `path`, a `.safetensors` file, and what they are of to a `.json` file beside it. Each is
    /// whole or not there, and what was there before stays until the new one is.
    ///
    /// ```no_run
    /// use sconce::models::{ModelConfig, SavedModel, create, open};
    /// use sconce::prelude::*;
    ///
    /// let config = ModelConfig::default().num_classes(2).image([3, 32, 32]);
    /// let net = create("resnet18_cifar", config)?.init(Seed(42), &Device::Cpu)?;
    /// let classes = vec!["cat".to_owned(), "dog".to_owned()];
    /// SavedModel { net, name: "resnet18_cifar".into(), config, classes }.save("pets.safetensors")?;
    /// let pets = open("pets.safetensors", &Device::Cpu)?;
    /// assert_eq!(pets.classes, ["cat", "dog"]);
    /// # Ok::<(), sconce::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the model is not what `name` and `config` build, the classes are not as many as it was built for, or a file cannot
    /// be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let beside = beside(path)?;
        self.check(path)?;
        let description = Description {
            sconce: VERSION,
            model: self.name.clone(),
            config: self.config,
            classes: self.classes.clone(),
        };
        let json = serde_json::to_string_pretty(&description)
            .map_err(|error| wrong(&beside, "a description", error.to_string()))?;
        self.net.save(path)?;
        atomic_file::write(&beside, format!("{json}\n").as_bytes())
    }

    /// Holds the model against what it would be opened as.
    fn check(&self, path: &Path) -> Result<()> {
        let refused = |expected: String, got: String, hint: &str| Error::Argument {
            op: format!("SavedModel::save({:?})", path.display().to_string()),
            expected,
            got,
            hint: hint.into(),
        };
        let architecture = create(&self.name, self.config)?;
        let kinds = |graph: &crate::nn::Graph| -> Vec<(String, Vec<usize>)> {
            graph.tensors().iter().map(|spec| (spec.name.clone(), spec.shape.clone())).collect()
        };
        let (wanted, found) = (kinds(architecture.graph()), kinds(self.net.graph()));
        if wanted != found {
            let first = wanted.iter().zip(&found).find(|(wanted, found)| wanted != found);
            let text =
                |(name, shape): &(String, Vec<usize>)| format!("{name} {}", crate::ops::shape_text(shape));
            let [wanted, found] = match first {
                Some((wanted, found)) => [text(wanted), text(found)],
                None => [wanted.len(), found.len()].map(|count| format!("{count} tensors")),
            };
            let hint = "Give the name and config that the model was created with.";
            return Err(refused(format!("the layers of {:?}, with {wanted}", self.name), found, hint));
        }
        let count = self.config.num_classes.unwrap_or(entry(&self.name)?.defaults.num_classes);
        if !self.classes.is_empty() && self.classes.len() != count {
            let expected = format!("the names of {count} classes, or none");
            return Err(refused(expected, format!("{} names", self.classes.len()), "One for each class."));
        }
        Ok(())
    }
}

/// The model that [`SavedModel::save`] wrote to `path`.
///
/// # Errors
/// If one of the two files is missing, damaged, or does not fit the other; the error says which.
pub fn open(path: impl AsRef<Path>, device: &Device) -> Result<SavedModel> {
    let path = path.as_ref();
    let beside = beside(path)?;
    let io = |source| Error::Io { op: "read", path: beside.clone(), source };
    let file = File::open(&beside).map_err(io)?;
    let mut json = Vec::new();
    file.take(MOST_BYTES).read_to_end(&mut json).map_err(io)?;
    let expected = "what `SavedModel::save` wrote beside the weights";
    let description: Description =
        serde_json::from_slice(&json).map_err(|error| wrong(&beside, expected, error.to_string()))?;
    if description.sconce != VERSION {
        return Err(wrong(&beside, expected, format!("version {} of it", description.sconce)));
    }
    let Description { model: name, config, classes, .. } = description;
    let architecture = create(&name, config)
        .map_err(|error| wrong(&beside, "a model that can be built", error.to_string()))?;
    let net = architecture.init(Seed(0), device)?;
    net.load(path, Loading::Strict)?;
    Ok(SavedModel { net, name, config, classes })
}

/// The description's place: `pets.json` beside `pets.safetensors`.
fn beside(path: &Path) -> Result<PathBuf> {
    let ending = path.extension().and_then(|ending| ending.to_str());
    if ending != Some("safetensors") {
        return Err(Error::Argument {
            op: "models::open".into(),
            expected: "a file whose name ends in .safetensors".into(),
            got: path.display().to_string(),
            hint: "Weights alone, in other files too, are loaded by `Model::load`.".into(),
        });
    }
    Ok(path.with_extension("json"))
}

fn wrong(path: &Path, expected: &str, got: String) -> Error {
    Error::Format {
        path: path.to_owned(),
        expected: expected.into(),
        got,
        hint: "Weights without a description are loaded by `models::create` and `Model::load`.".into(),
    }
}
