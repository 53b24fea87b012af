//! One batch.

use candle_core::{Device, Tensor};
use sconce_display::Bundle;

use super::collate::Collated;
use super::dataset::Dataset;
use super::look::batch_grid;
use super::sample::Target;
use super::tensors::Tensors;
use crate::Result;
use crate::plot::percent;
use crate::rich::Rich;

/// Some images with what is to be learnt from them.
#[derive(Debug, Clone)]
pub struct Batch {
    /// f32 `(B, C, H, W)`, bytes as fractions of 255.
    pub images: Tensor,
    /// u32 `(B,)`, each below the number of classes, where every image has exactly one class; else u32
    /// `(0,)`, and what is to be learnt is in `targets`.
    pub labels: Tensor,
    /// f32 `(B, K)`: the share of each class in each image, where a [`BatchTransform`] mixed images with each
    /// other. They are what is to be learnt then; labels and targets are those of each image before.
    ///
    /// [`BatchTransform`]: crate::data::BatchTransform
    pub shares: Option<Tensor>,
    /// What is to be learnt from each image.
    pub targets: Vec<Target>,
    /// u8 `(B, H, W)`, 1 where there is an image and 0 where there is padding, if
    /// [`crate::data::Sizes::Pad`] was asked for.
    pub pixel_mask: Option<Tensor>,
    /// Where each image stands in the data set.
    pub indices: Vec<usize>,
}

impl Batch {
    /// Images that are picked out of a tensor at once.
    pub(super) fn picked(dataset: &Dataset, tensors: &Tensors, indices: Vec<usize>) -> Result<Batch> {
        let places =
            indices.iter().map(|&index| dataset.place("batches", index)).collect::<Result<Vec<_>>>()?;
        let labels: Vec<u32> = places.iter().map(|&place| tensors.label(place)).collect();
        let targets =
            labels.iter().map(|&label| Target { labels: vec![label], ..Target::default() }).collect();
        let labels = Tensor::from_vec(labels, places.len(), tensors.device())?;
        let images = tensors.pick(Some(&places))?;
        Ok(Batch { images, labels, shares: None, targets, pixel_mask: None, indices })
    }

    /// Samples that were made one by one.
    pub(super) fn collated(dataset: &Dataset, collated: Collated, indices: Vec<usize>) -> Result<Batch> {
        let Collated { images, pixel_mask, targets } = collated;
        let mut labels = Vec::with_capacity(targets.len());
        for (target, &index) in targets.iter().zip(&indices) {
            dataset.check_labels("batches", &target.labels, index)?;
            if let &[label] = target.labels.as_slice() {
                labels.push(label);
            }
        }
        if labels.len() != targets.len() {
            labels.clear();
        }
        let labels = Tensor::from_slice(&labels, labels.len(), images.device())?;
        Ok(Batch { images, labels, shares: None, targets, pixel_mask, indices })
    }

    /// The batch with its tensors on a device.
    ///
    /// From the CPU to a GPU they go out of ordinary memory, which the driver copies to memory of its own first:
    /// candle has no tensors in memory that is pinned. On a CUDA device of candle's each thread has a queue of its
    /// own, and a copy may still run when this returns: to use the batch in another thread, call
    /// `device.synchronize()` in this one first. [`Batches::device`](super::Batches::device) does.
    ///
    /// # Errors
    /// When candle refuses.
    pub fn to_device(self, device: &Device) -> Result<Batch> {
        let moved = |tensor: Option<Tensor>| tensor.map(|tensor| tensor.to_device(device)).transpose();
        let (pixel_mask, shares) = (moved(self.pixel_mask)?, moved(self.shares)?);
        let (images, labels) = (self.images.to_device(device)?, self.labels.to_device(device)?);
        Ok(Batch { images, labels, shares, pixel_mask, ..self })
    }

    /// What a loss of classes is given beside the model's output: the shares f32 `(B, K)` where images were
    /// mixed, else the labels u32 `(B,)`.
    #[must_use]
    pub fn classes(&self) -> &Tensor {
        self.shares.as_ref().unwrap_or(&self.labels)
    }

    /// The classes of each image in words: `3`, or `3: 70.0 %, 5: 30.0 %` where images were mixed.
    fn captions(&self) -> Result<Vec<String>> {
        let joined = |words: Vec<String>| words.join(", ");
        let Some(shares) = &self.shares else {
            let labels = |target: &Target| target.labels.iter().map(u32::to_string).collect();
            return Ok(self.targets.iter().map(|target| joined(labels(target))).collect());
        };
        let words = |row: Vec<f32>| {
            let parts = row.into_iter().enumerate().filter(|(_, share)| *share > 0.0);
            joined(parts.map(|(class, share)| format!("{class}: {}", percent(f64::from(share)))).collect())
        };
        Ok(shares.to_vec2()?.into_iter().map(words).collect())
    }

    /// The number of images.
    #[must_use]
    pub fn len(&self) -> usize {
        self.indices.len()
    }

    /// Whether there is no image.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }
}

impl Rich for Batch {
    fn rich(&self) -> Bundle {
        match self.captions().and_then(|captions| batch_grid(&self.images, &captions)) {
            Ok(grid) => grid.title(&format!("batch of {}", self.len())).rich(),
            Err(error) => {
                Bundle::text(format!("batch of {} images that could not be drawn: {error}\n", self.len()))
            }
        }
    }
}
