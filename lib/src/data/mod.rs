//! Data sets: images with labels, their parts and batches.

mod ahead;
mod balance;
mod batch;
mod batches;
mod box_sizes;
mod box_targets;
pub mod care;
mod collate;
mod color;
mod dataset;
pub mod datasets;
mod dealing;
mod decode;
mod dense_targets;
mod encode;
mod every;
mod fingerprint;
mod image;
mod labels;
mod loading;
mod look;
mod memory;
mod sample;
mod sampler;
mod sets;
mod show;
mod skipped;
mod source;
mod split;
mod statistics;
mod tensors;
mod transform;

pub use crate::download::{Checksum, Download, ExtractLimits, Remote, extract};
pub use balance::ClassBalance;
pub use batch::Batch;
pub use batches::{BatchConfig, Batches, LastBatch};
pub use box_sizes::BoxSizes;
pub use box_targets::BoxTargets;
pub use collate::Sizes;
pub use color::Background;
pub(crate) use color::{grey_byte, grey_fraction};
pub use dataset::Dataset;
pub use decode::{DecodeConfig, ExifOrientation};
pub use image::{Image, Pixels, PixelsMut};
pub use sample::{BBox, ClassMap, Keypoint, Mask, Object, Sample, Target, Visibility};
pub use sampler::{Replacement, Sampler};
pub use sets::{
    Coco, CocoCategory, Ignored, ImageFolder, ImageFolderConfig, ImageNet, ManifestConfig, OutsidePaths,
    PublicSet, Synset, TrainTest, Voc, VocAnnotation, VocConfig, VocObject, VocTask,
};
pub use skipped::{OnError, SkipReport, Skipped};
pub use source::Source;
pub use split::{DataSplit, Fold, Split};
pub use statistics::ChannelStatistics;
pub use transform::{BatchTransform, Join, Transform};
