//! Data sets: images with labels, their parts and batches.

mod ahead;
mod batch;
mod batches;
mod collate;
mod color;
mod dataset;
pub mod datasets;
mod decode;
mod encode;
mod image;
mod labels;
mod loading;
mod memory;
mod sample;
mod sampler;
mod show;
mod skipped;
mod source;
mod split;
mod tensors;
mod transform;

pub use batch::Batch;
pub use batches::{BatchConfig, Batches, LastBatch};
pub use collate::Sizes;
pub use color::Background;
pub use dataset::Dataset;
pub use decode::{DecodeConfig, ExifOrientation};
pub use image::{Image, Pixels, PixelsMut};
pub use sample::{BBox, ClassMap, Keypoint, Mask, Object, Sample, Target, Visibility};
pub use sampler::{Replacement, Sampler};
pub use skipped::{OnError, SkipReport, Skipped};
pub use source::Source;
pub use split::DataSplit;
pub use transform::Transform;
