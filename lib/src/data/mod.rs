//! Data sets: images with labels, their parts and batches.

mod batches;
mod collate;
mod color;
mod dataset;
pub mod datasets;
mod decode;
mod encode;
mod image;
mod labels;
mod memory;
mod sample;
mod show;
mod source;
mod split;
mod tensors;
mod transform;

pub use batches::{Batch, BatchConfig, Batches, LastBatch};
pub use collate::Sizes;
pub use color::Background;
pub use dataset::Dataset;
pub use decode::{DecodeConfig, ExifOrientation};
pub use image::{Image, Pixels, PixelsMut};
pub use sample::{BBox, ClassMap, Keypoint, Mask, Object, Sample, Target, Visibility};
pub use source::Source;
pub use split::DataSplit;
pub use transform::Transform;
