//! What models see in single images: files in, names and boxes out.
//!
//! Each set of published weights knows how its images are prepared ([`crate::models::Preprocessing`], a
//! [`Transform`](crate::data::Transform) like any other) and what its outputs are called
//! ([`crate::models::ClassList`]). [`Classifier`] puts them together with a model; [`Detections`] are the boxes that
//! a set prediction like DETR's stands for.
//!
//! ```no_run
//! use sconce::predict::Classifier;
//! use sconce::prelude::*;
//!
//! let model = models::pretrained("resnet50", models::ModelConfig::default(), &Device::Cpu)?;
//! let classifier = Classifier::pretrained(&model)?;
//! classifier.rank(&sconce::data::Image::open("cat.jpg")?, 5)? // a picture with the likeliest classes
//! # ;
//! # Ok::<(), sconce::Error>(())
//! ```

mod classifier;
mod detections;
mod prepare;
mod ranking;

pub use classifier::Classifier;
pub use detections::{Detection, DetectionConfig, Detections, Suppression};
pub use ranking::{Ranked, Ranking};
