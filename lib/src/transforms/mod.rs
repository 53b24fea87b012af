//! Changes to samples: sizes, crops, flips, turns, colours, noise, and policies of them.
//!
//! A transform takes a sample and gives one back: image, boxes, masks, keypoints and class map move together.
//! Transforms follow each other in a [`Compose`]; [`RandomApply`], [`RandomChoice`] and [`RandomOrder`] choose
//! among them. Names are those of torchvision's `transforms.v2` where it has one, and results those of its
//! PIL-backed functions.
//!
//! **Bytes and fractions.** A transform keeps the dtype of the image, u8 or f32; only [`Normalize`] always makes
//! f32. Colours, thresholds and noise are told in fractions, 0 black to 1 white, whatever the dtype. Work with
//! bytes as long as possible: they are faster, and every transform before `Normalize` takes them.
//!
//! **Random numbers** come from the generator that a transform is given. Whoever loads data starts one for each
//! sample and epoch, so that a run repeats whatever the number of workers. Where a number may be drawn, a plain
//! number fixes it and a range is drawn from: `Rotate::new(30.0)`, `Rotate::new(-30.0..=30.0)`.
//!
//! **What leaves the image.** Boxes are cut at the edges; which objects then stay says an [`ObjectRule`].
//! Masks and class maps move by nearest pixels; pixels of a class map that come from outside do not count
//! ([`crate::data::ClassMap::IGNORE`]).
//!
//! **Of several samples.** [`MixUp`] and [`CutMix`] mix whole batches: give them to
//! [`Batches::transform`](crate::data::Batches::transform) or
//! [`Learner::batch_transform`](crate::train::Learner::batch_transform). A [`Mosaic`] joins four samples: give it
//! to [`Dataset::join`](crate::data::Dataset::join). [`FiveCrop`] makes several samples of one, and is called by
//! itself.
//!
//! An argument that is wrong is an error of the first sample that it meets.

mod adjust;
mod affine;
mod aug_mix;
mod auto_augment;
mod blur;
mod compose;
mod crop;
mod distribution;
mod elastic;
mod erase;
mod factor;
mod fill;
mod filter;
mod five_crop;
mod flip;
mod gather;
mod hue;
mod jitter;
mod levels;
mod matrix;
mod mixing;
mod mosaic;
mod motion;
mod noise;
mod normalize;
mod objects;
mod operation;
mod perspective;
mod point;
mod rand_augment;
mod random_mix;
mod random_resized_crop;
mod refused;
mod resample;
mod resize;
mod sanitize;
mod size;
mod span;
mod straight;
mod tone;
mod value;
mod warp;
mod window;

pub use affine::{Affine, Rotate};
pub use aug_mix::AugMix;
pub use auto_augment::{AutoAugment, Policy};
pub use blur::GaussianBlur;
pub use compose::{Compose, RandomApply, RandomChoice, RandomOrder};
pub use crop::{CenterCrop, Crop, Pad, RandomCrop};
pub use elastic::ElasticTransform;
pub use erase::{Cutout, Erased, RandomErasing};
pub use factor::{Brightness, Contrast, Hue, Saturation, Sharpness};
pub use fill::Fill;
pub use filter::Filter;
pub use five_crop::FiveCrop;
pub use flip::{RandomHorizontalFlip, RandomVerticalFlip};
pub use jitter::ColorJitter;
pub use mixing::{CutMix, MixUp, MixedBatch};
pub use mosaic::Mosaic;
pub use noise::{GaussianNoise, Jpeg};
pub use normalize::{Denormalize, Normalize};
pub use objects::ObjectRule;
pub use perspective::RandomPerspective;
pub use point::{AutoContrast, Equalize, Gamma, Grayscale, Invert, Posterize, Rgb, Solarize};
pub use rand_augment::{RandAugment, TrivialAugmentWide};
pub use random_mix::RandomMix;
pub use random_resized_crop::RandomResizedCrop;
pub use resize::{Resize, ResizeTo};
pub use sanitize::SanitizeBoundingBoxes;
pub use size::Size;
pub use span::Span;
pub use window::PadMode;
