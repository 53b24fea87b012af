//! The architectures that people start from, each built on the model graph of [`crate::nn`], by name.
//!
//! [`list`] shows what there is, [`create`] builds one for your classes and images. The layers have torchvision's names
//! and start as torchvision's do, so that published weights fit.
//!
//! ```
//! use sconce::prelude::*;
//!
//! let config = models::ModelConfig::default().num_classes(10).image([3, 64, 64]);
//! let net = models::create("resnet18", config)?.init(Seed(42), &Device::Cpu)?;
//! # Ok::<(), sconce::Error>(())
//! ```

mod alexnet;
mod classes;
mod coatnet;
mod config;
mod conv_norm;
mod convnext;
mod detr;
mod efficientnet;
mod fcos;
mod fpn;
mod googlenet;
mod inception;
mod lenet;
mod list;
mod mobilenet_v2;
mod mobilenet_v3;
mod pretrained;
mod published;
mod registry;
mod resnet;
mod resnet_cifar;
mod saved;
mod small_cnn;
mod squeeze;
mod unet;
mod vgg;
mod vit;
mod vit_hybrid;
mod window;

pub use config::{ModelConfig, Settings};
pub use detr::{DetrBackbone, DetrConfig};
pub use fcos::{FcosBackbone, FcosConfig, FcosPlace};
pub use list::{ModelList, list};
pub use pretrained::{Pretrained, PretrainedConfig, pretrained, pretrained_with};
pub use published::{Accuracy, ClassList, Preprocessing, PublishedWeights, Resizing};
pub use registry::{ModelEntry, create, entry};
pub use saved::{SavedModel, open};
