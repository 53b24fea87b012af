use super::config::{ModelConfig, Settings};
use super::published::PublishedWeights;
use super::{
    alexnet, coatnet, convnext, detr, efficientnet, fcos, googlenet, inception, lenet, mobilenet_v2,
    mobilenet_v3, resnet, resnet_cifar, small_cnn, unet, vgg, vit, vit_hybrid,
};
use crate::nearest::nearest;
use crate::nn::Architecture;
use crate::ops::shape_text;
use crate::{Error, Result};

/// All families, in the order in which they are listed.
const FAMILIES: &[&[ModelEntry]] = &[
    lenet::MODELS,
    small_cnn::MODELS,
    alexnet::MODELS,
    vgg::MODELS,
    googlenet::MODELS,
    inception::MODELS,
    resnet::MODELS,
    resnet_cifar::MODELS,
    mobilenet_v2::MODELS,
    mobilenet_v3::MODELS,
    efficientnet::MODELS,
    convnext::MODELS,
    vit::MODELS,
    vit_hybrid::MODELS,
    coatnet::MODELS,
    unet::MODELS,
    fcos::MODELS,
    detr::MODELS,
];

/// An architecture that [`create`] knows.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct ModelEntry {
    /// Its name: `resnet18`.
    pub name: &'static str,
    /// What it belongs to: `ResNet`.
    pub family: &'static str,
    /// When it was published.
    pub year: u16,
    /// Where: authors, title, arXiv number.
    pub paper: &'static str,
    /// What it is built with unless you choose.
    pub defaults: Settings,
    /// The smallest images it takes, height and width in pixels.
    pub smallest: [usize; 2],
    /// The layers whose outputs are its stages, from fine to coarse, to take features from.
    pub stages: &'static [&'static str],
    /// The layers that depend on the number of classes; the main one first.
    pub head: &'static [&'static str],
    /// What others have trained.
    pub weights: &'static [PublishedWeights],
    pub(super) build: fn(&Settings) -> Result<Architecture>,
}

impl ModelEntry {
    /// The architecture, for your classes and images.
    ///
    /// # Errors
    /// If an option is out of range, the architecture has no such option, or the images are too small for it.
    pub fn architecture(&self, config: ModelConfig) -> Result<Architecture> {
        let settings = config.over(self.name, self.defaults)?;
        let refused = |expected: String, got: String, hint: String| Error::Argument {
            op: format!("models::create({:?})", self.name),
            expected,
            got,
            hint,
        };
        if settings.num_classes == 0 {
            return Err(refused("at least 1 class".into(), "0".into(), String::new()));
        }
        let [channels, height, width] = settings.image;
        let [least_height, least_width] = self.smallest;
        if channels == 0 || height < least_height || width < least_width {
            return Err(refused(
                format!("images (C, H, W) of at least {least_height} x {least_width} pixels"),
                shape_text(&settings.image),
                format!("It was published with {}.", shape_text(&self.defaults.image)),
            ));
        }
        (self.build)(&settings)
    }
}

/// Every architecture.
pub(super) fn entries() -> impl Iterator<Item = &'static ModelEntry> {
    FAMILIES.iter().copied().flatten()
}

/// What is known of the architecture called `name`.
///
/// # Errors
/// If there is none; the error names those that are spelt alike.
pub fn entry(name: &str) -> Result<&'static ModelEntry> {
    entries().find(|entry| entry.name == name).ok_or_else(|| {
        let alike = nearest(name, entries().map(|entry| entry.name));
        let alike: Vec<String> = alike.iter().map(|name| format!("{name:?}")).collect();
        let hint = match &alike[..] {
            [] => "models::list() shows all of them.".into(),
            alike => format!("Did you mean {}? models::list() shows all of them.", alike.join(" or ")),
        };
        Error::Argument {
            op: "models::create".into(),
            expected: "the name of an architecture".into(),
            got: format!("{name:?}"),
            hint,
        }
    })
}

/// The architecture called `name`, for your classes and images. [`crate::nn::Architecture::init`] gives it weights.
///
/// ```
/// use sconce::prelude::*;
///
/// let config = models::ModelConfig::default().num_classes(10).image([3, 32, 32]);
/// let architecture = models::create("resnet18_cifar", config)?;
/// assert_eq!(architecture.summary().num_parameters(), 11_173_962);
/// # Ok::<(), sconce::Error>(())
/// ```
///
/// # Errors
/// If there is none of this name, an option is out of range, the architecture has no such option, or the images are too
/// small for it.
pub fn create(name: &str, config: ModelConfig) -> Result<Architecture> {
    entry(name)?.architecture(config)
}
