//! Data sets in the layouts of the world, each a [`Source`](super::Source).

mod annotated;
mod archives;
mod cifar;
mod coco;
mod folder;
mod idx;
mod imagenet;
mod list;
mod manifest;
mod matlab;
mod names;
mod public;
mod rle;
mod shapes;
mod stack;
mod voc;
mod walk;

use std::collections::HashMap;

use super::dataset::Dataset;
use super::decode::DecodeConfig;
use super::image::Image;
use super::sample::Sample;
use super::source::Source;
use crate::{Error, Result};

pub use archives::{PublicSet, download};
pub use coco::{Coco, CocoCategory, coco};
pub use folder::{ImageFolder, ImageFolderConfig, image_folder, image_folders};
pub use imagenet::{ImageNet, Synset, imagenet};
pub use manifest::{ManifestConfig, OutsidePaths, manifest, manifest_with};
pub use public::{cifar10, cifar100, fashion_mnist, mnist};
pub use shapes::shapes;
pub use voc::{Voc, VocAnnotation, VocConfig, VocObject, VocTask, voc};
pub use walk::Ignored;

/// A data set in the two parts that its makers divided it into.
#[derive(Debug, Clone)]
pub struct TrainTest {
    /// What a model learns from.
    pub train: Dataset,
    /// What it is judged by.
    pub test: Dataset,
}

/// A sample whose image is a file of its own.
fn open_file(source: &impl Source, index: usize, decode: DecodeConfig) -> Result<Sample> {
    let path = source.path(index).ok_or_else(|| no_such(index, source.len()))?;
    let image = Image::open_with(path, decode)?;
    Ok(Sample { id: source.id(index), image, target: source.target(index)? })
}

fn no_such(index: usize, len: usize) -> Error {
    Error::Argument {
        op: "Source::sample".into(),
        expected: format!("an index below {len}, the number of samples"),
        got: index.to_string(),
        hint: "The first sample has index 0.".into(),
    }
}

/// The label of each class name.
fn placed<'a>(op: &str, classes: &'a [String]) -> Result<HashMap<&'a str, u32>> {
    let mut labels = HashMap::with_capacity(classes.len());
    for (label, name) in classes.iter().enumerate() {
        if labels.insert(name.as_str(), label as u32).is_some() {
            return Err(Error::Argument {
                op: op.into(),
                expected: "class names that differ".into(),
                got: format!("`{name}` twice"),
                hint: "A label is the place of its class in the list.".into(),
            });
        }
    }
    Ok(labels)
}
